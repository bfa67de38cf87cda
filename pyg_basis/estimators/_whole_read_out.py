from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from pyg_basis.algorithm import read_out_known
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.readout import RitzVectors, closest_in_span

# Missing share per eigenvector that is negligible.
LITTLE = 2e-3


@dataclass
class WholeReadOut:
    r"""Extracts the eigenvectors of a given graph, known at all of its nodes, from a
    layer, see :func:`~pyg_basis.algorithm.read_out_known`.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes for checks during the training.
        index (Tensor): Their indices among all nodes.
        blocks (iterable of Tensor): All nodes, in blocks of rows.
        eigenvectors (Tensor): Their rows of the eigenvectors, :obj:`[n, K]`.
        weight (Tensor): Weights of the nodes, :obj:`[n]`: their degrees for the random
            walk, else 1; 0 for excluded nodes.
        eigenvalues (Tensor): Eigenvalues of the eigenvectors, and some more, ascending.
        seed (int): Seed of the random mixture of many hidden features.
    """

    layer: BASiSLayer
    x: Tensor
    index: Tensor
    blocks: Iterable[Tensor]
    eigenvectors: Tensor
    weight: Tensor
    eigenvalues: Tensor
    seed: int

    @torch.no_grad()
    def missing(self) -> float:
        r"""Grassmann distance d_G between the eigenvectors and their best approximation
        in the span of the hidden features, at the nodes for checks. Infinite if the
        hidden features do not span K directions."""
        with evaluating(self.layer):
            found = closest_in_span(
                self.layer.new_moments(self.x, len(self.eigenvectors), self.seed),
                [self.x],
                self.eigenvectors[self.index],
                self.weight[self.index],
                self.layer.embedding.has_constant,
                self.layer.embedding.drop_first,
            )
        return inf if found is None else found[1]

    def has_nothing_to_gain(self, missing: list[float], tol: float) -> bool:
        r"""Whether hardly anything is missing. Until then more batches help, often
        late, as their targets are exact. So :obj:`tol` is ignored."""
        return missing[-1] <= LITTLE * self.eigenvectors.size(1)

    def finish(self) -> RitzVectors | None:
        r"""Performs the read-out over all nodes. The network must not be trained
        after that."""
        self.layer.eval()
        return read_out_known(
            self.layer,
            self.layer.new_moments(self.x, len(self.eigenvectors), self.seed),
            self.blocks,
            self.eigenvectors,
            self.weight,
            self.eigenvalues,
        )
