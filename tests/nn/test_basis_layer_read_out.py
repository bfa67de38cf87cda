"""``BASiSLayer.read_out``."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiSLayer
from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding
from tests.nn.layers import (
    assert_same_state,
    make_layer,
    random_rows,
    ready_layer,
    three_blobs,
)

# The Laplacian, whether degrees are extended, and the kind that is regressed.
FORMS = [
    ("rw", True, "rw"),
    ("comb", True, "comb"),
    ("sym", True, "rw"),
    ("sym", False, "sym"),
]


def moments_of(layer: BASiSLayer, x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows' moments with the graph of the nodes, and with its Laplacian."""
    rows = layer.output(*layer.hidden_layers(x)).detach().double()
    operator = layer.embedding.operator(x)
    degree = operator.degree
    if operator.kind != "rw":
        degree = torch.ones_like(degree)
    weighted = rows * (degree / degree.sum()).unsqueeze(1)
    return weighted.T @ rows, weighted.T @ (operator.matrix @ rows)


@pytest.mark.parametrize(("laplacian", "extend_degree", "kind"), FORMS)
def test_rows_are_orthonormal_and_diagonalize_the_laplacian(
    laplacian: Any, extend_degree: bool, kind: Any
) -> None:
    layer = ready_layer(3, laplacian=laplacian, extend_degree=extend_degree)
    layer.read_out(three_blobs())
    mass, stiffness = moments_of(layer, three_blobs())
    torch.testing.assert_close(mass, torch.eye(3).double(), rtol=0, atol=1e-4)
    ritz = stiffness.diagonal()
    torch.testing.assert_close(stiffness, torch.diag(ritz), rtol=0, atol=1e-4)
    # The eigenvalues are between the exact ones and the Ritz values, in order.
    values = layer.output.eigenvalues.double()
    exact = ExactEmbedding(3, 20, laplacian=kind)(three_blobs()).values
    assert (values[:3] <= ritz + 1e-4).all() and (values[:3] >= exact - 1e-4).all()
    assert (values.diff() >= 0).all() and values.shape == (8,)


def test_several_samples_are_read_out_of_their_moments_together() -> None:
    layer = ready_layer()
    samples = [three_blobs(40), three_blobs(300, seed=1) * 1.5]
    found = layer.read_out(iter(samples))
    assert found is not None
    # The first sample does not limit how many directions the others may add.
    moments = layer.new_moments(samples[0], 10_000)
    for x in samples:
        moments.add(x, layer.embedding.operator(x))
    values = moments.eigenvalues(moments.solve(8)[1])[1:]
    torch.testing.assert_close(found.values, values)


def test_no_more_samples_are_taken_than_settle() -> None:
    samples = iter([three_blobs()] * 10)
    ready_layer().read_out(samples)
    assert len(list(samples)) == 8  # the second changes nothing


def exact_graph(kind: str, num_columns: int, num_nodes: int = 150) -> Data:
    """A weighted graph with features that are a mixture of its first eigenvectors,
    which come along as ``y``, with their eigenvalues."""
    points = torch.rand(num_nodes, 2, generator=torch.Generator().manual_seed(4))
    graph = affinity(knn_graph(points.double(), 8))
    operator = laplacian(graph, "comb" if kind == "comb" else "sym")
    values, vectors = torch.linalg.eigh(operator.matrix.to_dense())
    y = vectors[:, :num_columns]
    weight = torch.ones(num_nodes).double()
    if kind == "rw":
        y, weight = y / operator.degree.sqrt()[:, None], operator.degree
    y = y / ((weight / weight.sum()) @ y.square()).sqrt()
    mixture = random_rows(num_columns, num_columns, seed=5).double()
    return Data(
        x=y @ torch.linalg.qr(mixture).Q,
        y=y,
        eigenvalues=values[:num_columns],
        edge_index=graph.edge_index,
        edge_weight=graph.edge_weight,
    )


@pytest.mark.parametrize("drop_first", [False, True])
@pytest.mark.parametrize(("laplacian", "extend_degree", "kind"), FORMS)
def test_a_given_graph_is_exact_where_the_features_span_it(
    laplacian: Any, extend_degree: bool, kind: str, drop_first: bool
) -> None:
    graph = exact_graph(kind, 5)
    layer = make_layer(
        5 - drop_first,
        width=5,
        network=nn.Sequential(),
        laplacian=laplacian,
        extend_degree=extend_degree,
        drop_first=drop_first,
    )
    layer.read_out(graph)
    first = int(drop_first)
    expected, values = graph.y[:, first:], graph.eigenvalues[first:]
    found = layer(graph.x).detach().double()
    signs = (found * expected).sum(dim=0).sign()
    torch.testing.assert_close(found * signs, expected, rtol=0, atol=1e-4)
    known, further = layer.output.eigenvalues.double().split([len(values), 5])
    torch.testing.assert_close(known, values, rtol=0, atol=1e-5 * float(values[-1]))
    # The constant is among the features: sym alone has it as a further direction.
    assert further.isinf().tolist() == [kind != "sym", True, True, True, True]


