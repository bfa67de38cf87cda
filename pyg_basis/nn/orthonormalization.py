from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pyg_basis.nn._full_precision import full_precision

# Below this share of the largest, a direction of the rows was not learned;
# scaling it up to the others would only raise its noise.
UNLEARNED = 0.05


class Orthonormalization(nn.Module):
    r"""Makes the columns of an embedding orthonormal over a sample, by the
    symmetric map nearest to the identity (`Löwdin 1950
    <https://doi.org/10.1063/1.1747632>`_); the identity until fitted.

    .. math::
        Y \mapsto Y \left( \tfrac1n Y^\top Y \right)^{-1/2}

    Eigenvectors are orthonormal, while a regression onto noisy targets shrinks
    towards their mean. The column space does not change, and of all maps that
    restore the orthonormality this one moves the basis least.

    Args:
        num_columns (int): Columns of the embedding :math:`K`.
    """

    matrix: Tensor

    def __init__(self, num_columns: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(num_columns))

    def reset_parameters(self) -> None:
        r"""Back to the identity."""
        self.matrix.zero_().fill_diagonal_(1)

    def fit(self, blocks: Iterable[Tensor]) -> None:
        r"""Fits to an embedding that comes in blocks of some of its rows,
        :obj:`[?, K]`."""
        moments, num_rows = torch.zeros_like(self.matrix, dtype=torch.float64), 0
        for block in blocks:
            rows = block.double()
            moments += rows.T @ rows
            num_rows += rows.size(0)
        values, vectors = torch.linalg.eigh(moments / num_rows)
        floor = (UNLEARNED * values[-1]).clamp(min=torch.finfo(torch.float32).tiny)
        self.matrix.copy_((vectors * values.maximum(floor).rsqrt()) @ vectors.T)

    @full_precision
    def forward(self, rows: Tensor) -> Tensor:
        r"""Rows :obj:`[n, K]` of the orthonormal embedding."""
        return rows @ self.matrix

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.matrix.size(0)})"
