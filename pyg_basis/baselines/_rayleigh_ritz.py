import torch
from torch import Tensor

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
    scale, directions = torch.linalg.eigh(z.T @ z / len(z))
    is_kept = scale > NEGLIGIBLE * scale[-1]
    whitening = directions * torch.where(is_kept, scale, torch.inf).rsqrt()
    z = z @ whitening
    projected = z.T @ (operator.matrix.double() @ z) / len(z)
    # A direction that is not there comes last.
    projected.diagonal().add_(torch.where(is_kept, 0.0, 2 * operator.degree.max() + 2))
    values, rotation = torch.linalg.eigh((projected + projected.T) / 2)
    return (whitening @ rotation).to(rows), values.to(rows)
