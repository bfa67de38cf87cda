r"""Deviation of the columns of an embedding from orthonormality (Eq. 17)."""

from typing import Literal

import numpy as np

from pyg_basis._constraints import StrOptions, check_arguments
from pyg_basis._to_numpy import ArrayLike
from pyg_basis.metrics._validation import check_matrix, normalize_columns

CONSTRAINTS = {"variant": [StrOptions({"paper", "official"})]}


def orthogonality(
    y: ArrayLike, variant: Literal["paper", "official"] = "paper"
) -> float:
    r"""Deviation of an embedding's columns from orthonormality.

    Eq. 17 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_,

    .. math::
        d_\perp = \| Y^T Y - I \|_F^2 .

    Args:
        y (array-like): Embedding, :obj:`[n, K]`, with mean square 1 per column (this
            package's scale: unit eigenvectors times :math:`\sqrt n`).
        variant (str, optional): :obj:`"paper"` is Eq. 17 of :math:`Y / \sqrt n`, so
            norms and angles count. :obj:`"official"` is the authors' published code:
            the norm is not squared, and columns are scaled to unit norm first, so only
            angles count, and :obj:`y` may have any scale. (default: :obj:`"paper"`)

    Returns:
        float: The deviation, 0 for orthonormal columns. For a column of zeros, a 1 on
        the diagonal is missing. Values too large for a float are infinite.

    Raises:
        ValueError: If :obj:`y` is not a real, finite matrix or :obj:`variant` is
            unknown.
    """
    check_arguments(CONSTRAINTS, "orthogonality", variant=variant)
    matrix = check_matrix(y, "y")
    if variant == "paper":
        scaled = matrix / np.sqrt(len(matrix))
    else:
        scaled = normalize_columns(matrix)
    # In units of the largest entry, products stay finite. Only the final result may
    # become infinite.
    unit = max(1.0, np.abs(scaled).max())
    scaled = scaled / unit
    with np.errstate(over="ignore"):
        identity = np.eye(matrix.shape[1]) / unit**2
        deviation = np.linalg.norm(scaled.T @ scaled - identity) * unit**2
        return float(deviation**2 if variant == "paper" else deviation)
