from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data
from torch import Tensor
from torch.utils.data import Dataset

from pyg_basis.loader import FeatureSource

# Enough rows to keep the matrix products busy.
BLOCK_ROWS = 8192
# Squares of larger values come near the end of single precision.
LARGEST = 1e15


def feature_source(estimator: Any, X: Any, reset: bool) -> FeatureSource:
    """The validated points. Arrays, tensors and all else scikit-learn takes are
    checked whole before any work, memory-mapped ones without being copied; the
    rows of a dataset as they are drawn.

    Raises:
        ValueError: scikit-learn's own; or for a dataset that is too small or
            of another width.
    """
    if isinstance(X, Dataset) and not isinstance(X, Tensor):
        return _dataset_source(estimator, X, reset)
    if isinstance(X, Tensor):
        X = X.detach().float() if X.dtype == torch.bfloat16 else X.detach()
    rows = X.cpu().numpy() if isinstance(X, Tensor) else X
    dtypes: Any = [np.float64, np.float32]
    if isinstance(rows, np.memmap) and rows.dtype.isnative:
        # Pixels on disk, say: made floats as they are drawn, not all at once.
        dtypes = rows.dtype if np.can_cast(rows.dtype, np.float64) else dtypes
    rows = validate_data(
        estimator,
        rows,
        reset=reset,
        dtype=dtypes,
        ensure_min_samples=2 if reset else 1,
    )
    return FeatureSource(X if isinstance(X, Tensor) else rows)


def _dataset_source(estimator: Any, X: Dataset[Any], reset: bool) -> FeatureSource:
    source = FeatureSource(X)
    if len(source) < 2 and reset:
        raise ValueError(f"X has n_samples = {len(source)}: at least 2 are needed")
    if reset:
        estimator.n_features_in_ = source.num_features
    elif source.num_features != estimator.n_features_in_:
        raise ValueError(
            f"X has {source.num_features} features, but {type(estimator).__name__} is "
            f"expecting {estimator.n_features_in_} features as input: transform points "
            f"described as those it was fitted on"
        )
    return source


def row_blocks(source: FeatureSource) -> Iterator[Tensor]:
    """The rows of all points, in order, some thousands at a time.

    Raises:
        ValueError: If rows of a dataset, which are read only now, are not finite.
    """
    for start in range(0, len(source), BLOCK_ROWS):
        index = np.arange(start, min(start + BLOCK_ROWS, len(source)))
        rows = source.__getitems__(index)
        _check_finite(rows, f"among points {start} to {index[-1]}")
        yield rows


def _check_finite(rows: Tensor, where: str) -> None:
    if not torch.isfinite(rows).all():
        raise ValueError(
            f"X holds NaN or infinite values {where}: drop those points or replace "
            f"the values"
        )


def class_codes(y: ArrayLike | None, num_points: int) -> NDArray[np.int64]:
    """The labels, of any kind, as integers ``[n]``.

    Raises:
        ValueError: If there is not one label a point.
    """
    shape = None if y is None else np.shape(y)
    if shape != (num_points,):
        raise ValueError(
            f"anchors='per_class' needs one label a point, y of shape ({num_points},), "
            f"got {shape}: pass y, or use anchors='poisson_disk', which needs no labels"
        )
    return np.unique(np.asarray(y), return_inverse=True)[1]


def single_precision(rows: Tensor) -> Tensor:
    """The sample's rows ``[n, d]`` in the precision the network works in.

    Raises:
        ValueError: If they are not finite (rows of a dataset are read only now),
            or that precision cannot hold their distances.
    """
    _check_finite(rows, "among the sampled points")
    largest = float(rows.abs().max())
    rounding = torch.finfo(torch.float32).eps * rows.abs().amax(dim=0)
    # Below the lower bound a feature is constant but for its own rounding.
    spread = rows.double().std(dim=0)
    is_lost = (spread < 10 * rounding) & (spread > 1e-6 * rounding)
    if largest > LARGEST or (rows.dtype == torch.float64 and bool(is_lost.any())):
        raise ValueError(
            f"X has values up to {largest:.1e}, among which distances are lost in "
            f"single precision: centre and rescale the features first, for example "
            f"with sklearn.preprocessing.StandardScaler"
        )
    return rows.float()
