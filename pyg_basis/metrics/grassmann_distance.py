r"""Grassmann distance between an embedding and the exact eigenspace (Eq. 16)."""

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

    with the principal angles :math:`\theta_i` between the two spaces. It is 0 for
    equal spaces and K for orthogonal ones. With :obj:`variant="paper"` it is invariant
    to rotating, scaling or mixing the columns of either matrix.

    Args:
        y (array-like): Embedding, :obj:`[n, K]`, in any scale.
        reference (array-like): Reference embedding of the same nodes, :obj:`[n, K]`, in
            any scale; for example the exact eigenvectors.
        variant (str, optional): :obj:`"paper"` is Eq. 16 between the column spaces:
            both matrices are orthonormalized first. :obj:`"official"` is the authors'
            published code: columns are only scaled to unit norm, so the value depends
            on the basis, and the reference should be aligned to :obj:`y`. It equals the
            paper's value for orthogonal columns, and may be negative for others.
            (default: :obj:`"paper"`)

    Returns:
        float: The distance. With :obj:`variant="paper"` it is in [0, K]; each missing
        direction of a rank-deficient matrix counts as a right angle.

    Raises:
        ValueError: If a matrix is not real and finite, the shapes differ, K exceeds
            n, or :obj:`variant` is unknown.
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
    # |Q1^T Q2|_F^2 is the sum of the squared singular values, which are cos^2 theta_i.
    overlap = float(np.square(basis(left).T @ basis(right)).sum())
    distance = float(num_columns) - overlap
    # The exact distance is nonnegative; rounding may make it negative.
    return max(distance, 0.0) if variant == "paper" else distance


def _orthonormal_basis(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Returns an orthonormal basis :obj:`[n, rank]` of the column space.

    The SVD reveals the numerical rank, whereas QR would complete the basis by arbitrary
    directions and give meaningless angles. Columns are normalized first, so that the
    rank does not depend on their scale.
    """
    left, values, _ = np.linalg.svd(normalize_columns(matrix), full_matrices=False)
    tolerance = values.max() * max(matrix.shape) * np.finfo(np.float64).eps
    return np.asarray(left[:, values > tolerance])
