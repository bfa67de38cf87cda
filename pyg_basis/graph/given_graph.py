from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from torch_geometric.data import Data

from pyg_basis.graph._sparse import csr_tensor
from pyg_basis.graph.laplacian import laplacian
from pyg_basis.graph.laplacian_operator import Laplacian


@dataclass(frozen=True, eq=False, repr=False)
class GivenGraph:
    r"""A graph given by its edges: the matrix of its affinities.

    Args:
        weight (scipy.sparse.csr_matrix): Symmetric, not negative, float64,
            :obj:`[n, n]`. The diagonal counts as part of the degrees.
    """

    weight: csr_matrix

    @classmethod
    def from_data(cls, data: Data) -> "GivenGraph":
        r"""The graph of :obj:`data.edge_index` and, if there is one,
        :obj:`data.edge_weight`, without loops.

        Raises:
            ValueError: As :func:`~pyg_basis.graph.laplacian` does: if the graph is
                directed, or its edges or weights are not valid.
        """
        matrix = laplacian(data, "comb").matrix.cpu().to_sparse_coo()
        row, column = matrix.indices().numpy()
        off_diagonal = row != column
        weight = -matrix.values().double().numpy()[off_diagonal]
        where = row[off_diagonal], column[off_diagonal]
        return cls(coo_matrix((weight, where), matrix.shape).tocsr())

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
        labels: NDArray[np.int32] = connected_components(self.weight, directed=False)[1]
        return labels

    @property
    def num_components(self) -> int:
        r"""The number of connected components."""
        return int(self.components.max()) + 1

    def subgraph(self, nodes: NDArray[np.int64]) -> "GivenGraph":
        r"""The graph of some nodes, in this order, and of the edges between them."""
        return GivenGraph(self.weight[nodes][:, nodes])

    def laplacian(self, kind: Literal["sym", "rw", "comb"]) -> Laplacian:
        r"""The Laplacian of this kind, in double precision; a row of an isolated node
        is zero."""
        degree, weight = self.degree, self.weight
        if kind != "comb":
            inverse = np.divide(
                1.0, degree, out=np.zeros_like(degree), where=degree > 0
            )
            left = inverse if kind == "rw" else np.sqrt(inverse)
            right = np.ones_like(degree) if kind == "rw" else np.sqrt(inverse)
            weight = diags(left) @ weight @ diags(right)
        diagonal = degree if kind == "comb" else (degree > 0).astype(np.float64)
        # The diagonal is stored in every row, as a difference would not.
        edges, node = weight.tocoo(), np.arange(self.num_nodes)
        value = np.concatenate([-edges.data, diagonal])
        where = np.append(edges.row, node), np.append(edges.col, node)
        matrix = coo_matrix((value, where), weight.shape).tocsr()
        crow, column = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
        tensor = csr_tensor(
            torch.from_numpy(crow),
            torch.from_numpy(column),
            torch.from_numpy(matrix.data),
            self.num_nodes,
        )
        return Laplacian(tensor, kind, torch.from_numpy(degree))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_nodes={self.num_nodes}, "
            f"num_edges={self.weight.nnz})"
        )
