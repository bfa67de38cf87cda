from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from pyg_basis.algorithm import read_out_known
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.readout import RitzVectors, closest_in_span

# Of each eigenvector, the share of which it matters little that it is missing.
LITTLE = 2e-3


@dataclass
class WholeReadOut:
    r"""Reads the eigenvectors of a given graph, which are known at all of its nodes,
    out of a layer, see :func:`~pyg_basis.algorithm.read_out_known`.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes that are looked at during the training.
        index (Tensor): Which of all nodes they are.
        blocks (iterable of Tensor): All nodes, in blocks of rows.
        eigenvectors (Tensor): Their rows of the eigenvectors, :obj:`[n, K]`.
        weight (Tensor): What the nodes count, :obj:`[n]`: their degrees for the random
            walk, else 1; 0 for those that are to take no part.
        eigenvalues (Tensor): Those of the eigenvectors, and some beyond, ascending.
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
    def excess(self) -> float:
        r"""d_G between the eigenvectors and what comes closest to them in the span of
        the hidden features, at the nodes that are looked at. Infinite where these do
        not span K directions."""
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

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether hardly anything is missing. Short of that more batches do help, as
        their targets are exact, and often late, so :obj:`tol` plays no role."""
        return excesses[-1] <= LITTLE * self.eigenvectors.size(1)

    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network as it is, over all nodes: the last that is done to
        it."""
        self.layer.eval()
        return read_out_known(
            self.layer,
            self.layer.new_moments(self.x, len(self.eigenvectors), self.seed),
            self.blocks,
            self.eigenvectors,
            self.weight,
            self.eigenvalues,
        )
