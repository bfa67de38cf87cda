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

# Excess of each Ritz value that is no more than the noise of a sample.
SAMPLING = 2e-3


@dataclass
class TrainingReadOut:
    r"""Reads the eigenvectors out of a layer: during the training, to see whether more
    batches would help, and at its end.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes of the first graph, enough of them to fix the directions.
        first (SampleGraph): The graph of the first sample, with its eigenvalues.
        others (iterable of SampleGraph): Those of further samples, as many as may be
            used.
        num_nodes (int): Nodes of all graphs together.
        seed (int): Seed of the random mixture of many hidden features.
        ranks (Ranks): The processes that read out together. The first graph is that of
            rank 0, and of no nodes in others, but with its eigenvalues.
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
        r"""That of the Ritz values on the first graph, see :func:`excess`."""
        with evaluating(self.layer):
            self.ranks.synchronize(self.layer)
            self._moments = self.layer.new_moments(
                self.x, self.num_nodes, self.seed, self.ranks
            )
            self._moments.add(self.first.x, self.first.laplacian)
        k = self.layer.embedding.num_pairs
        return excess(self._moments, self.first.eigenvalues, k)

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether more batches would help little: what is missing has not become
        smaller by the share :obj:`tol` since the look before, or is as small as what
        the sampling leaves."""
        *before, last = excesses
        is_small = last <= SAMPLING * self.layer.embedding.num_pairs
        return is_small or (len(before) > 0 and last > (1 - tol) * before[-1])

    @property
    def moments(self) -> RayleighRitz:
        r"""Those of all graphs that were read out of."""
        assert self._moments is not None
        return self._moments

    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network, with no training since the last look, see
        :func:`~pyg_basis.algorithm.read_out`."""
        self.layer.eval()
        return read_out(self.layer, self.moments, self.others)


def excess(moments: RayleighRitz, eigenvalues: Tensor, k: int) -> float:
    r"""How far the first :obj:`k` Ritz values on a graph lie above its eigenvalues:

    .. math::
        \sum_{j \le K} \frac{\theta_j - \lambda_j}{\theta_{K+5} - \lambda_j}

    Each term bounds, about, the share of the j-th eigenvector that lies beyond the
    first K + 5. Infinite where the hidden features do not span K directions.
    """
    exact = eigenvalues.double().cpu()[:k]
    ritz = moments.solve(k + NUM_BEYOND)[0].cpu()
    if len(ritz) < k:
        return inf
    above = (ritz[:k] - exact).clamp(min=0)
    room = (ritz[-1] - exact).clamp(min=1e-12)
    return float((above / room).clamp(max=1).sum())
