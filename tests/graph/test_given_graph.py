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

from pyg_basis.eigen import eigenpairs
from pyg_basis.graph import GivenGraph, laplacian
from tests.graph.test_laplacian import KINDS, symmetric_weights, undirected, weighted


def data_of(graph: nx.Graph) -> Data:
    """A networkx graph as Data, its nodes in the order of their names, with the weights
    of its edges where they have some."""
    graph = nx.convert_node_labels_to_integers(graph, ordering="sorted")
    data = undirected(list(graph.edges), len(graph))
    weights = [weight for _, _, weight in graph.edges(data="weight", default=1.0)]
    data.edge_weight = torch.tensor(weights, dtype=torch.float64).repeat(2)
    return data


def given_graph(graph: nx.Graph) -> GivenGraph:
    return GivenGraph.from_data(data_of(graph))


def of_matrix(matrix: Any) -> GivenGraph:
    return GivenGraph(csr_matrix(np.asarray(matrix, dtype=np.float64)))


def dense_laplacian(weight: NDArray[Any], kind: str) -> NDArray[Any]:
    """By hand, the diagonal of the weights as a part of the degrees."""
    degree = weight.sum(axis=1)
    comb = np.diag(degree) - weight
    inverse = np.where(degree > 0, 1 / np.where(degree > 0, degree, 1), 0)
    if kind == "comb":
        return comb
    if kind == "rw":
        return inverse[:, None] * comb
    return np.sqrt(inverse)[:, None] * comb * np.sqrt(inverse)


def test_weighted_path_by_hand() -> None:
    graph = of_matrix([[0, 4, 0], [4, 0, 5], [0, 5, 0]])
    assert graph.num_nodes == 3
    assert graph.degree.tolist() == [4, 9, 5]
    assert graph.num_components == 1
    found = graph.laplacian("rw")
    assert found.kind == "rw" and found.degree.tolist() == [4, 9, 5]
    expected = torch.tensor([[1, -1, 0], [-4 / 9, 1, -5 / 9], [0, -1, 1]]).double()
    torch.testing.assert_close(found.matrix.to_dense(), expected, rtol=1e-6, atol=0)


@given(matrix=symmetric_weights(), seed=st.integers(0, 2**31))
def test_laplacian_is_that_of_the_edges(matrix: Tensor, seed: int) -> None:
    data = weighted(matrix)
    order = torch.randperm(
        data.edge_index.size(1), generator=torch.Generator().manual_seed(seed)
    )
    data.edge_index, data.edge_weight = (
        data.edge_index[:, order],
        data.edge_weight[order],
    )
    graph = GivenGraph.from_data(data)
    assert graph.weight.dtype == np.float64
    np.testing.assert_array_equal(graph.weight.toarray(), matrix.numpy())
    for kind in KINDS:
        found, expected = graph.laplacian(kind), laplacian(data, kind)  # type: ignore[arg-type]
        assert found.kind == expected.kind
        torch.testing.assert_close(found.degree, expected.degree)
        torch.testing.assert_close(
            found.matrix.to_dense(), expected.matrix.to_dense(), rtol=1e-13, atol=1e-15
        )
        assert torch.equal(found.matrix.crow_indices(), expected.matrix.crow_indices())
        assert torch.equal(found.matrix.col_indices(), expected.matrix.col_indices())
        assert repr(found) == repr(expected)


