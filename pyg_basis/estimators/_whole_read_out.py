from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from pyg_basis.nn import BASiSLayer
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.readout import RayleighRitz, RitzVectors, closest_in_span

# Missing share per eigenvector that is negligible.
LITTLE = 2e-3


@dataclass
class WholeReadOut:
    r"""Extracts the eigenvectors of a given graph, known at all of its nodes, from a
    layer: their least-squares approximation in the span of the hidden features.

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

    def missing(self) -> float:
        r"""Grassmann distance d_G between the eigenvectors and their best approximation
        in the span of the hidden features, at the nodes for checks. Infinite if the
        hidden features do not span K directions."""
        with evaluating(self.layer):
            _, found = self._closest([self.x], self.index)
        return inf if found is None else found[1]

    def has_nothing_to_gain(self, missing: list[float], tol: float) -> bool:
        r"""Whether hardly anything is missing. Until then more batches help, often
        late, as their targets are exact. So :obj:`tol` is ignored."""
        return missing[-1] <= LITTLE * self.eigenvectors.size(1)

    def finish(self) -> RitzVectors | None:
        r"""Replaces the output layer by the best approximation at all nodes, or returns
        :obj:`None` if the hidden features do not span K directions. The network must
        not be trained after that."""
        moments, found = self._closest(self.blocks)
        if found is None:
            return None
        coefficients = found[0]
        vectors = moments.vectors(self.eigenvalues.to(coefficients), coefficients)
        self.layer.output.fit(vectors)
        return vectors

    @torch.no_grad()
    def _closest(
        self, blocks: Iterable[Tensor], index: Tensor | slice = slice(None)
    ) -> tuple[RayleighRitz, tuple[Tensor, float] | None]:
        """Returns the directions of the hidden features, and the best approximation of
        the eigenvectors in their span, see :func:`closest_in_span`.

        The Rayleigh-Ritz method does not use the eigenvectors. If the features cannot
        express those of small groups of nodes, whose small eigenvalues are nearly
        equal, it mixes them with others.

        Args:
            blocks (iterable of Tensor): Nodes, in blocks of rows.
            index (Tensor or slice): Their indices among all nodes, by default all.
        """
        moments = self.layer.new_moments(self.x, len(self.eigenvectors), self.seed)
        found = closest_in_span(
            moments,
            blocks,
            self.eigenvectors[index],
            self.weight[index],
            self.layer.embedding.has_constant,
            self.layer.embedding.drop_first,
        )
        return moments, found
