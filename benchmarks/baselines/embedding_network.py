import torch
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.eigen.rayleigh_ritz import ritz_of_moments
from pyg_basis.graph import Laplacian
from pyg_basis.nn.standardization import Standardization

# The widths of BASiSLayer.
HIDDEN_CHANNELS = (256, 512, 512, 256)
# Directions below this share of the largest are rounding, not learned.
NEGLIGIBLE = 1e-12


class EmbeddingNetwork(nn.Module):
    r"""A network with the layers of :class:`~pyg_basis.BASiSLayer` on standardized
    features, and one linear map of its outputs: the identity, or what a method computes
    in closed form once the network is trained.

    .. math::
        f(x) = g(x) \, M

    Args:
        in_channels: Width of the features :math:`d`.
        num_eigenvectors: Columns of the embedding :math:`K`.
    """

    matrix: Tensor

    def __init__(self, in_channels: int, num_eigenvectors: int) -> None:
        super().__init__()
        self.standardization = Standardization(in_channels)
        widths = [in_channels, *HIDDEN_CHANNELS, num_eigenvectors]
        self.network: nn.Module = MLP(widths, norm=None)
        self.register_buffer("matrix", torch.eye(num_eigenvectors))

    def rows(self, x: Tensor) -> Tensor:
        r"""The network's outputs :obj:`[n, K]`, before the linear map."""
        rows: Tensor = self.network(self.standardization(x))
        return rows

    @torch.no_grad()
    def take_eigenvectors(self, x: Tensor, operator: Laplacian) -> None:
        r"""Sets the linear map to the eigenvectors that the outputs' span holds, by a
        sample :obj:`x [n, d]` and the Laplacian of its graph."""
        self.matrix.copy_(rayleigh_ritz(self.rows(x), operator))

    def forward(self, x: Tensor) -> Tensor:
        r"""The embedding :obj:`[n, K]` of points :obj:`x [n, d]`, each by itself."""
        return self.rows(x) @ self.matrix


def rayleigh_ritz(rows: Tensor, operator: Laplacian) -> Tensor:
    r"""The eigenvectors of a normalized Laplacian as far as the span of rows
    :obj:`Z [n, K]` holds them.

    .. math::
        (Z^\top L Z) \, O = (Z^\top Z) \, O \, \Lambda

    Returns:
        The matrix :math:`O` :obj:`[K, K]`: the columns of :math:`Z O` are sorted by
        their Ritz value and have mean square 1, or 0 where the rows have no further
        direction.
    """
    z = rows.double()
    stiffness = z.T @ (operator.matrix.double() @ z) / len(z)
    vectors = ritz_of_moments(stiffness, z.T @ z / len(z), NEGLIGIBLE)[1]
    matrix = z.new_zeros(z.size(1), z.size(1))
    matrix[:, : vectors.size(1)] = vectors
    return matrix.to(rows)
