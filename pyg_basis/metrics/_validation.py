r"""Checks shared by the metrics: arrays or tensors in, clean numpy arrays out."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

ArrayLike: TypeAlias = npt.ArrayLike | Tensor
FloatMatrix: TypeAlias = npt.NDArray[np.float64]
LabelVector: TypeAlias = npt.NDArray[np.int64]


def as_numpy(value: ArrayLike) -> npt.NDArray[np.generic]:
    r"""Return `value` as a numpy array, whatever device a tensor lives on."""
    if isinstance(value, Tensor):
        # numpy has no bfloat16.
        value = value.float() if value.dtype == torch.bfloat16 else value
        return np.asarray(value.detach().cpu().numpy())
    return np.asarray(value)


def check_matrix(value: ArrayLike, name: str) -> FloatMatrix:
    r"""Return `value` as a finite, non-empty float64 matrix `[n, K]`.

    Args:
        value: Array or tensor of shape `[n, K]`.
        name: The parameter's name, for the error's text.

    Raises:
        ValueError: If it is not a real, finite matrix with rows and columns.
    """
    array = as_numpy(value)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name} must be a matrix [n, K] with at least one row and one column, "
            f"got shape {tuple(array.shape)}; reshape a single column with "
            f"{name}.reshape(-1, 1)."
        )
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must hold real numbers, got dtype {array.dtype}; "
            f"convert it to float first."
        )
    matrix = array.astype(np.float64)
    if not np.isfinite(matrix).all():
        count = int((~np.isfinite(matrix)).sum())
        raise ValueError(
            f"{name} must be finite, got {count} NaN or infinite entries; "
            f"drop or impute these rows first."
        )
    return matrix


def check_labels(value: ArrayLike, name: str) -> npt.NDArray[np.generic]:
    r"""Return `value` as a non-empty label vector `[n]` without NaN.

    Args:
        value: Array, list or tensor of shape `[n]`; integers, booleans or strings,
            or floats that are all finite.
        name: The parameter's name, for the error's text.

    Raises:
        ValueError: If it is not a non-empty vector, or holds NaN or infinities.
    """
    labels = as_numpy(value)
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(
            f"{name} must be a vector [n] with at least one label, "
            f"got shape {tuple(labels.shape)}; pass class numbers, and take "
            f"argmax(axis=1) of one-hot rows."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(
            f"{name} must not hold NaN or infinite labels; drop the unlabeled "
            f"rows from every array first."
        )
    if labels.dtype.kind not in "fiubUS":
        raise ValueError(
            f"{name} must hold integers or strings, got dtype {labels.dtype}; "
            f"convert the labels first, for example with np.unique(..., "
            f"return_inverse=True)."
        )
    return labels


def encode_label_pair(
    labels_true: ArrayLike, labels_pred: ArrayLike
) -> tuple[LabelVector, LabelVector]:
    r"""Check two labelings of the same points and number each from 0.

    Args:
        labels_true: Labels of shape `[n]`.
        labels_pred: Labels of shape `[n]`, with names of their own.

    Returns:
        Two int64 vectors `[n]`, classes and clusters numbered from 0 without gaps.

    Raises:
        ValueError: If either is no label vector, or the lengths differ.
    """
    true = check_labels(labels_true, "labels_true")
    pred = check_labels(labels_pred, "labels_pred")
    if true.shape != pred.shape:
        raise ValueError(
            f"labels_true and labels_pred must label the same points, got "
            f"{true.size} and {pred.size} labels; pass vectors of one length."
        )
    _, true_codes = np.unique(true, return_inverse=True)
    _, pred_codes = np.unique(pred, return_inverse=True)
    return true_codes.astype(np.int64), pred_codes.astype(np.int64)


def check_choice(value: str, name: str, allowed: tuple[str, ...]) -> None:
    r"""Raise a ValueError that lists what is allowed unless `value` is in it."""
    if value not in allowed:
        options = ", ".join(repr(option) for option in allowed)
        raise ValueError(f"{name} must be one of {options}, got {value!r}.")


def normalize_columns(matrix: FloatMatrix) -> FloatMatrix:
    r"""Divide every column by its Euclidean norm; a zero column stays zero.

    A zero column spans nothing: it is left as it is, so that the metrics stay
    finite and count it as missing.
    """
    # Scaling by the largest entry first keeps the squares from overflowing.
    largest = np.abs(matrix).max(axis=0)
    scaled = matrix / np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(scaled, axis=0)
    return np.asarray(scaled / np.where(norms > 0, norms, 1.0))
