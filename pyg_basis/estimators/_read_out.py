from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

from pyg_basis._ranks import Ranks
from pyg_basis.algorithm import NUM_BEYOND, SampleGraph, read_out
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn._evaluating import evaluating
from pyg_basis.readout import RayleighRitz, RitzVectors

# Excess of each Ritz value that is within the noise of a sample.
SAMPLING = 2e-3


@dataclass
class TrainingReadOut:
    r"""Extracts the eigenvectors from a layer: during the training, to decide when to
    stop, and at its end.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes of the first graph, enough to determine the directions.
        first (SampleGraph): The graph of the first sample, with its eigenvalues.
        others (iterable of SampleGraph): Graphs of all further samples available.
        num_nodes (int): Total number of nodes of all graphs.
        seed (int): Seed of the random mixture of many hidden features.
        ranks (Ranks): The processes of the read-out. The first graph is that of rank 0;
            in others it has no nodes, but the eigenvalues.
    """

    layer: BASiSLayer
    x: Tensor
    first: SampleGraph
    others: Iterable[SampleGraph]
    num_nodes: int
    seed: int
    ranks: Ranks = field(default_factory=Ranks)
    _moments: RayleighRitz | None = None

    @torch.no_grad()
    def excess(self) -> float:
        r"""The excess of the Ritz values on the first graph, see :func:`excess`."""
        with evaluating(self.layer):
            self.ranks.synchronize(self.layer)
            self._moments = self.layer.new_moments(
                self.x, self.num_nodes, self.seed, self.ranks
            )
            self._moments.add(self.first.x, self.first.laplacian)
        k = self.layer.embedding.num_pairs
        return excess(self._moments, self.first.eigenvalues, k)

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether more batches would help little: the excess has not decreased by the
        fraction :obj:`tol` since the last check, or is within the sampling noise."""
        *before, last = excesses
        is_small = last <= SAMPLING * self.layer.embedding.num_pairs
        return is_small or (len(before) > 0 and last > (1 - tol) * before[-1])

    @property
    def moments(self) -> RayleighRitz:
        r"""Moments of all graphs used in the read-out."""
        assert self._moments is not None
        return self._moments

    def finish(self) -> RitzVectors | None:
        r"""Performs the read-out. The network must not be trained after the last check.
        See :func:`~pyg_basis.algorithm.read_out`."""
        self.layer.eval()
        return read_out(self.layer, self.moments, self.others)


def excess(moments: RayleighRitz, eigenvalues: Tensor, k: int) -> float:
    r"""Returns the excess of the first :obj:`k` Ritz values on a graph over its
    eigenvalues:

    .. math::
        \sum_{j \le K} \frac{\theta_j - \lambda_j}{\theta_{K+5} - \lambda_j}

    Each term approximately bounds the share of the j-th eigenvector outside the first
    K + 5. Infinite if the hidden features do not span K directions.
    """
    exact = eigenvalues.double().cpu()[:k]
    ritz = moments.solve(k + NUM_BEYOND)[0].cpu()
    if len(ritz) < k:
        return inf
    above = (ritz[:k] - exact).clamp(min=0)
    room = (ritz[-1] - exact).clamp(min=1e-12)
    return float((above / room).clamp(max=1).sum())
