import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_basis.nn._full_precision import full_precision
from pyg_basis.nn.rayleigh_ritz import RitzVectors


class ReadOut(nn.Linear):
    r"""The output layer: an affine map from hidden features to the embedding.

    .. math::
        h \mapsto h \, C + c

    In training, the last hidden layer's part of :math:`C` is a parameter, and the part
    of the earlier layers is zero. :meth:`fit` sets all of it to Ritz vectors.

    Args:
        num_earlier (int): Width of the earlier hidden layers.
        num_last (int): Width of the last hidden layer.
        num_columns (int): Columns of the embedding :math:`K`.
        num_values (int): Eigenvalues that are kept, infinite where features have no
            further direction.
    """

    earlier: Tensor
    eigenvalues: Tensor

    def __init__(
        self, num_earlier: int, num_last: int, num_columns: int, num_values: int
    ) -> None:
        super().__init__(num_last, num_columns)
        self.register_buffer("earlier", torch.zeros(num_columns, num_earlier))
        self.register_buffer("eigenvalues", torch.zeros(num_values))

    def reset_parameters(self) -> None:
        r"""Draws the weights anew, and forgets what was read out."""
        super().reset_parameters()
        if hasattr(self, "earlier"):  # not yet when nn.Linear is made
            self.forget()

    def forget(self) -> None:
        r"""Back to the last hidden layer alone, and to no eigenvalues."""
        self.earlier.zero_()
        self.eigenvalues.zero_()

    @torch.no_grad()
    def fit(self, vectors: RitzVectors) -> None:
        r"""Takes the first Ritz vectors as columns, and their eigenvalues with those
        beyond."""
        weight = vectors.weight[:, : self.out_features].T
        self.earlier.copy_(weight[:, : self.earlier.size(1)])
        self.weight.copy_(weight[:, self.earlier.size(1) :])
        self.bias.copy_(vectors.bias[: self.out_features])
        self.eigenvalues.fill_(torch.inf)
        self.eigenvalues[: len(vectors.values)] = vectors.values

    @full_precision
    def forward(self, hidden: Tensor) -> Tensor:
        r"""The embedding :obj:`[n, K]` of nodes with these hidden features
        :obj:`[n, h]`."""
        return F.linear(hidden, torch.cat([self.earlier, self.weight], 1), self.bias)
