import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pyg_basis.graph.given_graph import GivenGraph


def nearest_seeds(
    graph: GivenGraph, seeds: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    r"""Returns the nearest seed of each node, in steps along the edges: the cells of a
    Voronoi partition of the graph (Erwig, `"The graph Voronoi diagram with
    applications" <https://doi.org/10.1002/1097-0037(200010)36:3%3C156::AID-NET2%3E3.0.CO;2-L>`_,
    Networks 36, 2000).

    Among seeds at equal distance, a node joins that of its heaviest edge toward them,
    with random ties.

    Args:
        graph (GivenGraph): The graph.
        seeds (numpy.ndarray): Distinct node indices, :obj:`[m]`.
        seed (int): Seed of the ties.

    Returns:
        numpy.ndarray: Positions in :obj:`seeds`, :obj:`[n]`; -1 if no path leads to a
        seed.
    """
    rng = np.random.default_rng(seed)
    cell = np.full(graph.num_nodes, -1, dtype=np.int64)
    cell[seeds] = np.arange(len(seeds))
    front = seeds
    while len(front):
        edges = graph.weight[front].tocoo()
        is_new = (cell[edges.col] < 0) & (edges.data > 0)
        origin, node = front[edges.row[is_new]], edges.col[is_new]
        # With several writes to one entry, the last one counts.
        order = rng.permutation(len(node))
        order = order[np.argsort(edges.data[is_new][order], kind="stable")]
        cell[node[order]] = cell[origin[order]]
        front = np.unique(node)
    return cell


def coarsened(graph: GivenGraph, cell: NDArray[np.int64], num_cells: int) -> GivenGraph:
    r"""Returns the graph of the cells: weights between two cells are summed, and those
    within a cell go to the diagonal, which is part of the degree.

    With :math:`P_{ic} = 1` for nodes :math:`i` of cell :math:`c`, its affinities are
    :math:`P^\top W P`. Its random-walk eigenvectors are those of a Rayleigh-Ritz step
    in the functions that are constant on cells, so its eigenvalues are upper bounds of
    the graph's (Loukas, `"Graph reduction with spectral and cut guarantees"
    <https://arxiv.org/abs/1808.10650>`_, JMLR 20, 2019).

    Args:
        graph (GivenGraph): The graph.
        cell (numpy.ndarray): The cell of each node, -1 for omitted nodes, :obj:`[n]`.
        num_cells (int): The number of cells.
    """
    nodes = np.flatnonzero(cell >= 0)
    membership = csr_matrix(
        (np.ones(len(nodes)), (nodes, cell[nodes])), (len(cell), num_cells)
    )
    return GivenGraph((membership.T @ graph.weight @ membership).tocsr())
