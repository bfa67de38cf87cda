import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pyg_basis.graph.given_graph import GivenGraph


def nearest_seeds(
    graph: GivenGraph, seeds: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    r"""Which of the seeds is nearest to each node, in steps along the edges: the cells
    of a Voronoi partition of the graph (Erwig, `"The graph Voronoi diagram with
    applications" <https://doi.org/10.1002/1097-0037(200010)36:3%3C156::AID-NET2%3E3.0.CO;2-L>`_,
    Networks 36, 2000).

    Of several seeds at one distance a node joins that of its heaviest edge towards
    them, ties at random.

    Args:
        graph (GivenGraph): The graph.
        seeds (numpy.ndarray): Node numbers, distinct, :obj:`[m]`.
        seed (int): Seed of the ties.

    Returns:
        numpy.ndarray: Places in :obj:`seeds`, :obj:`[n]`; -1 where no path leads to
        one.
    """
    rng = np.random.default_rng(seed)
    cell = np.full(graph.num_nodes, -1, dtype=np.int64)
    cell[seeds] = np.arange(len(seeds))
    front = seeds
    while len(front):
        edges = graph.weight[front].tocoo()
        is_new = (cell[edges.col] < 0) & (edges.data > 0)
        origin, node = front[edges.row[is_new]], edges.col[is_new]
        # Of several writers to one place the last one counts.
        order = rng.permutation(len(node))
        order = order[np.argsort(edges.data[is_new][order], kind="stable")]
        cell[node[order]] = cell[origin[order]]
        front = np.unique(node)
    return cell


def coarsened(graph: GivenGraph, cell: NDArray[np.int64], num_cells: int) -> GivenGraph:
    r"""The graph whose nodes are the cells: the weights between two cells add up, and
    those within one stay on the diagonal as a part of its degree.

    With :math:`P_{ic} = 1` for nodes :math:`i` of cell :math:`c` its affinities are
    :math:`P^\top W P`. Its random-walk eigenvectors are those of a Rayleigh-Ritz step
    in the functions that are constant on cells, so no eigenvalue is below the graph's
    own (Loukas, `"Graph reduction with spectral and cut guarantees"
    <https://arxiv.org/abs/1808.10650>`_, JMLR 20, 2019).

    Args:
        graph (GivenGraph): The graph.
        cell (numpy.ndarray): The cell of each node, -1 for nodes left out,
            :obj:`[n]`.
        num_cells (int): The number of cells.
    """
    nodes = np.flatnonzero(cell >= 0)
    membership = csr_matrix(
        (np.ones(len(nodes)), (nodes, cell[nodes])), (len(cell), num_cells)
    )
    return GivenGraph((membership.T @ graph.weight @ membership).tocsr())
