import torch
from torch import Tensor

from pyg_basis.eigen._ritz_of_moments import ritz_of_moments
from pyg_basis.graph import Laplacian

# Directions below this share of the largest are rounding, not learned.
NEGLIGIBLE = 1e-12


@torch.no_grad()
def rayleigh_ritz(rows: Tensor, operator: Laplacian) -> tuple[Tensor, Tensor]:
    r"""The eigenvectors of a symmetric Laplacian as far as the span of some rows
    holds them.

    .. math::
        (Z^\top L Z) \, O = (Z^\top Z) \, O \, \Lambda

    Args:
        rows (Tensor): A basis of the space :math:`Z`, :obj:`[n, K]`.
        operator (Laplacian): Of kind ``"sym"`` or ``"comb"``, :obj:`[n, n]`.

    Returns:
        tuple: The matrix :math:`O` :obj:`[K, K]`, such that the columns of
        :math:`Z O` have mean square 1 (0 where the rows have no further direction),
        and the Ritz values ascending, :obj:`[K]`.
    """
    z = rows.double()
    stiffness = z.T @ (operator.matrix.double() @ z) / len(z)
    found, directions = ritz_of_moments(stiffness, z.T @ z / len(z), NEGLIGIBLE)
    num_columns, rank = directions.shape
    # A direction that is not there comes last.
    matrix = directions.new_zeros(num_columns, num_columns)
    matrix[:, :rank] = directions
    values = (2 * operator.degree.max() + 2).double().expand(num_columns).clone()
    values[:rank] = found
    return matrix.to(rows), values.to(rows)
