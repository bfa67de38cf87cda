from typing import Literal

import torch
from torch import Tensor

from pyg_basis.graph import Landmarks, Laplacian, neighbor_laplacian
from pyg_basis.loader import ExactEmbedding

# Points that the last step of SpectralNet and SpecNet2, after the training, is made on.
LAST_SAMPLE = 10_000


def draw(num_points: int, size: int, generator: torch.Generator) -> Tensor:
    r"""Different points at random, :obj:`[min(size, num_points)]`."""
    if 4 * size > num_points:
        return torch.randperm(num_points, generator=generator)[:size]
    # Some more than needed, as a few come twice: no work grows with the points.
    drawn = torch.randint(num_points, (2 * size,), generator=generator)
    distinct = torch.unique(drawn)
    while len(distinct) < size:  # of a few points only
        more = torch.randint(num_points, (size,), generator=generator)
        distinct = torch.unique(torch.cat([distinct, more]))
    order = torch.randperm(len(distinct), generator=generator)
    return distinct[order[:size]]


def batch_laplacian(x: Tensor, embedding: ExactEmbedding) -> Laplacian:
    r"""The Laplacian of the graph of a batch :obj:`x [m, d]`, ``"sym"`` or
    ``"comb"``, in the precision of the network."""
    first, others = x[:1], x[1:]
    kind: Literal["sym", "comb"] = "comb" if embedding.laplacian == "comb" else "sym"
    operator = neighbor_laplacian(
        Landmarks(first), others, embedding.num_neighbors, embedding.bandwidth, kind
    )
    return Laplacian(operator.matrix.to(x.dtype), kind, operator.degree.to(x.dtype))
