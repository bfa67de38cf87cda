"""What graphs are taken, and how: by `laplacian`, and by all that read edges."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import GivenGraph, affinity, laplacian
from pyg_basis.graph._edges import as_data

EDGE = torch.tensor([[0, 1], [1, 0]])


def weights_of(graph: Data | nx.Graph) -> list[list[float]]:
    laplace = laplacian(graph, "comb")
    return (laplace.degree.diag() - laplace.matrix.to_dense()).tolist()


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (
            EDGE,
            ["must be a torch_geometric.data.Data, an undirected networkx", "Tensor"],
        ),
        (Data(num_nodes=2), ["no edge_index", "knn_graph(x, k)"]),
        (Data(edge_index=EDGE.float(), num_nodes=2), ["float32", "edge_index).long()"]),
        (Data(edge_index=EDGE.numpy(), num_nodes=2), ["int64", "got ndarray"]),
        (Data(edge_index=EDGE.to("meta"), num_nodes=2), ["int64", "on meta"]),
        ([Data(edge_index=EDGE)], ["graph must be", "got list"]),
        (Data(edge_index=EDGE[0], num_nodes=2), ["int64", "(2,)", "one column"]),
        (Data(edge_index=EDGE, num_nodes=2.5), ["num_nodes=2.5", "an integer"]),
        (Data(edge_index=EDGE, num_nodes=1j), ["num_nodes=1j", "an integer"]),
        (Data(edge_index=EDGE[:, :0], num_nodes=-1), ["num_nodes=-1", "not negative"]),
        (Data(edge_index=EDGE[:, :0], num_nodes=2**70), [f"num_nodes={2**70}"]),
        (Data(edge_index=EDGE, num_nodes=1), ["[0, 0]", "from 0 to 1", "num_nodes"]),
        (Data(edge_index=EDGE - 1, num_nodes=2), ["[0, 1]", "from -1 to 0", "drop"]),
    ],
)
def test_bad_edges(graph: Any, words: list[str]) -> None:
    for function in (affinity, laplacian, GivenGraph.from_data):
        with pytest.raises(ValueError, match="graph") as caught:
            function(graph)
        assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (torch.ones(3), ["shape [2], one value an edge", "(3,)", "flatten()"]),
        (torch.ones(2).long(), ["must be a floating point", "torch.int64", "float()"]),
        (np.ones(2), ["must be a floating point", "got ndarray", "as_tensor"]),
        (
            torch.tensor([1, -0.5]),
            ["finite and not negative, got -0.5", "clamp(min=0)"],
        ),
        (torch.tensor([torch.nan, 1]), ["finite and not negative, got nan"]),
        (torch.tensor([1, torch.inf]), ["finite and not negative, got inf"]),
    ],
)
def test_bad_weights_and_distances(values: Tensor, words: list[str]) -> None:
    for function, name in ((laplacian, "edge_weight"), (affinity, "edge_distance")):
        with pytest.raises(ValueError, match=f"graph.{name}") as caught:
            function(Data(edge_index=EDGE, num_nodes=2, **{name: values}))
        assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("edges", "weight"),
    [
        ([[0, 1], [1, 2]], [1.0, 1.0]),  # one direction
        ([[0, 1], [1, 0]], [1.0, 1.001]),
        ([[0, 1, 0, 2], [1, 0, 2, 1]], [1.0] * 4),  # the reverse of another edge
    ],
)
def test_weights_must_be_symmetric(edges: list[list[int]], weight: list[float]) -> None:
    graph = Data(
        edge_index=torch.tensor(edges), edge_weight=torch.tensor(weight), num_nodes=3
    )
    with pytest.raises(ValueError, match=r"edge_weight must be symmetric.*affinity"):
        laplacian(graph)


def test_symmetry_is_relative_to_the_largest_weight() -> None:
    # A kernel matrix from 1 down to 1e-12. Its two smallest entries differ by rounding
    # of the exponent, and the rows of nodes 2 and 3 hold nothing larger.
    kernel = torch.tensor(
        [[0, 1, 0, 0], [1, 0, 1e-12, 0], [0, 1e-12, 0, 1e-12], [0, 0, 1.2e-12, 0]],
    )
    edges = kernel.nonzero().t()
    graph = Data(edge_index=edges, edge_weight=kernel[edges[0], edges[1]], num_nodes=4)
    found = laplacian(graph)
    dense = found.matrix.to_dense()
    assert torch.equal(dense, dense.t())
    assert found.degree[3] == pytest.approx(1.1e-12)


def test_no_loops_and_repeated_edges_add_up() -> None:
    graph = Data(
        edge_index=torch.tensor([[0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]),
        edge_weight=torch.tensor([9.0, 1.0, 1.0, 2.0, 2.0]),
        num_nodes=2,
    )
    before = graph.clone()
    assert weights_of(graph) == [[0, 3], [3, 0]]
    assert torch.equal(graph.edge_weight, before.edge_weight)
    assert torch.equal(graph.edge_index, before.edge_index)


@pytest.mark.parametrize("weight", [0.0, 1e-40])
def test_weights_of_zero_or_too_small_to_divide_by_are_no_edges(weight: float) -> None:
    graph = Data(
        edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]),
        edge_weight=torch.tensor([1.0, 1.0, weight, weight]),
        num_nodes=3,
    )
    assert laplacian(graph).matrix.to_dense()[2].tolist() == [0, 0, 0]
    assert GivenGraph.from_data(graph).num_components == 2


def test_missing_weights_are_one() -> None:
    found = laplacian(Data(edge_index=EDGE, num_nodes=3), "comb")
    assert found.matrix.to_dense().tolist() == [[1, -1, 0], [-1, 1, 0], [0, 0, 0]]
    assert found.matrix.dtype == torch.get_default_dtype()


# --- networkx


def test_networkx_graph_by_hand() -> None:
    graph = nx.Graph()
    graph.add_nodes_from("cab")
    graph.add_edge("a", "b", weight=2)
    graph.add_edge("b", "c")
    graph.add_edge("a", "a", weight=7)
    # In the order of its nodes, c, a and b, without the loop.
    assert weights_of(graph) == [[0, 0, 1], [0, 0, 2], [1, 2, 0]]
    assert GivenGraph.from_data(graph).degree.tolist() == [1, 2, 3]
    assert laplacian(graph).matrix.dtype == torch.float64


def test_networkx_edges_in_parallel_add_up() -> None:
    assert weights_of(nx.MultiGraph([(0, 1), (0, 1)])) == [[0, 2], [2, 0]]


@pytest.mark.parametrize("name", ["x", "y"])
def test_networkx_features(name: str) -> None:
    graph = nx.path_graph(["b", "a"])
    nx.set_node_attributes(graph, {"a": [1.0, 2.0], "b": [3.0, 4.0]}, name)
    x = as_data(graph).x
    assert x is None if name == "y" else x.tolist() == [[3, 4], [1, 2]]
    del graph.nodes["a"][name]  # not all nodes have it
    assert as_data(graph).x is None


def test_networkx_features_of_one_number_are_one_column() -> None:
    graph = nx.path_graph(2)
    nx.set_node_attributes(graph, 5, "x")
    x = as_data(graph).x
    assert x.dtype == torch.float64 and x.tolist() == [[5], [5]]


@pytest.mark.parametrize("graph", [nx.Graph(), Data(edge_index=EDGE[:, :0])])
def test_no_nodes(graph: Any) -> None:
    if isinstance(graph, Data):
        graph.num_nodes = 0
    with pytest.raises(ValueError, match=r"num_nodes=0: pass .* at least one node"):
        laplacian(graph)


@pytest.mark.parametrize(
    "num_nodes", [-1, 2.5, 1e300, torch.nan, 2**70, 1j, np.array([3])]
)
def test_a_number_of_nodes_that_is_none(num_nodes: Any) -> None:
    with pytest.raises(ValueError, match=r"graph.num_nodes=.* must be an integer"):
        laplacian(Data(edge_index=EDGE[:, :0], num_nodes=num_nodes))


@pytest.mark.parametrize("weight", ["", {}, [1, 2], 1j, object, 10**400])
@pytest.mark.parametrize("edge", [(0, 1), (0, 0)])
def test_networkx_weights_that_are_no_numbers(edge: Any, weight: Any) -> None:
    with pytest.raises(ValueError, match=r"'weight' of the edges of graph must be"):
        laplacian(nx.Graph([(*edge, {"weight": weight})]))


def test_directed_networkx_graph_is_refused() -> None:
    for graph in (nx.DiGraph([(0, 1)]), nx.DiGraph([(0, 1), (1, 0)])):
        with pytest.raises(
            ValueError, match=r"undirected networkx.*DiGraph.*pass graph.to_undir"
        ):
            laplacian(graph)


def test_affinities_of_a_networkx_graph_are_its_weights() -> None:
    with pytest.raises(ValueError, match=r"no edge_distance.*goes to laplacian"):
        affinity(nx.path_graph(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_rounding_leaves_one_way_is_an_edge(dtype: torch.dtype) -> None:
    # As in kernel matrices of other libraries, of which one triangle underflows.
    eps = torch.finfo(dtype).eps
    edge_index = torch.tensor([[0, 1, 1], [1, 0, 2]])
    graph = Data(edge_index=edge_index, num_nodes=3)
    graph.edge_weight = torch.tensor([1.0, 1.0, 2 * eps], dtype=dtype)
    expected = [[0, 1, 0], [1, 0, eps], [0, eps, 0]]
    weight = GivenGraph.from_data(graph).weight
    assert weight.toarray().tolist() == expected
    graph.edge_weight[2] = 1e-3
    with pytest.raises(ValueError, match="must be symmetric"):
        laplacian(graph)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_give_single_precision(dtype: torch.dtype) -> None:
    graph = Data(edge_index=EDGE, edge_weight=torch.full((2,), 0.1).to(dtype))
    graph.num_nodes = 3
    found = laplacian(graph, "comb")
    assert found.matrix.dtype == found.degree.dtype == torch.float32
    assert found.degree[0] == graph.edge_weight[0].float()


def test_degrees_are_summed_in_double_precision() -> None:
    n = 300_000
    leaf, hub = torch.arange(1, n + 1), torch.zeros(n, dtype=torch.long)
    edge_index = torch.stack([torch.cat([hub, leaf]), torch.cat([leaf, hub])])
    graph = Data(edge_index=edge_index, edge_weight=torch.full((2 * n,), 0.1))
    graph.num_nodes = n + 1
    assert laplacian(graph).degree[0].item() == pytest.approx(0.1 * n, rel=1e-6)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ([3e38, 3e38], ["more than a quarter", "torch.float32", "divide"]),
        ([1e-40, 1e-40], ["below the normal numbers", "1e-40", "multiply"]),
    ],
)
def test_weights_at_the_ends_of_their_dtype(
    weight: list[float], words: list[str]
) -> None:
    graph = Data(edge_index=EDGE, edge_weight=torch.tensor(weight), num_nodes=2)
    for function in (laplacian, GivenGraph.from_data):
        with pytest.raises(ValueError, match=r"graph\.edge_weight") as caught:
            function(graph)
        assert all(word in str(caught.value) for word in words)
    graph.edge_weight = graph.edge_weight.double()
    found = laplacian(graph)
    torch.testing.assert_close(found.matrix.to_dense()[0, 1].item(), -1.0)


def test_features_are_read_only_where_they_are_needed() -> None:
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {0: 1.5 + 1e-9, 1: 2.0, 2: 3.0}, "x")
    assert as_data(graph).x.dtype == torch.float64  # no digit is lost
    nx.set_node_attributes(graph, "red", "x")
    assert laplacian(graph).num_nodes == 3
    with pytest.raises(ValueError, match="attribute 'x' of the nodes must be a row"):
        as_data(graph)
