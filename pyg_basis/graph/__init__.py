r"""Neighbor graphs, affinities and Laplacians: PyG ``Data`` in, ``Data`` out."""

from pyg_basis.graph._edges import as_data
from pyg_basis.graph.affinity import affinity
from pyg_basis.graph.coarsening import coarsened, nearest_seeds
from pyg_basis.graph.density_normalized import density_normalized
from pyg_basis.graph.given_graph import GivenGraph
from pyg_basis.graph.knn_graph import knn_graph
from pyg_basis.graph.laplacian import Laplacian, laplacian

__all__ = [
    "GivenGraph",
    "Laplacian",
    "affinity",
    "as_data",
    "coarsened",
    "density_normalized",
    "knn_graph",
    "laplacian",
    "nearest_seeds",
]
