r"""Shared checks of the metrics: arrays or tensors in, valid NumPy arrays out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from pyg_basis._to_numpy import ArrayLike, to_numpy


def check_matrix(value: ArrayLike, name: str) -> NDArray[np.float64]:
    r"""Returns :obj:`value` as a finite, non-empty float64 matrix :obj:`[n, K]`.

    Raises:
        ValueError: If it is not a real, finite matrix with rows and columns.
    """
    array = to_numpy(value, name)
    try:
        # check_array computes a sum first, in which huge values may overflow.
        with np.errstate(invalid="ignore"):
            matrix = check_array(array, input_name=name)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be a finite matrix [n, K] of real numbers: {error}"
        ) from error
    return np.asarray(matrix, dtype=np.float64)


def check_labels(value: ArrayLike, name: str) -> NDArray[Any]:
    r"""Returns :obj:`value` as a non-empty vector :obj:`[n]` of integers, booleans,
    strings or finite floats.

    Raises:
        ValueError: If it is anything else.
    """
    labels = to_numpy(value, name)
    # pandas stores strings as objects.
    if labels.dtype == object and all(isinstance(label, str) for label in labels.flat):
        labels = labels.astype(str)
    if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "fiubUS":
        raise ValueError(
            f"{name} must be a vector [n] of integers or strings, got {labels.dtype} "
            f"of shape {labels.shape}; take argmax(axis=1) of one-hot rows."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(
            f"{name} must not hold NaN or infinite labels; drop the unlabeled "
            f"rows from every array first."
        )
    return labels


def encode_label_pair(
    labels_true: ArrayLike, labels_pred: ArrayLike
) -> list[NDArray[np.int64]]:
    r"""Checks two labelings :obj:`[n]` of the same points and numbers each from 0.

    Raises:
        ValueError: If either is not a label vector, or the lengths differ.
    """
    true = check_labels(labels_true, "labels_true")
    pred = check_labels(labels_pred, "labels_pred")
    check_same_length(labels_true=true, labels_pred=pred)
    return [np.unique(labels, return_inverse=True)[1] for labels in (true, pred)]


def check_same_length(**arrays: NDArray[Any]) -> None:
    r"""Raises a :class:`ValueError` that names the arrays if their lengths differ."""
    lengths = [len(array) for array in arrays.values()]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"{' and '.join(arrays)} must have one entry a point, got "
            f"{' and '.join(map(str, lengths))}; pass the same points to both."
        )


def normalize_columns(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Divides every column by its Euclidean norm. A zero column stays zero: it spans
    nothing, so the metrics stay finite and count it as missing."""
    # Scaling by the largest entry first avoids overflow of the squares.
    largest = np.abs(matrix).max(axis=0)
    scaled = matrix / np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(scaled, axis=0)
    return np.asarray(scaled / np.where(norms > 0, norms, 1.0))
