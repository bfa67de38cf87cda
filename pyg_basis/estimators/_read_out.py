from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

from pyg_basis._ranks import Ranks
from pyg_basis.algorithm import NUM_BEYOND, SampleGraph, read_out
from pyg_basis.estimators._quality import HeldOut, captured_by_all
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.readout import RayleighRitz, RitzVectors

# Missing share per eigenvector that is within the noise of a sample.
SAMPLING = 1e-3


@dataclass
class TrainingReadOut:
    r"""Extracts the eigenvectors from a layer: during the training, to decide when to
    stop, and at its end.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes of the first graph, enough to determine the directions.
        first (SampleGraph): The graph of the first sample.
        others (iterable of SampleGraph): Graphs of all further samples available.
        num_nodes (int): Total number of nodes of all graphs.
        held_out (HeldOut): Nodes for checks during the training.
        seed (int): Seed of the random mixture of many hidden features.
        ranks (Ranks): The processes of the read-out. The first graph is that of rank 0;
            in others it has no nodes.

    Attributes:
        moments (RayleighRitz): Moments of the graphs used in the read-out so far, from
            the first :meth:`missing` on.
    """

    layer: BASiSLayer
    x: Tensor
    first: SampleGraph
    others: Iterable[SampleGraph]
    num_nodes: int
    held_out: HeldOut
    seed: int
    ranks: Ranks = field(default_factory=Ranks)
    moments: RayleighRitz = field(init=False, repr=False)

    @torch.no_grad()
    def missing(self) -> float:
        r"""What K + 5 vectors, read out from the first graph, lack of the K exact ones
        at the nodes for checks. Infinite if the hidden features do not span K
        directions."""
        num_pairs = self.layer.embedding.num_pairs
        with evaluating(self.layer):
            self.ranks.synchronize(self.layer)
            self.moments = moments = self.layer.new_moments(
                self.x, self.num_nodes, self.seed, self.ranks
            )
            moments.add(self.first.x, self.first.laplacian)
            values, coefficients = moments.solve(num_pairs + NUM_BEYOND)
            if len(values) < num_pairs:
                return inf
            vectors = moments.vectors(values, coefficients)
            # All end together, also if machines round differently.
            captured = self.ranks.first(
                lambda: captured_by_all(self.layer, vectors, self.held_out)
            )
        return float((1 - captured).sum())

    def has_nothing_to_gain(self, missing: list[float], tol: float) -> bool:
        r"""Whether more batches would help little: the missing part has not decreased
        by the fraction :obj:`tol` since the last check, or is within the sampling
        noise."""
        *before, last = missing
        is_small = last <= SAMPLING * self.layer.embedding.num_pairs
        return is_small or (len(before) > 0 and last > (1 - tol) * before[-1])

    def finish(self) -> RitzVectors | None:
        r"""Performs the read-out. The network must not be trained after the last check.
        See :func:`~pyg_basis.algorithm.read_out`."""
        return read_out(self.layer, self.moments, self.others)
