r"""Neighbour graphs, affinities and Laplacians: PyG ``Data`` in, ``Data`` out."""

from pyg_basis.graph.affinity import affinity
from pyg_basis.graph.coarsening import coarsened, nearest_seeds
from pyg_basis.graph.given_graph import GivenGraph
from pyg_basis.graph.knn_graph import knn_graph
from pyg_basis.graph.landmarks import Landmarks
from pyg_basis.graph.laplacian import laplacian
from pyg_basis.graph.laplacian_operator import Laplacian
from pyg_basis.graph.neighbor_laplacian import neighbor_laplacian

__all__ = [
    "GivenGraph",
    "Landmarks",
    "Laplacian",
    "affinity",
    "coarsened",
    "knn_graph",
    "laplacian",
    "nearest_seeds",
    "neighbor_laplacian",
]
