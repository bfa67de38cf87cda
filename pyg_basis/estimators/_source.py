from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data.data import BaseData

from pyg_basis.data import FeatureSource
from pyg_basis.data.check_finite import check_finite
from pyg_basis.data.projected_rows import block_rows
from pyg_basis.data.repeated_rows import RepeatedRows
from pyg_basis.graph._edges import as_data
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS
from pyg_basis.reference.unit_rows import unit_rows

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Squares of larger values approach the end of single precision.
LARGEST = 1e15


class UnitRows(FeatureSource):
    """The rows divided by their norms, which is all an estimator uses under
    ``metric="cosine"``."""

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> Tensor:
        return unit_rows(super().__getitems__(indices), indices)


def feature_source(estimator: "BASiS", X: Any, reset: bool) -> FeatureSource:
    """Returns the validated points. Arrays, tensors, files and all else that
    scikit-learn accepts are validated at once, tensors and memory maps without copies;
    rows of a dataset when they are read.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: From scikit-learn or :class:`FeatureSource`; or if a row is zero
            under ``metric="cosine"``.
    """
    is_cosine = estimator.metric == "cosine"
    of_rows = UnitRows if is_cosine else FeatureSource
    X = as_data(X) if isinstance(X, nx.Graph) else X
    least = 2 if reset else 1
    if _is_array_like(X):
        with np.errstate(invalid="ignore", over="ignore"):
            rows = validate_data(
                estimator,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite=False,  # its error recommends other estimators
                ensure_min_samples=least,
            )
            # Quick, and finite only if all values are.
            total = (rows.data if issparse(rows) else rows).sum()
        source = of_rows(rows)
        if not np.isfinite(total) or (is_cosine and reset):
            _read_all(source)
        return source
    source = of_rows(X)
    # scikit-learn would convert all rows to floats first: pass it their shape only.
    shape = len(source), source.num_features
    zeros = np.broadcast_to(np.float32(0), shape)
    validate_data(estimator, zeros, reset=reset, ensure_min_samples=least)
    is_matrix = isinstance(source.data, (Tensor, np.ndarray))
    if _holds_floats(source.data) or (is_cosine and is_matrix):
        _read_all(source)
    return source


def weighted(
    source: FeatureSource, sample_weight: ArrayLike, has_graph: bool, seed: int
) -> RepeatedRows:
    """Returns the points, each repeated by its weight.

    Raises:
        ValueError: From :class:`RepeatedRows`; or if the graph is given.
    """
    if has_graph:
        raise ValueError(
            "sample_weight counts points in a graph of neighbors, and the graph is "
            "given: leave it out, and multiply the weight of each edge by those of its "
            "ends, such as S @ W @ S with S = scipy.sparse.diags_array(sample_weight)"
        )
    return RepeatedRows(source, sample_weight, seed)


def _read_all(source: FeatureSource) -> None:
    """Reads all rows, and raises a ValueError if one is invalid."""
    for _ in row_blocks(source):
        pass


def _is_array_like(X: Any) -> bool:
    if isinstance(X, (Tensor, np.memmap, str, Path, BaseData, Dataset)):
        return False
    if isinstance(X, Sequence):
        return len(X) == 0 or not isinstance(X[0], BaseData)
    return hasattr(X, "__array__") or hasattr(X, "shape")


def _holds_floats(data: Any) -> bool:
    if isinstance(data, Tensor):
        return data.is_floating_point()
    return isinstance(data, np.ndarray) and data.dtype.kind == "f"


def row_blocks(source: FeatureSource) -> Iterator[tuple[slice, Tensor]]:
    """Yields the rows of all points and their position, in order, in blocks of some
    thousand rows, fewer for wide ones.

    Raises:
        ValueError: If rows are not finite. Rows of a dataset are only read here.
    """
    step = min(BLOCK_ROWS, block_rows(source.num_features))
    for start in range(0, len(source), step):
        numbers = np.arange(start, min(start + step, len(source)))
        rows = source.__getitems__(numbers)
        check_finite(rows, numbers)
        yield slice(start, start + step), rows


def class_codes(y: ArrayLike | None, num_points: int) -> NDArray[np.int64]:
    """Converts labels of any type to integers ``[n]``.

    Raises:
        ValueError: If there is not one label per point.
    """
    shape = None if y is None else np.shape(y)
    if shape != (num_points,):
        raise ValueError(
            f"anchor_method='per_class' needs one label a point, y of shape "
            f"({num_points},), got {shape}: pass y, or use "
            f"anchor_method='poisson_disk', which needs no labels"
        )
    return np.unique(np.asarray(y), return_inverse=True)[1]


def single_precision(rows: Tensor) -> Tensor:
    """Converts the rows ``[n, d]`` of a sample to the network's precision.

    Raises:
        ValueError: If they are not finite (rows of a dataset are only read here), or
            that precision cannot represent their distances.
    """
    check_finite(rows)
    largest = float(rows.abs().max())
    rounding = torch.finfo(torch.float32).eps * rows.abs().amax(dim=0)
    # Below this bound, a feature is constant up to its own rounding.
    spread = rows.double().std(dim=0, correction=0)
    is_lost = (spread < 10 * rounding) & (spread > 1e-6 * rounding)
    if largest > LARGEST or (rows.dtype == torch.float64 and bool(is_lost.any())):
        raise ValueError(
            f"X has values up to {largest:.1e}, among which distances are lost in "
            f"single precision: center and rescale the features first, for example "
            f"with sklearn.preprocessing.StandardScaler"
        )
    return rows.float()
