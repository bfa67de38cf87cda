from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data
from torch import Tensor
from torch.utils.data import Dataset

from pyg_basis.loader import FeatureSource


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
    rows = X.detach().cpu().numpy() if isinstance(X, Tensor) else X
    rows = validate_data(
        estimator,
        rows,
        reset=reset,
        dtype=[np.float64, np.float32],
        ensure_min_samples=2 if reset else 1,
    )
    return FeatureSource(X.detach() if isinstance(X, Tensor) else rows)


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
