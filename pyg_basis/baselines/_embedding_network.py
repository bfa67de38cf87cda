import torch
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.baselines._rayleigh_ritz import rayleigh_ritz
from pyg_basis.graph import Laplacian
from pyg_basis.nn._default_network import HIDDEN_CHANNELS
from pyg_basis.nn.standardization import Standardization


class EmbeddingNetwork(nn.Module):
    r"""A network on standardised features, and one linear map of its outputs.

    .. math::
        f(x) = g(x) \, M

    The map is the identity, or what a method computes in closed form once the network
    is trained; it is a buffer, and so a part of what is saved.

    Args:
        in_channels (int): Width of the features :math:`d`.
        num_eigenvectors (int): Columns of the embedding :math:`K`.
        network (torch.nn.Module, optional): Any module that maps standardised
            features :obj:`[n, in_channels]` to :obj:`[n, num_eigenvectors]`; by
            default with the layers of :class:`~pyg_basis.BASiSLayer`.
            (default: :obj:`None`)
    """

    matrix: Tensor
    eigenvalues: Tensor

    def __init__(
        self, in_channels: int, num_eigenvectors: int, network: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.standardization = Standardization(in_channels)
        if network is None:
            widths = [in_channels, *HIDDEN_CHANNELS, num_eigenvectors]
            network = MLP(widths, norm=None)
        self.network = network
        self.register_buffer("matrix", torch.eye(num_eigenvectors))
        self.register_buffer("eigenvalues", torch.zeros(num_eigenvectors))

    def rows(self, x: Tensor) -> Tensor:
        r"""The network's outputs :obj:`[n, K]` for points :obj:`x [n, d]`, before
        the linear map."""
        rows: Tensor = self.network(self.standardization(x))
        expected = (x.size(0), self.matrix.size(0))
        if rows.shape != expected:
            raise ValueError(
                f"network gives shape {tuple(rows.shape)} for {x.size(0)} points, "
                f"expected {expected}: it must end in n_components columns"
            )
        return rows

    @torch.no_grad()
    def take_eigenvectors(
        self, x: Tensor, operator: Laplacian, weight: Tensor | float = 1.0
    ) -> None:
        r"""Sets the linear map to the eigenvectors that the outputs' span holds.

        Args:
            x (Tensor): A sample of the points, :obj:`[n, d]`.
            operator (Laplacian): Of their graph, see :func:`rayleigh_ritz`.
            weight (Tensor or float, optional): What makes rows of the operator's
                eigenvectors of the outputs, :obj:`[n, 1]`. (default: :obj:`1.0`)
        """
        matrix, values = rayleigh_ritz(self.rows(x) * weight, operator)
        self.matrix.copy_(matrix)
        self.eigenvalues.copy_(values)

    def forward(self, x: Tensor) -> Tensor:
        r"""The embedding :obj:`[n, K]` of points :obj:`x [n, d]`, each by itself."""
        return self.rows(x) @ self.matrix

    def __repr__(self) -> str:
        in_channels = self.standardization.mean.numel()
        return f"{self.__class__.__name__}({in_channels}, {self.matrix.size(0)})"
