from collections.abc import Iterable, Iterator, Sequence
from math import inf

import torch
from torch import Tensor

from pyg_basis.algorithm import NUM_BEYOND, read_out
from pyg_basis.graph import Laplacian
from pyg_basis.nn import BASiSLayer
from pyg_basis.readout import RayleighRitz, RitzVectors

# Excess of each Ritz value that is no more than the noise of a sample.
SAMPLING = 2e-3

# The nodes of a graph, in blocks of rows, and its Laplacian.
Graph = tuple[Iterable[Tensor], Laplacian]


class TrainingReadOut:
    r"""Reads the eigenvectors out of a layer: during the training, to see whether more
    batches would help, and at its end.

    Args:
        layer (BASiSLayer): The layer that is trained.
        x (Tensor): Nodes of the first graph, enough of them to fix the directions.
        first (tuple): The graph of the first sample.
        others (iterable): The graphs of further samples, as many as may be used.
        exact (Tensor): The first eigenvalues of the first graph, the trivial one
            included, ascending.
        num_nodes (int, optional): Nodes of all graphs together. (default: those of the
            first one)
        degree_nodes (int, optional): Nodes that degrees are learned from together with
            the vectors, for a layer that extends them; of graphs that are much smaller
            than the nodes :obj:`x`, a graph of these instead. (default: :obj:`0`)
        seed (int, optional): Seed of the random mixture of many hidden features.
            (default: :obj:`0`)
    """

    def __init__(
        self,
        layer: BASiSLayer,
        x: Tensor,
        first: Graph,
        others: Iterable[Graph],
        exact: Tensor,
        num_nodes: int | None = None,
        degree_nodes: int = 0,
        seed: int = 0,
    ) -> None:
        self.layer = layer
        self.x = x
        self.first = first
        self.others = others
        self.exact = exact.double().cpu()[: layer.embedding.num_pairs]
        self.num_nodes = num_nodes or first[1].num_nodes
        self.degree_nodes = degree_nodes if layer.extend_degree else 0
        # A node's neighbors in a small graph are farther off, and its degree is another
        # than in the graph of a large set.
        self.has_small_graphs = 2 * first[1].num_nodes <= len(x)
        self.seed = seed
        self._moments: RayleighRitz | None = None

    @torch.no_grad()
    def excess(self) -> float:
        r"""How far the Ritz values on the first graph lie above its eigenvalues:

        .. math::
            \sum_{j \le K} \frac{\theta_j - \lambda_j}{\theta_{K+5} - \lambda_j}

        Each term bounds, about, the share of the j-th eigenvector that lies beyond the
        first K + 5. Infinite where the hidden features do not span K directions.
        """
        self.layer.eval()
        self._moments = self.layer.new_moments(self.x, self.num_nodes, self.seed)
        self._moments.add(*self.first)
        self.layer.train()
        ritz = self._moments.solve(self.layer.embedding.num_pairs + NUM_BEYOND)[0].cpu()
        k = len(self.exact)
        if len(ritz) < k:
            return inf
        above = (ritz[:k] - self.exact).clamp(min=0)
        room = (ritz[-1] - self.exact).clamp(min=1e-12)
        return float((above / room).clamp(max=1).sum())

    def has_nothing_to_gain(self, excesses: list[float], tol: float) -> bool:
        r"""Whether more batches would help little: what is missing has not become
        smaller by the share :obj:`tol` since the look before, or is as small as what
        the sampling leaves."""
        *before, last = excesses
        is_small = last <= SAMPLING * self.layer.embedding.num_pairs
        return is_small or (len(before) > 0 and last > (1 - tol) * before[-1])

    @torch.no_grad()
    def finish(self) -> RitzVectors | None:
        r"""Reads out of the network as it was at the last look, which is the last that
        is done to it, see :func:`~pyg_basis.algorithm.read_out`."""
        assert self._moments is not None
        used, others = [self.first], iter(self.others)

        def further() -> Iterator[Graph]:
            for graph in others:
                used.append(graph)
                yield graph

        self.layer.eval()
        vectors = read_out(self.layer, self._moments, further())
        # Settled vectors may come of fewer nodes than degrees need.
        while self._num_missing(used) > 0 and next(further(), None) is not None:
            pass
        self.fit_degree(used)
        return vectors

    @torch.no_grad()
    def fit_degree(self, graphs: Sequence[Graph] = ()) -> None:
        r"""Learns the degrees from some graphs, by default from the first one, where
        the layer extends degrees."""
        if self.degree_nodes == 0:
            return
        if self.has_small_graphs:
            self.layer.fit_degree(self.x, self.seed)
            return
        graphs = graphs or [self.first]
        nodes = torch.cat([rows for blocks, _ in graphs for rows in blocks])
        nodes = nodes[: self.degree_nodes]
        degree = torch.cat([laplacian.degree for _, laplacian in graphs])
        generator = torch.Generator().manual_seed(self.seed)
        self.layer.root_degree.fit(nodes, degree[: len(nodes)].to(nodes), generator)

    def _num_missing(self, used: Sequence[Graph]) -> int:
        """Nodes that degrees are still to be learned from."""
        num_nodes = sum(laplacian.num_nodes for _, laplacian in used)
        return 0 if self.has_small_graphs else self.degree_nodes - num_nodes