@given(matrix=symmetric_weights(), seed=st.integers(0, 2**31))
def test_diagonal_is_a_part_of_the_degree(matrix: Tensor, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = matrix.numpy() + np.diag(rng.choice([0.0, 1.5], len(matrix)))
    graph = of_matrix(weight)
    np.testing.assert_allclose(graph.degree, weight.sum(axis=1), rtol=1e-13)
    for kind in KINDS:
        found = graph.laplacian(kind).matrix.to_dense().numpy()  # type: ignore[arg-type]
        expected = dense_laplacian(weight, kind)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_isolated_nodes_have_zero_rows(kind: Any) -> None:
    found = GivenGraph.from_data(undirected([(1, 3)], 5)).laplacian(kind)
    dense = found.matrix.to_dense()
    for node in (0, 2, 4):
        assert not dense[node].any() and not dense[:, node].any()
    assert dense[1].tolist() == [0, 1, 0, -1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_csr_is_canonical(kind: Any) -> None:
    graph = given_graph(nx.gnm_random_graph(40, 60, seed=0))
    # Unsorted, as products of sparse matrices are.
    weight = graph.weight.copy()
    for start, stop in zip(weight.indptr[:-1], weight.indptr[1:], strict=True):
        weight.indices[start:stop] = weight.indices[start:stop][::-1]
        weight.data[start:stop] = weight.data[start:stop][::-1]
    weight.has_sorted_indices = False
    matrix = GivenGraph(weight).laplacian(kind).matrix
    torch.sparse_csr_tensor(  # raises if rows are unsorted or repeat a column
        matrix.crow_indices(),
        matrix.col_indices(),
        matrix.values(),
        matrix.shape,
        check_invariants=True,
    )


def test_loops_are_left_out_and_repeated_edges_add_up() -> None:
    data = Data(
        edge_index=torch.tensor([[0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]),
        edge_weight=torch.tensor([9.0, 1.0, 1.0, 2.0, 2.0]),
        num_nodes=3,
    )
    expected = [[0, 3, 0], [3, 0, 0], [0, 0, 0]]
    assert GivenGraph.from_data(data).weight.toarray().tolist() == expected


def test_zero_weights_are_no_edges() -> None:
    data = undirected([(0, 1), (1, 2)], 3)
    data.edge_weight = torch.tensor([1.0, 0.0, 1.0, 0.0])
    graph = GivenGraph.from_data(data)
    assert graph.weight.nnz == 2
    assert graph.components.tolist() == [0, 0, 1]


def test_missing_weights_are_one() -> None:
    data = undirected([(0, 1), (1, 2)], 4)
    del data.edge_weight
    graph = GivenGraph.from_data(data)
    assert graph.weight.dtype == np.float64
    assert graph.degree.tolist() == [1, 2, 1, 0]


def test_no_edges() -> None:
    graph = GivenGraph.from_data(undirected([], 3))
    assert graph.num_components == graph.num_nodes == 3
    assert not graph.laplacian("sym").matrix.to_dense().any()


def test_single_precision_weights_have_the_same_eigenvectors() -> None:
    # Symmetric up to their own rounding only.
    rng = np.random.default_rng(0)
    data = data_of(nx.random_regular_graph(4, 50, seed=0))
    data.edge_weight = torch.from_numpy(rng.random(100)).repeat(2)
    exact = GivenGraph.from_data(data).laplacian("rw")
    data.edge_weight = data.edge_weight.float()
    data.edge_weight[:100] *= 1 + torch.finfo(torch.float32).eps
    rounded = GivenGraph.from_data(data).laplacian("rw")
    assert rounded.matrix.dtype == torch.float64
    found, expected = (eigenpairs(operator, 4) for operator in (rounded, exact))
    torch.testing.assert_close(found.values, expected.values, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.vectors, expected.vectors, rtol=0, atol=1e-5)


@given(matrix=symmetric_weights())
def test_components(matrix: Tensor) -> None:
    graph = of_matrix(matrix)
    components = list(nx.connected_components(nx.from_numpy_array(matrix.numpy())))
    assert graph.num_components == len(components)
    for nodes in components:
        label = graph.components[list(nodes)]
        assert (graph.components == label[0]).sum() == len(nodes)
        assert (label == label[0]).all()


@given(data=st.data(), matrix=symmetric_weights())
def test_subgraph(data: st.DataObject, matrix: Tensor) -> None:
    nodes = data.draw(st.permutations(range(len(matrix))))
    nodes = np.array(nodes[: data.draw(st.integers(1, len(matrix)))])
    part = of_matrix(matrix).subgraph(nodes)
    expected = matrix.numpy()[np.ix_(nodes, nodes)]
    np.testing.assert_array_equal(part.weight.toarray(), expected)
    # Degrees and components are its own, not those of the whole.
    np.testing.assert_allclose(part.degree, expected.sum(axis=1))
    count = nx.number_connected_components(nx.from_numpy_array(expected))
    assert part.num_components == count


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"edge_index": torch.tensor([[0, 1], [1, 2]])}, "must be symmetric"),
        ({"edge_index": torch.tensor([[0, 3], [3, 0]])}, r"within \[0, 2\]"),
        ({"edge_index": None}, "no edge_index"),
        ({"edge_weight": torch.tensor([1.0, 2.0])}, "must be symmetric"),
        ({"edge_weight": torch.tensor([-1.0, -1.0])}, "finite and not negative"),
        ({"edge_weight": torch.tensor([torch.nan] * 2)}, "finite and not negative"),
        ({"edge_weight": torch.tensor([1.0])}, r"shape \[2\]"),
        ({"edge_weight": torch.tensor([1, 1])}, "floating point"),
        ({"num_nodes": 0}, "within"),
    ],
)
def test_graphs_that_are_not_valid(change: dict[str, Any], text: str) -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    data = Data(edge_index=edges, edge_weight=torch.ones(2), num_nodes=3)
    data.update(change)
    with pytest.raises(ValueError, match=text):
        GivenGraph.from_data(data)


def test_the_data_are_only_read() -> None:
    data = undirected([(0, 1), (1, 1), (1, 2)], 3)
    before = data.clone()
    GivenGraph.from_data(data).laplacian("comb")
    assert torch.equal(data.edge_index, before.edge_index)
    assert torch.equal(data.edge_weight, before.edge_weight)


def test_pickle_and_repr() -> None:
    graph = given_graph(nx.cycle_graph(5))
    assert repr(graph) == "GivenGraph(num_nodes=5, num_edges=10)"
    again = pickle.loads(pickle.dumps(graph))
    assert (again.weight != graph.weight).nnz == 0
