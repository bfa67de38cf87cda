from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_basis._own_generator import draw_weights
from pyg_basis._precision import full_precision
from pyg_basis.readout.rayleigh_ritz import RitzVectors


class OutputLayer(nn.Module):
    r"""The output layer: an affine map from hidden features to the embedding.

    .. math::
        h \mapsto h \, C + c

    In training, the last hidden layer's part of :math:`C` is a parameter, and the part
    of the earlier layers is zero. :meth:`fit` sets all of it to Ritz vectors.

    Args:
        widths (sequence of int): Widths of the layers that the hidden features are of,
            the last one last.
        num_columns (int): Columns of the embedding :math:`K`.
        num_values (int): Eigenvalues that are kept, infinite where features have no
            further direction.
        generator (torch.Generator, optional): Source of the weights, by default the
            global one. (default: :obj:`None`)
    """

    earlier: Tensor
    eigenvalues: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        num_columns: int,
        num_values: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.widths = list(widths)
        self.weight = nn.Parameter(torch.empty(num_columns, widths[-1]))
        self.bias = nn.Parameter(torch.empty(num_columns))
        self.register_buffer("earlier", torch.zeros(num_columns, sum(widths[:-1])))
        self.register_buffer("eigenvalues", torch.zeros(num_values))
        draw_weights(self.weight, self.bias, generator)

    def reset_parameters(self) -> None:
        r"""Draws the weights anew, and forgets what was read out."""
        draw_weights(self.weight, self.bias, None)
        self.forget()

    def forget(self) -> None:
        r"""Back to the last hidden layer alone, and to no eigenvalues."""
        self.earlier.zero_()
        self.eigenvalues.zero_()

    @torch.no_grad()
    def fit(self, vectors: RitzVectors) -> None:
        r"""Takes the first Ritz vectors as columns, and their eigenvalues with those
        beyond."""
        num_columns = len(self.bias)
        weight = vectors.weight[:, :num_columns].T
        self.earlier.copy_(weight[:, : self.earlier.size(1)])
        self.weight.copy_(weight[:, self.earlier.size(1) :])
        self.bias.copy_(vectors.bias[:num_columns])
        self.eigenvalues.fill_(torch.inf)
        self.eigenvalues[: len(vectors.values)] = vectors.values

    @full_precision
    def forward(self, *layers: Tensor) -> Tensor:
        r"""The embedding :obj:`[n, K]` of nodes with these hidden features, layer by
        layer, :obj:`[n, h_i]`."""
        # Side by side they would be copied, and products of rows of an odd length round
        # by the place of a row in memory, and so by what other nodes there are.
        *earlier, last = layers
        rows = F.linear(last, self.weight, self.bias)
        weights = self.earlier.split(self.widths[:-1], dim=1)
        for layer, weight in zip(earlier, weights, strict=True):
            rows = rows + F.linear(layer, weight)
        return rows