def test_gives_the_vectors_as_functions_of_hidden_features() -> None:
    layer, x = ready_layer(), three_blobs(30, seed=1)
    before = list(layer.parameters())
    vectors = layer.read_out(three_blobs())
    assert vectors is not None and not vectors.weight.requires_grad
    rows = vectors.rows(layer.hidden(x)).detach()
    assert rows.shape == (30, 7)  # five beyond
    torch.testing.assert_close(rows[:, :2], layer(x).detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(vectors.values.float(), layer.output.eigenvalues)
    # Parameters stay those that an optimizer knows.
    assert all(a is b for a, b in zip(before, layer.parameters(), strict=True))
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())


def test_signs_follow_the_reference_rows() -> None:
    layer = ready_layer()
    rows = layer.reference.rows
    for signs in ([1, 1], [-1, 1], [1, -1]):
        turned = rows * torch.tensor(signs)
        layer.keep(replace(layer.reference, rows=turned))
        for sample in (three_blobs(), three_blobs(300, seed=2)):
            layer.read_out(sample)
            found = layer(layer.anchors)
            cosine = F.cosine_similarity(found, layer.reference.anchor_rows, dim=0)
            assert (cosine > 0.7).all()


def test_signs_follow_the_output_of_a_layer_without_a_reference() -> None:
    graph = exact_graph("rw", 4)
    layer = make_layer(3, width=4, network=nn.Sequential())
    before = layer(graph.x)
    layer.read_out(graph)
    after = layer(graph.x)
    assert (before * after).sum(dim=0).min() > 0


def test_too_few_directions_change_nothing_and_warn_the_caller() -> None:
    layer = make_layer(network=nn.Linear(2, 1))  # without anchors, no kernels
    before = copy.deepcopy(layer.state_dict())
    match = "span the num_eigenvectors=2 directions.*wider network"
    with pytest.warns(UserWarning, match=match) as caught:
        assert layer.read_out(three_blobs()) is None
    assert [warning.filename for warning in caught] == [__file__]
    assert_same_state(layer, before)


def test_a_network_that_died_leaves_the_kernels() -> None:
    network = nn.Linear(2, 4)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    layer, new = ready_layer(network=network), three_blobs(seed=1)
    layer.read_out(three_blobs())
    assert grassmann_distance(layer(new), layer.embedding(new).vectors) < 0.1


def test_the_order_of_nodes_plays_no_role() -> None:
    # The second component comes after more nodes than the directions are taken of.
    num_nodes, first = 6000, 5000
    start = torch.arange(num_nodes - 1)
    start = start[start != first - 1]
    edges = torch.stack([start, start + 1])
    place = torch.arange(num_nodes) / num_nodes
    graph = Data(
        x=torch.stack([(torch.pi * place).cos(), 1.0 * (place >= first / 6000)], 1),
        edge_index=torch.cat([edges, edges.flip(0)], dim=1),
    )
    layer = make_layer(1, network=nn.Sequential(), laplacian="comb")
    layer.read_out(graph)
    assert float(layer.output.eigenvalues[0]) == pytest.approx(0, abs=1e-10)


EDGE = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("sample", "match"),
    [
        (Data(edge_index=EDGE), r"a Data: give a tensor"),
        (
            Data(x=random_rows(3, 2), edge_index=EDGE, num_nodes=4),
            "features of 3 nodes.*num_nodes=4: give every node",
        ),
        (Data(x=random_rows(4, 3), edge_index=EDGE), r"expected \[nodes, 2\]"),
        (
            Data(x=random_rows(4, 2), edge_index=torch.tensor([[0, 1], [1, 2]])),
            "symmetric",
        ),
        (
            Data(x=random_rows(4, 2), edge_index=EDGE[:, :0]),
            "no edges of positive weight.*give a graph with edges",
        ),
        ([], "no sample: give a sample"),
        (["nodes"], "a str: give a tensor"),
        (3, "got int: give a tensor"),
        (three_blobs() / 0, "finite"),
    ],
)
def test_bad_samples_change_nothing(sample: Any, match: str) -> None:
    layer = ready_layer()
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=match):
        layer.read_out(sample)
    assert_same_state(layer, before)
