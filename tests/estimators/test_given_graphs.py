"""Graphs that are given by their edges."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.transforms import ToSparseTensor

from pyg_basis import BASiS
from pyg_basis.estimators import _graph_training
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import WholeGraph
from tests.estimators import inputs
from tests.estimators.inputs import (
    Seen,
    Untrained,
    blocks,
    learner,
    network,
    never_seen,
    no_warning_but,
    noisy_one_hot,
    same,
    with_features,
)

pytestmark = pytest.mark.usefixtures("narrow_network")

TARGETS = ["exact", "coarsened"]


def quick(**kwargs: Any) -> BASiS:
    return inputs.quick(**({"network": network()} | kwargs))


def untrained(**kwargs: Any) -> BASiS:
    return quick(network=Untrained(3, 3), **kwargs)


def cliques(*sizes: int) -> Data:
    graph = nx.disjoint_union_all([nx.complete_graph(size) for size in sizes])
    return with_features(graph, np.arange(sum(sizes)) % 3)


def weight_matrix(data: Data) -> Tensor:
    weight = torch.zeros(data.num_nodes, data.num_nodes, dtype=torch.float64)
    values = (
        torch.ones(data.num_edges) if data.edge_weight is None else data.edge_weight
    )
    weight[tuple(data.edge_index)] = values.double()
    return weight


def exact(data: Data, laplacian: str = "rw") -> tuple[Tensor, Tensor, Tensor]:
    """All eigenvalues, their vectors and the degrees, by dense matrices."""
    weight = weight_matrix(data)
    degree = weight.sum(dim=1)
    if laplacian == "comb":
        return (*torch.linalg.eigh(degree.diag() - weight), degree)
    root = degree.rsqrt()[:, None]
    values, vectors = torch.linalg.eigh(torch.eye(len(weight)) - root * weight * root.T)
    return values, root * vectors if laplacian == "rw" else vectors, degree


# --- what it learns


@pytest.mark.parametrize(
    ("graph_targets", "laplacian", "drop_first"),
    [
        ("exact", "rw", True),
        ("exact", "sym", False),
        ("exact", "comb", True),
        ("coarsened", "rw", False),
        ("coarsened", "sym", True),
    ],
)
def test_learns_the_eigenvectors(
    graph_targets: Any, laplacian: Any, drop_first: bool
) -> None:
    data, first = blocks(), int(drop_first)
    settings: dict[str, Any] = {"laplacian": laplacian, "drop_first": drop_first}
    basis = learner(n_components=3 - first, graph_targets=graph_targets, **settings)
    embedding = basis.fit(data).transform(data)
    values, vectors, _ = exact(data, laplacian)
    # Within a block, features do not tell one node from another.
    assert grassmann_distance(embedding, vectors[:, first:3]) < 0.1
    # Those of the whole graph in all cases. They are approached from above, as features
    # do not tell nodes of a block apart.
    found, expected = basis.eigenvalues_[: 3 - first], values[first:3].numpy()
    assert (found >= expected - 1e-5 * expected[-1]).all()
    assert found == pytest.approx(expected, rel=0.2, abs=1e-5)
    # Columns are orthonormal over all nodes.
    if laplacian == "rw":
        degree = weight_matrix(data).sum(dim=1).numpy()[:, None]
        gram = embedding.T @ (degree * embedding) / degree.sum()
        assert gram == pytest.approx(np.eye(3 - first), abs=1e-3)


def test_eigenvalues_without_a_read_out_are_those_of_the_reference() -> None:
    basis = quick(readout=False, graph_targets="exact").fit(blocks())
    expected = exact(blocks())[0][1 : 3 + 5].numpy()
    assert basis.eigenvalues_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("readout", [True, False])
@pytest.mark.parametrize("graph_targets", TARGETS)
def test_five_eigenvalues_more_and_columns_in_their_order(
    graph_targets: Any, readout: bool
) -> None:
    # Along a ladder: eigenvalues of 1 : 4 : 9.
    place = torch.linspace(-1, 1, 100).repeat(2).unsqueeze(1)
    data = with_features(nx.ladder_graph(100), place)
    vectors = exact(data)[1]
    settings = {"n_components": 3, "network": network(1), "readout": readout}
    basis = learner(graph_targets=graph_targets, **settings).fit(data)
    assert basis.eigenvalues_.shape == (3 + 5,)
    assert (np.diff(basis.eigenvalues_) >= 0).all()
    cosines = np.corrcoef(basis.transform(data).T, vectors[:, 1:4].T)[:3, 3:]
    assert (np.abs(cosines).argmax(axis=1) == [0, 1, 2]).all()
    assert (np.abs(np.diag(cosines)) > 0.9).all()


def test_number_of_components_by_the_largest_gap() -> None:
    for graph_targets in TARGETS:
        basis = quick(n_components="eigengap", graph_targets=graph_targets)
        assert basis.fit(blocks()).n_components_ == 2  # of three blocks


@pytest.mark.parametrize("graph_targets", TARGETS)
def test_learns_without_the_extension_of_the_degree(graph_targets: Any) -> None:
    settings = {"laplacian": "sym", "drop_first": False, "extend_degree": False}
    basis = learner(n_components=3, graph_targets=graph_targets, **settings)
    vectors = exact(blocks(), "sym")[1][:, :3]
    assert grassmann_distance(basis.fit_transform(blocks()), vectors) < 0.1


@pytest.mark.parametrize("alignment", ["ransac", "orthogonal", "moments"])
def test_alignments(alignment: Any) -> None:
    basis = learner(graph_targets="coarsened", alignment=alignment)
    vectors = exact(blocks())[1][:, 1:3]
    assert grassmann_distance(basis.fit_transform(blocks()), vectors) < 0.15


def test_weights_of_the_edges_count() -> None:
    # The edges are equal. The weights decide which graph falls apart.
    block = np.arange(120) // 40
    graph = nx.complete_graph(120)
    for i, j in graph.edges:
        graph.edges[i, j]["weight"] = 1.0 if block[i] == block[j] else 0.01
    basis = learner().fit(with_features(graph, block))
    # Both are 3 * 40 * 0.01 / (39 + 80 * 0.01).
    assert basis.eigenvalues_[:2] == pytest.approx([0.0302] * 2, abs=0.001)


@pytest.mark.parametrize("graph_targets", TARGETS)
def test_degrees_are_those_of_the_graph(graph_targets: Any) -> None:
    # Blocks of unlike density: mean degrees of 20, 40 and 80.
    sizes, inside = [100] * 3, [0.18, 0.38, 0.78]
    chances = np.full((3, 3), 0.01) + np.diag(np.array(inside) - 0.01)
    graph = nx.stochastic_block_model(sizes, chances, seed=0)
    data = with_features(nx.Graph(graph.edges), np.arange(300) // 100)
    layer = learner(laplacian="sym", graph_targets=graph_targets).fit(data).layer_
    degree = weight_matrix(data).sum(dim=1).view(3, 100)
    expected = (degree.mean(dim=1) / degree.mean()).float()
    found = (layer.root_degree(data.x) ** 2).view(3, 100).mean(dim=1)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0)


@pytest.mark.parametrize("graph_targets", TARGETS)
def test_new_nodes_need_no_edges(graph_targets: Any) -> None:
    data, block = blocks(), np.arange(300) % 3
    basis = learner(graph_targets=graph_targets).fit(data)
    new = noisy_one_hot(block, seed=1)
    y = basis.transform(new)
    centers = basis.transform(torch.eye(3))
    assert torch.equal(torch.cdist(y, centers).argmin(dim=1), torch.from_numpy(block))
    # Edges of what is transformed play no role.
    edges = torch.tensor([[0, 1], [1, 0]])
    alone = basis.transform(Data(x=new, edge_index=edges))
    np.testing.assert_array_equal(alone, y.numpy())


@pytest.mark.parametrize("graph_targets", TARGETS)
def test_the_layer_knows_the_reference(graph_targets: Any) -> None:
    """With nodes of small components, which are left out, before the others."""
    data = blocks()
    x = torch.cat([100 * torch.ones(5, 3), data.x])
    dusty = Data(x=x, edge_index=data.edge_index + 5, edge_weight=data.edge_weight)
    basis = learner(graph_targets=graph_targets, reference_size=200, batch_size=200)
    layer = basis.fit(dusty).layer_
    assert torch.equal(x[layer.nodes[:30]], layer.anchors)
    assert len(layer.nodes) == 200 and layer.nodes.min() >= 5
    with torch.no_grad():
        assert (layer(layer.anchors) - layer.rows[:30]).square().mean() < 0.2
        # The targets come of the features' graph, which is about that of the edges.
        assert layer.loss(data.x[::3]) < 0.2
    assert layer.update_reference(x).num_lost == 0


# --- read-out by least squares


class Columns(nn.Module):
    """The features themselves, as hidden features that no training changes."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def least_squares(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """By NumPy: the values that come closest to y in the span of columns and 1."""
    rows = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    root = weight.sqrt()[:, None]
    solution = np.linalg.lstsq((root * rows).numpy(), (root * y).numpy(), rcond=None)[0]
    return rows @ torch.from_numpy(solution)


@pytest.fixture(scope="module")
def small_groups() -> Data:
    """A dense bulk with a few loosely joined chains of cliques: the first eigenvectors
    are those of few nodes, with small eigenvalues that are nearly alike."""
    graph = nx.gnp_random_graph(300, 0.05, seed=0)
    for group in range(6):
        first = graph.number_of_nodes()
        graph = nx.disjoint_union(graph, nx.connected_caveman_graph(3, 6))
        graph.add_edge(group, first)
    data = with_features(graph, np.zeros(graph.number_of_nodes(), int))
    vectors = exact(data)[1][:, 1:12].float()
    noise = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0))
    data.x = torch.cat([20 * vectors + 0.02 * noise, noise], dim=1)
    return data


@pytest.mark.parametrize("laplacian", ["rw", "comb"])
@pytest.mark.filterwarnings("ignore:the embedding holds:UserWarning")
def test_comes_closest_of_all_in_the_span(
    small_groups: Data, laplacian: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_graph_training, "BLOCK_ROWS", 70)
    settings = {"laplacian": laplacian, "drop_first": False, "max_iter": 1}
    basis = quick(n_components=4, network=Columns(), **settings).fit(small_groups)
    values, vectors, degree = exact(small_groups, laplacian)
    weight = degree if laplacian == "rw" else torch.ones(len(degree)).double()
    root = weight.sqrt()[:, None]
    known = root * vectors[:, :4]
    closest = root * least_squares(small_groups.x, vectors[:, :4], weight)
    learned = root * torch.from_numpy(basis.transform(small_groups)).double()
    assert grassmann_distance(learned, closest) < 1e-3
    # Orthonormal, and in the order of the eigenvectors.
    gram = learned.T @ learned / weight.sum()
    torch.testing.assert_close(gram, torch.eye(4).double(), atol=1e-3, rtol=0)
    cosines = (learned * known).sum(dim=0) / learned.norm(dim=0) / known.norm(dim=0)
    assert (cosines.abs() > 0.7).all()
    # The eigenvalues are those of the graph, and five beyond.
    np.testing.assert_allclose(basis.eigenvalues_, values[:9], atol=1e-8)
    assert basis.eigengap_ == pytest.approx(float(values[4] - values[3]), abs=1e-8)


@pytest.fixture(scope="module")
def disk() -> Data:
    """A graph of so many nodes that some are held out; its features are exact."""
    graph = nx.random_geometric_graph(1000, 0.07, seed=0)
    graph = graph.subgraph(max(nx.connected_components(graph), key=len))
    graph = nx.convert_node_labels_to_integers(graph)
    data = with_features(graph, np.zeros(len(graph), int))
    vectors = exact(data)[1][:, 1:9].float()
    # Some nodes have the same rows.
    number = torch.arange(data.num_nodes).unsqueeze(1) / data.num_nodes
    data.x = torch.cat([vectors, number], dim=1)
    return data


@pytest.mark.parametrize(("n_components", "drop_first"), [(1, True), (4, False)])
def test_features_that_are_eigenvectors_are_found(
    disk: Data, n_components: int, drop_first: bool
) -> None:
    settings = {"n_components": n_components, "drop_first": drop_first}
    basis = quick(network=Columns(), **settings).fit(disk)
    # Nothing is missing, and so there is nothing to gain.
    assert (
        basis.history_["missing"] == [pytest.approx(0, abs=1e-6)]
        and basis.n_iter_ == 10
    )
    assert basis.quality_["grassmann_distance"] == pytest.approx(0, abs=1e-3)
    assert basis.quality_["held_out"] and basis.quality_["num_nodes"] == 100
    if not drop_first:
        assert basis.transform(disk)[:, 0] == pytest.approx(1, abs=1e-5)


def test_training_goes_on_while_anything_is_missing(disk: Data) -> None:
    basis = learner(network=network(9), max_iter=45, tol=0.9).fit(disk)
    small = [look <= 2e-3 * 2 for look in basis.history_["missing"]]
    assert not any(small[:-1])
    assert basis.n_iter_ == [10, 20, 40, 45][len(small) - 1]


@pytest.mark.parametrize("graph_targets", TARGETS)
@pytest.mark.filterwarnings("ignore:the embedding holds:UserWarning")
def test_held_out_nodes_take_no_part(disk: Data, graph_targets: Any) -> None:
    settings = {"graph_targets": graph_targets, "max_iter": 80, "batch_size": 200}
    basis = quick(network=Seen(9), tol=None, laplacian="sym", **settings).fit(disk)
    held_out = never_seen(basis, disk.x)
    # A tenth of the nodes whose rows are known.
    assert basis.quality_["held_out"]
    assert len(held_out) == basis.quality_["num_nodes"] == 100
    # The vectors are read out of the whole graph where they are not known.
    if graph_targets == "exact":
        other = disk.clone()
        other.x[held_out] = other.x[held_out].flip(0)
        again = quick(network=Seen(9), tol=None, laplacian="sym", **settings).fit(other)
        assert np.array_equal(again.transform(disk), basis.transform(disk))
        assert again.quality_ != basis.quality_


def test_each_component_has_its_eigenvector() -> None:
    data = cliques(60, 90)
    data.x = torch.cat([torch.ones(60, 1), torch.zeros(90, 1)])
    settings = {"n_components": 2, "drop_first": False, "max_iter": 1}
    basis = quick(network=Columns(), **settings).fit(data)
    assert basis.eigenvalues_[:3] == pytest.approx([0, 0, 1], abs=0.05)
    rows = basis.transform(data)
    assert np.ptp(rows[:60], axis=0).max() < 1e-4 < abs(rows[0, 1] - rows[-1, 1])


# --- which graph


def test_edges_are_learned_and_not_the_neighbors_of_features() -> None:
    data = blocks()
    # The clusters of the features are others than the blocks of the edges.
    data.x[:, 0] = 20.0 * (torch.arange(300) % 3)
    vectors = exact(data)[1][:, 1:3]
    auto, knn = (learner(graph=graph).fit_transform(data) for graph in ("auto", "knn"))
    assert grassmann_distance(auto, vectors) < 0.15
    assert grassmann_distance(knn, vectors) > 0.5


def test_neighbors_are_learned_if_asked_for_or_without_edges() -> None:
    x = blocks().x
    expected = quick().fit(x)
    asymmetric = Data(x=x, edge_index=torch.tensor([[0, 1], [1, 2]]))
    for points in (blocks(), asymmetric):
        assert same(quick(graph="knn").fit(points), expected, x)
    assert same(quick().fit(Data(x=x)), expected, x)


@pytest.mark.parametrize("kind", ["array", "Data", "npy", "pt"])
def test_edges_that_are_asked_for_and_not_there(tmp_path: Path, kind: str) -> None:
    x = blocks().x
    np.save(tmp_path / "x.npy", x.numpy())
    torch.save(x, tmp_path / "x.pt")
    points = {"array": x.numpy(), "Data": Data(x=x)}.get(kind, tmp_path / f"x.{kind}")
    text = "graph='edges' needs edges, and X has none.*edge_index.*graph='auto'"
    with pytest.raises(ValueError, match=text):
        untrained(graph="edges").fit(points)


@pytest.mark.parametrize("graph", ["auto", "knn"])
def test_edges_in_a_file_are_learned_as_those_in_memory(
    graph: Any, tmp_path: Path
) -> None:
    data, path = blocks(), tmp_path / "graph.pt"
    torch.save(data, path)
    expected = quick(graph=graph).fit(data)
    for name in (path, str(path)):
        assert same(quick(graph=graph).fit(name), expected, data.x)
    assert np.array_equal(expected.transform(path), expected.transform(data.x.numpy()))


def test_graphs_of_networkx() -> None:
    data = blocks()
    graph = nx.Graph()
    graph.add_nodes_from((i, {"x": row.numpy()}) for i, row in enumerate(data.x))
    weight = 0.5 + torch.rand(
        data.num_edges, generator=torch.Generator().manual_seed(0)
    )
    for (i, j), value in zip(data.edge_index.T.tolist(), weight.tolist(), strict=True):
        graph.add_edge(i, j, weight=value)
    order = data.edge_index.T.tolist()
    data.edge_weight = torch.tensor([graph.edges[i, j]["weight"] for i, j in order])
    basis = quick().fit(data)
    assert same(quick(graph="edges").fit(graph), basis, data.x)
    assert np.array_equal(basis.transform(graph), basis.transform(data))
    assert basis.score(graph) == basis.score(data)
    with pytest.raises(ValueError, match="undirected"):
        untrained().fit(graph.to_directed())


@pytest.mark.parametrize(("most", "targets"), [(300, "exact"), (299, "coarsened")])
def test_large_graphs_are_coarsened(
    most: int,
    targets: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = blocks()
    monkeypatch.setattr(_graph_training, "EXACT_UP_TO", most)
    with caplog.at_level(logging.INFO, "pyg_basis"):
        basis = quick().fit(data)
        (record,) = caplog.records
        assert f"graph_targets='{targets}': 300 nodes are" in record.getMessage()
        # What is named is not logged.
        named = quick(graph_targets=targets).fit(data)
        assert len(caplog.records) == 1
    assert same(basis, named, data.x)
    other = quick(graph_targets="coarsened" if targets == "exact" else "exact")
    assert not same(basis, other.fit(data), data.x)


def test_what_does_not_converge_as_a_whole_is_coarsened(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    coarsened, whole = (
        quick(graph_targets="coarsened").fit(blocks()),
        WholeGraph.from_graph,
    )
    monkeypatch.setattr(
        WholeGraph,
        "from_graph",
        lambda *arguments: replace(whole(*arguments), converged=False),
    )
    with pytest.raises(
        ValueError, match=r"did not converge.*graph_targets='coarsened'"
    ):
        untrained(graph_targets="exact").fit(blocks())
    with caplog.at_level("INFO", "pyg_basis"):
        assert same(quick().fit(blocks()), coarsened, blocks().x)
    assert "the whole did not converge" in caplog.text


# --- what cannot be learned


def test_comb_cannot_be_coarsened() -> None:
    with pytest.raises(ValueError, match=r"laplacian='comb'.*use 'rw' or 'sym'"):
        untrained(graph_targets="coarsened", laplacian="comb").fit(blocks())


def test_edges_may_come_as_a_sparse_matrix() -> None:
    transposed = ToSparseTensor(remove_edge_index=True)(blocks())
    assert same(quick().fit(transposed), quick().fit(blocks()), blocks().x)
    assert same(quick(graph="knn").fit(transposed), quick().fit(blocks().x), blocks().x)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"edge_index": torch.tensor([[0, 1], [1, 2]])}, "must be symmetric"),
        ({"edge_index": torch.tensor([[0, 300], [300, 0]])}, r"within \[0, 299\]"),
        ({"edge_weight": torch.tensor([1.0])}, "one value an edge"),
        ({"num_nodes": 310}, r"features of .* give every node .* a row"),
        ({"x": None}, "x"),
    ],
)
def test_graphs_that_are_not_valid(change: dict[str, Any], text: str) -> None:
    data = blocks()
    basis = quick().fit(data)
    before = basis.transform(data)
    bad = data.clone()
    if "edge_index" in change:
        del bad.edge_weight
    bad.update(change)
    with pytest.raises(ValueError, match=text):
        basis.fit(bad)
    # An earlier fit survives.
    assert np.array_equal(basis.transform(data), before)


# --- components


@pytest.mark.parametrize("drop_first", [False, True])
def test_more_components_than_eigenvectors(drop_first: bool) -> None:
    most = 2 + drop_first
    data = cliques(*[50] * (most + 1))
    text = (
        f"falls into {most + 1} large components, more than the {most} eigenvectors "
        f".*AddSpectralPE"
    )
    with pytest.raises(ValueError, match=text):
        untrained(drop_first=drop_first).fit(data)
    # As many components as eigenvectors are accepted. These features do not tell the
    # components apart, so the fit is poor.
    with no_warning_but("the embedding holds"):
        basis = quick(drop_first=drop_first).fit(cliques(*[50] * most))
    assert set(basis.history_["num_components"]) == {most}


def test_nothing_but_small_components() -> None:
    text = "joins 3 nodes at most, too few for 3 eigenvectors .*AddSpectralPE"
    with pytest.raises(ValueError, match=text):
        untrained().fit(cliques(*[3] * 40))


@pytest.mark.parametrize(
    ("sizes", "num_left_out"),
    [
        ((300, 4), 0),  # as many as are needed for three eigenvectors and one more
        ((300, 3, 2, 1), 6),
        ((990, 10), 0),  # a hundredth
        ((991, 9), 9),
    ],
)
def test_dust_is_left_out_and_reported(
    sizes: tuple[int, ...], num_left_out: int, caplog: pytest.LogCaptureFixture
) -> None:
    graph = nx.disjoint_union_all([nx.path_graph(size) for size in sizes])
    data = with_features(graph, np.arange(sum(sizes)) % 3)
    with (
        caplog.at_level(logging.INFO, "pyg_basis"),
        no_warning_but("the embedding holds"),
    ):
        settings = {"readout": False, "max_iter": 60, "batch_size": 200}
        basis = quick(network=Seen(3), graph_targets="exact", **settings).fit(data)
    dust = list(range(sum(sizes) - num_left_out, sum(sizes)))
    assert never_seen(basis, data.x) == dust
    assert set(basis.history_["num_components"]) == {1 if num_left_out else 2}
    assert [record.getMessage() for record in caplog.records] == [
        f"{num_left_out / sum(sizes):.1%} of the nodes are in {len(sizes) - 1} small "
        f"components and left out of the training: they are embedded by their features "
        f"alone"
    ] * (num_left_out > 0)


@pytest.mark.parametrize("graph_targets", TARGETS)
def test_dust_changes_nothing(graph_targets: Any) -> None:
    data = blocks()
    basis = quick(graph_targets=graph_targets).fit(data)
    x = torch.cat([100 * torch.ones(5, 3), data.x])
    edges = torch.cat([torch.tensor([[1, 3], [3, 1]]), data.edge_index + 5], dim=1)
    dusty = Data(x=x, edge_index=edges)
    assert same(quick(graph_targets=graph_targets).fit(dusty), basis, data.x)
    assert np.isfinite(basis.transform(dusty)).all()


def test_much_dust_is_a_warning() -> None:
    text = r"10\.9% of the nodes are in 11 small components and left out"
    with pytest.warns(UserWarning, match=text) as caught:
        quick(max_iter=1).fit(cliques(90, *[1] * 11))
    # The second one is that features do not tell the nodes of a clique apart.
    assert [warning.filename for warning in caught] == [__file__] * 2
    with no_warning_but("the embedding holds"):
        quick(max_iter=1).fit(cliques(90, *[1] * 10))


def test_small_eigenvalues_do_not_warn() -> None:
    graph = nx.barbell_graph(60, 0)
    nx.set_edge_attributes(graph, 1.0, "weight")
    graph.edges[59, 60]["weight"] = 1e-6
    with no_warning_but():
        basis = quick(n_components=1).fit(with_features(graph, np.arange(120) // 60))
    assert set(basis.history_["num_components"]) == {1}


@pytest.mark.parametrize("graph_targets", TARGETS)
def test_graphs_smaller_than_a_batch(graph_targets: Any) -> None:
    # Half of the nodes are fewer than an affine map of ten columns would need.
    data = with_features(nx.cycle_graph(18), np.arange(18) % 3)
    basis = BASiS(10, graph_targets=graph_targets, max_iter=3, random_state=0)
    # Of so few nodes no more than ten eigenvectors are read out.
    with no_warning_but("the hidden features .*span"):
        assert basis.fit_transform(data).shape == (18, 10)
    assert basis.layer_.num_anchors == 11
    assert basis.history_["residual"] == pytest.approx([0] * 3, abs=1e-6)


# --- the estimator as a whole


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("graph_targets", TARGETS)
def test_same_seed_same_bits(graph_targets: Any) -> None:
    data = blocks()
    before = data.clone()
    first, second, other = (
        quick(graph_targets=graph_targets, random_state=seed).fit(data)
        for seed in (4, 4, 5)
    )
    assert same(first, second, data.x)
    assert not same(first, other, data.x)
    # The graph is only read.
    assert data.keys() == before.keys()
    assert all(torch.equal(data[key], before[key]) for key in before.to_dict())


def test_held_out_nodes_leave_enough_anchors() -> None:
    settings = {"n_anchors": 140, "batch_size": 150, "reference_size": None}
    basis = quick(n_components=1, graph_targets="coarsened", max_iter=2, **settings)
    assert basis.fit(blocks()).layer_.nodes.unique().numel() >= 140
