from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pyg_basis.graph._edges import Graph, as_data, weight_matrix
from pyg_basis.graph._sparse import component_labels
from pyg_basis.graph.density_normalized import density_normalized
from pyg_basis.graph.laplacian import Laplacian, LaplacianKind


@dataclass(frozen=True, eq=False, repr=False)
class GivenGraph:
    r"""A graph given by its edges, as a matrix of weights.

    Args:
        weight (scipy.sparse.csr_matrix): Symmetric, nonnegative, float64,
            :obj:`[n, n]`. The diagonal is part of the degrees.
    """

    weight: csr_matrix

    @classmethod
    def from_data(cls, graph: Graph, alpha: float = 0.0) -> "GivenGraph":
        r"""Builds the graph from the edges, and their weights if present, without
        loops, with the density normalized, see
        :func:`~pyg_basis.graph.density_normalized`.

        Raises:
            ValueError: As for :func:`~pyg_basis.graph.laplacian`: if the graph is
                directed, or its edges or weights are invalid.
        """
        weight = weight_matrix(as_data(graph, features=False))
        return cls(density_normalized(weight, alpha))

    @property
    def num_nodes(self) -> int:
        r"""The number of nodes :math:`n`."""
        return int(self.weight.shape[0])

    @cached_property
    def degree(self) -> NDArray[np.float64]:
        r"""Weighted degrees, :obj:`[n]`."""
        return np.asarray(self.weight.sum(axis=1)).ravel()

    @cached_property
    def components(self) -> NDArray[np.int32]:
        r"""The connected component of each node, :obj:`[n]`."""
        return component_labels(self.weight)

    @property
    def num_components(self) -> int:
        r"""The number of connected components."""
        return int(self.components.max()) + 1

    def subgraph(self, nodes: NDArray[np.int64]) -> "GivenGraph":
        r"""Returns the graph of some nodes, in this order, and the edges among them."""
        return GivenGraph(self.weight[nodes][:, nodes])

    def laplacian(self, kind: LaplacianKind) -> Laplacian:
        r"""Returns the Laplacian of this kind, in double precision. The row of an
        isolated node is zero."""
        return Laplacian.of_weights(self.weight, kind)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_nodes={self.num_nodes}, "
            f"num_edges={self.weight.nnz})"
        )
