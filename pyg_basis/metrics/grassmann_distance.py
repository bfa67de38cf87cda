r"""Distance between an embedding and the exact eigenspace (Eq. 16)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyg_basis._constraints import StrOptions, check_arguments
from pyg_basis._to_numpy import ArrayLike
from pyg_basis.metrics._validation import check_matrix, normalize_columns

CONSTRAINTS = {"variant": [StrOptions({"paper", "official"})]}


def grassmann_distance(
    y: ArrayLike,
    reference: ArrayLike,
    variant: Literal["paper", "official"] = "paper",
) -> float:
    r"""Grassmann distance between the column spaces of two embeddings.

    Eq. 16 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_,

    .. math::
        d_G = K - \sum_{i=1}^{K} \cos^2 \theta_i,

    with :math:`\theta_i` the principal angles between the two spaces. It is 0 for
    equal spaces and K for orthogonal ones, and with `variant="paper"` it does not
    change when the columns of either matrix are rotated, scaled or mixed.

    Args:
        y: Embedding of shape `[n, K]`, in any scale.
        reference: Reference embedding of shape `[n, K]` of the same nodes, in any
            scale; for example the exact eigenvectors.
        variant: `"paper"` takes Eq. 16 between the column spaces: both matrices are
            orthonormalized first. `"official"` is what the authors' published code
            computes: columns are only scaled to unit norm, so the value depends on
            the basis and should be taken against a reference aligned to `y`; it is
            the paper's value where the columns are orthogonal already, and may be
            negative where they are not.

    Returns:
        The distance. With `variant="paper"` in [0, K]; a direction missing in a
        rank-deficient matrix counts as one right angle.

    Raises:
        ValueError: If a matrix is not real and finite, the shapes differ, K exceeds
            n, or `variant` is unknown.
    """
    check_arguments(CONSTRAINTS, "grassmann_distance", variant=variant)
    left = check_matrix(y, "y")
    right = check_matrix(reference, "reference")
    if left.shape != right.shape:
        raise ValueError(
            f"y and reference must have the same shape [n, K], got {left.shape} and "
            f"{right.shape}; embed the same nodes with the same number of columns."
        )
    num_nodes, num_columns = left.shape
    if num_columns > num_nodes:
        raise ValueError(
            f"y must have at least as many rows as columns, got shape {left.shape}; "
            f"pass nodes as rows, or more nodes."
        )
    basis = _orthonormal_basis if variant == "paper" else normalize_columns
    # |Q1^T Q2|_F^2 is the sum of the squared singular values, the cos^2 theta_i.
    overlap = float(np.square(basis(left).T @ basis(right)).sum())
    distance = float(num_columns) - overlap
    # In exact arithmetic the paper's distance is never negative; rounding is.
    return max(distance, 0.0) if variant == "paper" else distance


def _orthonormal_basis(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Orthonormal basis `[n, rank]` of the column space, numerical rank only.

    The SVD shows the rank where a QR would fill the missing directions with
    arbitrary ones and so report angles that mean nothing. Unit columns first: the
    rank must not depend on how the columns are scaled.
    """
    left, values, _ = np.linalg.svd(normalize_columns(matrix), full_matrices=False)
    tolerance = values.max() * max(matrix.shape) * np.finfo(np.float64).eps
    return np.asarray(left[:, values > tolerance])
