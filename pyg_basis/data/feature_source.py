from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, issparse
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import OnDiskDataset
from torch_geometric.data.data import BaseData

from pyg_basis.data._open_features import feature_matrix, open_features, reopening


class FeatureSource(Dataset[Tensor]):
    r"""Common interface of all sources of features: rows by index.

    Files and memory-mapped arrays are never read whole, and worker processes open them
    themselves. Sparse rows are densified on access.

    Args:
        data (Tensor, numpy.ndarray, scipy.sparse, str, pathlib.Path, Data or Dataset):
            Features :obj:`[n, d]` as a tensor, an array, a matrix or array of
            :mod:`scipy.sparse` (stored as CSR), the path of a :obj:`.npy` or
            :obj:`.pt` file (memory-mapped; the latter contains a tensor or a
            :class:`~torch_geometric.data.Data`) or the :obj:`x` of a
            :class:`~torch_geometric.data.Data`; or a map-style dataset whose items are
            feature vectors :obj:`[d]`, tuples that begin with one, or
            :class:`~torch_geometric.data.Data` with one as :obj:`x`, of shape
            :obj:`[1, d]` or :obj:`[d]`. Many items are fetched in one call if
            the dataset has :meth:`__getitems__`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If there is no matrix of features, the file has another type, or the
            dataset has no length.
    """

    def __init__(self, data: Any) -> None:
        self._reopen: Callable[[], Any] | None = None
        if isinstance(data, (str, Path)):
            self._reopen = partial(open_features, Path(data).absolute())
            data = open_features(data)
        elif isinstance(data, (Tensor, np.ndarray, BaseData)):
            data = feature_matrix(data, "data")
            self._reopen = reopening(data) if isinstance(data, np.ndarray) else None
        elif issparse(data):
            if data.ndim != 2 or not np.can_cast(data.dtype, np.float64):
                raise ValueError(
                    f"data must be a matrix of real numbers, got shape {data.shape} of "
                    f"{data.dtype}: give [points, features] in float32 or float64"
                )
            data = csr_array(data)
        elif isinstance(data, Mapping) or not (
            hasattr(data, "__getitem__") and hasattr(data, "__len__")
        ):
            raise ValueError(
                f"data must be a tensor, an array, a path, a Data or a map-style "
                f"dataset with __len__ and __getitem__, such as the dataset of a "
                f"DataLoader, got {type(data).__name__}"
            )
        self.data = data
        self.num_features = int(self[0].size(0)) if len(self) > 0 else 0

    def __len__(self) -> int:
        return int(self.data.shape[0]) if issparse(self.data) else len(self.data)

    def __getitem__(self, index: int) -> Tensor:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> Tensor:
        r"""Returns the rows of these points as float32 or float64, :obj:`[len, d]`."""
        if isinstance(self.data, Tensor):
            index = torch.as_tensor(indices, device=self.data.device)
            return _as_float(self.data[index])
        if isinstance(self.data, np.ndarray):
            return _as_float(_to_tensor(self.data[indices]))
        if issparse(self.data):
            return _as_float(_to_tensor(self.data[indices].toarray()))
        items = _fetch(self.data, [int(i) for i in indices])
        rows = [_features(item) for item in items]
        lengths = sorted({len(row) for row in rows})
        if len(lengths) > 1:
            raise ValueError(
                f"the items of data must be feature vectors of one length, got the "
                f"lengths {lengths}: pad or crop them in the dataset"
            )
        return _as_float(torch.stack(rows))

    def __getstate__(self) -> dict[str, Any]:
        # NumPy would pickle the whole content of a memory map.
        state = vars(self).copy()
        if self._reopen is not None:
            del state["data"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._reopen is not None:
            self.data = self._reopen()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({len(self)}, {self.num_features})"


def _fetch(dataset: Any, indices: list[int]) -> Sequence[Any]:
    if isinstance(dataset, OnDiskDataset):
        # Its __getitems__ uses row numbers of the database, even for a subset.
        rows = dataset.indices()
        items = dataset.multi_get([rows[i] for i in indices])
    elif hasattr(dataset, "__getitems__"):
        items = dataset.__getitems__(indices)
    else:
        items = [dataset[i] for i in indices]
    if len(items) != len(indices):
        raise ValueError(
            f"data returned {len(items)} items for {len(indices)} indices: its "
            f"__getitems__ must return one item an index, in their order"
        )
    return items


def _features(item: Any) -> Tensor:
    item = item[0] if isinstance(item, (tuple, list)) and item else item
    is_node = isinstance(item, BaseData)
    x = getattr(item, "x", None) if is_node else item
    try:
        row = _to_tensor(x)
    except (RuntimeError, TypeError, ValueError):  # not numbers
        row = torch.empty(())
    row = row[0] if is_node and row.shape[:-1] == (1,) else row
    if row.dim() != 1 or row.is_complex() or row.layout != torch.strided:
        got = item if is_node else f"{type(x).__name__} of shape {tuple(row.shape)}"
        raise ValueError(
            f"the items of data must be feature vectors [d], dense and real, or Data "
            f"with the features of one point as x, [1, d] or [d], got {got}: flatten "
            f"them in the dataset; to take the nodes of a graph as points, pass its "
            f"Data by itself, and those of several graphs by Batch.from_data_list"
        )
    return row


def _to_tensor(rows: Any) -> Tensor:
    if isinstance(rows, np.ndarray):
        # Copied, as rows of a memory map are read-only, and files may have a foreign
        # byte order; tensors support neither.
        return torch.from_numpy(rows.astype(rows.dtype.newbyteorder("=")))
    return torch.as_tensor(rows)


def _as_float(rows: Tensor) -> Tensor:
    # Half precision and integers are too coarse for distances.
    rows = rows.detach()
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
