from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset


class FeatureSource(Dataset[Tensor]):
    r"""One face for the places features come from: rows by index.

    Args:
        data (Tensor, numpy.ndarray or Dataset): Features :obj:`[n, d]` as a
            tensor, an array (a memory-mapped one is read row by row and never
            whole), or a map-style dataset whose items are feature vectors
            :obj:`[d]` or tuples that begin with one.

    Raises:
        ValueError: If an array is not a matrix, or the dataset has no length.
    """

    def __init__(self, data: Any) -> None:
        if isinstance(data, (Tensor, np.ndarray)):
            if data.ndim != 2:
                raise ValueError(
                    f"data must be a matrix [points, features], got shape "
                    f"{tuple(data.shape)}: reshape it with data.reshape(len(data), -1)"
                )
        elif not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
            raise ValueError(
                f"data must be a tensor, an array or a map-style dataset with "
                f"__len__ and __getitem__, got {type(data).__name__}"
            )
        self.data = data
        self.num_features = int(self[0].size(0)) if len(data) > 0 else 0

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Tensor:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> Tensor:
        r"""The rows of these points as float32 or float64, :obj:`[len, d]`."""
        if isinstance(self.data, Tensor):
            index = torch.as_tensor(indices, device=self.data.device)
            return _as_float(self.data[index])
        if isinstance(self.data, np.ndarray):
            return _as_float(_to_tensor(self.data[indices]))
        return _as_float(torch.stack([_features(self.data[int(i)]) for i in indices]))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({len(self)}, {self.num_features})"


def _features(item: Any) -> Tensor:
    if isinstance(item, (tuple, list)):
        item = item[0]
    row = _to_tensor(item) if isinstance(item, np.ndarray) else torch.as_tensor(item)
    if row.dim() != 1:
        raise ValueError(
            f"the items of data must be feature vectors [d], got shape "
            f"{tuple(row.shape)}: flatten them in the dataset"
        )
    return row


def _to_tensor(rows: np.ndarray) -> Tensor:
    # Copied: rows of a memory map are read-only, and files may have the byte order
    # of another machine; tensors have neither.
    return torch.from_numpy(rows.astype(rows.dtype.newbyteorder("=")))


def _as_float(rows: Tensor) -> Tensor:
    # Half precision and integers have too few digits for distances.
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
