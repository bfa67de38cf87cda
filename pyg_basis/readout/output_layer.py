from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_basis._precision import full_precision
from pyg_basis.readout.rayleigh_ritz import RitzVectors


class OutputLayer(nn.Linear):
    r"""The output layer: an affine map from hidden features to the embedding.

    .. math::
        h \mapsto h \, C + c

    During training, the last hidden layer's part of :math:`C` is a parameter, and that
    of the earlier layers is zero. :meth:`fit` sets all of it to Ritz vectors.

    Args:
        widths (sequence of int): Widths of the hidden layers, in order.
        num_columns (int): Dimension of the embedding :math:`K`.
        num_values (int): Number of stored eigenvalues, infinite if the features span
            fewer directions.
    """

    earlier: Tensor
    eigenvalues: Tensor

    def __init__(
        self, widths: Sequence[int], num_columns: int, num_values: int
    ) -> None:
        super().__init__(widths[-1], num_columns)
        self.widths = list(widths)
        self.register_buffer("earlier", torch.zeros(num_columns, sum(widths[:-1])))
        self.register_buffer("eigenvalues", torch.zeros(num_values))

    def forget(self) -> None:
        r"""Resets the weights of the earlier layers and the eigenvalues to zero."""
        self.earlier.zero_()
        self.eigenvalues.zero_()

    @torch.no_grad()
    def fit(self, vectors: RitzVectors) -> None:
        r"""Sets the columns to the first Ritz vectors, and the eigenvalues to all Ritz
        values."""
        num_columns = len(self.bias)
        weight = vectors.weight[:, :num_columns].T
        self.earlier.copy_(weight[:, : self.earlier.size(1)])
        self.weight.copy_(weight[:, self.earlier.size(1) :])
        self.bias.copy_(vectors.bias[:num_columns])
        self.eigenvalues.fill_(torch.inf)
        self.eigenvalues[: len(vectors.values)] = vectors.values

    @full_precision
    def forward(self, *layers: Tensor) -> Tensor:
        r"""Returns the embedding :obj:`[n, K]` of nodes, given their hidden features
        layer by layer, :obj:`[n, h_i]`."""
        # Concatenation would copy them. Also, products of rows of odd length round
        # differently by memory position, and so would depend on the other nodes.
        *earlier, last = layers
        rows = F.linear(last, self.weight, self.bias)
        weights = self.earlier.split(self.widths[:-1], dim=1)
        for layer, weight in zip(earlier, weights, strict=True):
            rows = rows + F.linear(layer, weight)
        return rows
