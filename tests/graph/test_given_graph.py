import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import GivenGraph, laplacian
from pyg_basis.graph._edges import as_data
from tests.graph.test_laplacian import KINDS, dense_laplacian, symmetric_weights


def data_of(graph: nx.Graph) -> Data:
    """A networkx graph as Data, its nodes in the order of their names."""
    ordered = nx.Graph()
    ordered.add_nodes_from(sorted(graph))
    ordered.add_edges_from(graph.edges(data=True))
    return as_data(ordered)


def given_graph(graph: nx.Graph) -> GivenGraph:
    return GivenGraph.from_data(data_of(graph))


def of_matrix(matrix: Any) -> GivenGraph:
    return GivenGraph(csr_matrix(np.asarray(matrix, dtype=np.float64)))


@given(matrix=symmetric_weights(), diagonal=st.sampled_from([0.0, 1.5]))
def test_diagonal_is_a_part_of_the_degree(matrix: Tensor, diagonal: float) -> None:
    weight = matrix.numpy().copy()
    weight[0, 0] = diagonal
    graph = of_matrix(weight)
    np.testing.assert_allclose(graph.degree, weight.sum(axis=1), rtol=1e-13)
    for kind in KINDS:
        found = graph.laplacian(kind)
        expected = dense_laplacian(weight, kind)
        assert found.kind == kind
        np.testing.assert_allclose(found.matrix.to_dense(), expected, atol=1e-14)
    assert graph.weight[0, 0] == diagonal  # it was only read


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("has_loops", [False, True])
def test_csr_is_canonical(kind: Any, has_loops: bool) -> None:
    adjacency = nx.to_scipy_sparse_array(nx.gnm_random_graph(40, 60, seed=0))
    dense = adjacency.toarray() + has_loops * np.eye(40)
    weight = csr_matrix(dense)
    # Unsorted, as products of sparse matrices are.
    row = np.repeat(np.arange(40), np.diff(weight.indptr))
    order = np.lexsort((-weight.indices, row))
    unsorted = csr_matrix((weight.data[order], weight.indices[order], weight.indptr))
    matrix = GivenGraph(unsorted).laplacian(kind).matrix
    assert matrix.col_indices().dtype == matrix.crow_indices().dtype == torch.int32
    torch.sparse_csr_tensor(  # raises if rows are unsorted or repeat a column
        matrix.crow_indices(),
        matrix.col_indices(),
        matrix.values(),
        matrix.shape,
        check_invariants=True,
    )
    expected = dense_laplacian(dense, kind)
    np.testing.assert_allclose(matrix.to_dense(), expected, atol=1e-14)


def test_work_is_done_in_double_precision() -> None:
    data = data_of(nx.cycle_graph(5))
    data.edge_weight = torch.full((10,), 0.1)
    graph = GivenGraph.from_data(data)
    assert graph.weight.dtype == np.float64
    assert graph.laplacian("rw").matrix.dtype == torch.float64
    assert laplacian(data, "rw").matrix.dtype == torch.float32


@given(matrix=symmetric_weights(), data=st.data())
def test_subgraph_has_degrees_and_components_of_its_own(
    matrix: Tensor, data: st.DataObject
) -> None:
    nodes = data.draw(st.permutations(range(len(matrix))))
    nodes = np.array(nodes[: data.draw(st.integers(1, len(matrix)))])
    part = of_matrix(matrix).subgraph(nodes)
    expected: NDArray[Any] = matrix.numpy()[np.ix_(nodes, nodes)]
    np.testing.assert_array_equal(part.weight.toarray(), expected)
    np.testing.assert_allclose(part.degree, expected.sum(axis=1))
    components = list(nx.connected_components(nx.from_numpy_array(expected)))
    assert part.num_components == len(components)
    for together in components:
        label = part.components[list(together)]
        assert (label == label[0]).all()
        assert (part.components == label[0]).sum() == len(together)


def test_pickle_and_repr() -> None:
    graph = given_graph(nx.cycle_graph(5))
    assert repr(graph) == "GivenGraph(num_nodes=5, num_edges=10)"
    again = pickle.loads(pickle.dumps(graph))
    assert (again.weight != graph.weight).nnz == 0
