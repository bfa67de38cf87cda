import logging
import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.transforms import ToSparseTensor

from pyg_basis import BASiS
from pyg_basis.align import RANSAC
from pyg_basis.estimators import _graph_training
from pyg_basis.estimators._graph_training import given_edges, graph_training
from pyg_basis.estimators._point_training import Training
from pyg_basis.estimators._read_out import TrainingReadOut
from pyg_basis.estimators._whole_read_out import WholeReadOut
from pyg_basis.graph import GivenGraph
from pyg_basis.loader import ExactEmbedding, FeatureSource, WholeGraph
from pyg_basis.metrics import grassmann_distance
from tests.graph.test_given_graph import data_of

QUICK: dict[str, Any] = {
    "n_components": 3,
    "n_anchors": 40,
    "batch_size": 128,
    "max_iter": 10,
    "random_state": 0,
}
GIVEN = ["whole", "coarsened", "induced"]


def quick(**kwargs: Any) -> BASiS:
    return BASiS(**(QUICK | kwargs))


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 32), nn.ReLU())


def learner(num_columns: int = 3, **kwargs: Any) -> BASiS:
    """One that learns blocks within a second."""
    settings = {"network": network(), "max_iter": 100, "learning_rate": 1e-2}
    return quick(n_components=num_columns, **(settings | kwargs))


def noisy_one_hot(block: NDArray[np.int64], seed: int = 0) -> Tensor:
    noise = np.random.default_rng(seed).normal(size=(len(block), 3))
    return torch.from_numpy(np.eye(3)[block] + 0.1 * noise).float()


def with_features(graph: nx.Graph, block: NDArray[np.int64]) -> Data:
    data = data_of(graph)
    data.x = noisy_one_hot(block)
    return data


def blocks(seed: int = 0) -> Data:
    """Three clear blocks of a hundred nodes each, which their features tell."""
    graph = nx.planted_partition_graph(3, 100, 0.5, 0.02, seed=seed)
    return with_features(graph, np.arange(300) // 100)


def cliques(*sizes: int) -> Data:
    graph = nx.disjoint_union_all([nx.complete_graph(size) for size in sizes])
    return with_features(graph, np.arange(sum(sizes)) % 3)


def exact(data: Data, num_columns: int = 3, **kwargs: Any) -> WholeGraph:
    embedding = ExactEmbedding(num_columns, **kwargs)
    return WholeGraph.from_graph(GivenGraph.from_data(data), embedding)


def same(one: BASiS, other: BASiS, x: Tensor) -> bool:
    is_same = np.array_equal(one.transform(x), other.transform(x))
    return is_same and one.history_ == other.history_


class Untrained(nn.Linear):
    """Fails as soon as a training begins."""

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training, "nothing was to be trained"
        return super().forward(x)  # to be asked for its width


@contextmanager
def no_warning_but(message: str) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message)
        yield


def untrained(**kwargs: Any) -> BASiS:
    return quick(network=Untrained(3, 3), **kwargs)


# --- what it learns


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize(
    ("graph", "laplacian"),
    [
        *[(graph, kind) for graph in GIVEN for kind in ("sym", "rw")],
        ("whole", "comb"),
        ("induced", "comb"),
    ],
)
def test_learns_the_eigenvectors(graph: Any, laplacian: Any, drop_trivial) -> None:
    data, num_columns = blocks(), 3 - drop_trivial
    basis = learner(
        num_columns, graph=graph, laplacian=laplacian, drop_trivial=drop_trivial
    )
    embedding = basis.fit(data).transform(data)
    rows = exact(data, num_columns, laplacian=laplacian, drop_trivial=drop_trivial).rows
    # Within a block, features do not tell one node from another.
    assert grassmann_distance(embedding, rows.vectors) < 0.1
    # Those of the whole graph in all cases. They are approached from above, as features
    # do not tell nodes of a block apart.
    values = rows.values.numpy()
    found = basis.eigenvalues_[:num_columns]
    assert (found >= values - 1e-5 * values[-1]).all()
    assert found == pytest.approx(values, rel=0.2, abs=1e-5)


def test_eigenvalues_without_a_read_out_are_those_of_the_batches() -> None:
    data = blocks()
    basis = quick(graph="whole", readout=False).fit(data)
    values = exact(data).rows.values.numpy()
    assert basis.eigenvalues_ == pytest.approx(values, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("graph", GIVEN)
def test_learns_without_the_extension_of_the_degree(graph: Any) -> None:
    data = blocks()
    basis = learner(graph=graph, extend_degree=False).fit(data)
    vectors = exact(data).rows.vectors
    assert grassmann_distance(basis.transform(data), vectors) < 0.1


def test_edges_are_learned_and_not_the_features_neighbours() -> None:
    data = blocks()
    # The clusters of the features are others than the blocks of the edges.
    data.x[:, 0] = 20.0 * (torch.arange(300) % 3)
    vectors = exact(data).rows.vectors
    auto, neighbors = (
        learner(graph=graph, n_neighbors=20).fit(data).transform(data)
        for graph in ("auto", "neighbors")
    )
    assert grassmann_distance(auto, vectors) < 0.15
    assert grassmann_distance(neighbors, vectors) > 1


def test_weights_of_the_edges_count() -> None:
    # Equal edges; what falls apart is told by their weights.
    block = np.arange(120) // 40
    graph = nx.complete_graph(120)
    for i, j in graph.edges:
        graph.edges[i, j]["weight"] = 1.0 if block[i] == block[j] else 0.01
    data = with_features(graph, block)
    basis = learner(batch_size=100).fit(data)
    assert grassmann_distance(basis.transform(data), exact(data).rows.vectors) < 0.05
    assert basis.eigenvalues_[1:3] == pytest.approx([0.0304] * 2, abs=0.01)


def test_degrees_are_those_of_the_graph() -> None:
    # Blocks of unlike density: mean degrees of 20, 40 and 80.
    sizes, inside = [100] * 3, [0.18, 0.38, 0.78]
    chances = np.full((3, 3), 0.01) + np.diag(np.array(inside) - 0.01)
    graph = nx.stochastic_block_model(sizes, chances, seed=0)
    data = with_features(nx.Graph(graph.edges), np.arange(300) // 100)
    for kind in ("whole", "coarsened"):
        layer = learner(graph=kind).fit(data).layer_
        degree = torch.from_numpy(GivenGraph.from_data(data).degree).view(3, 100)
        expected = (degree.mean(dim=1) / degree.mean()).float()
        found = (layer.degree(data.x) ** 2).view(3, 100).mean(dim=1)
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0)


@pytest.mark.parametrize("graph", GIVEN)
def test_columns_are_orthonormal_over_all_nodes(graph: Any) -> None:
    data = blocks()
    degree = GivenGraph.from_data(data).degree
    y = learner(graph=graph, laplacian="rw").fit(data).transform(data)
    product = y.T @ (degree[:, None] * y) / degree.sum()
    np.testing.assert_allclose(product, np.eye(3), atol=1e-4)
    # Degrees are learned; the features tell them as far as they can.
    y = learner(graph=graph).fit(data).transform(data)
    np.testing.assert_allclose(y.T @ y / 300, np.eye(3), atol=0.1)


@pytest.mark.parametrize("graph", GIVEN)
def test_new_nodes_need_no_edges(graph: Any) -> None:
    data, block = blocks(), np.arange(300) % 3
    basis = learner(graph=graph).fit(data)
    new = noisy_one_hot(block, seed=1)
    y = basis.transform(new)
    assert isinstance(y, Tensor)
    centers = basis.transform(torch.eye(3))
    assert torch.equal(torch.cdist(y, centers).argmin(dim=1), torch.from_numpy(block))
    # Edges of what is transformed play no role.
    edges = torch.tensor([[0, 1], [1, 0]])
    alone = basis.transform(Data(x=new, edge_index=edges))
    np.testing.assert_array_equal(alone, y.numpy())


# --- which graph


def test_neighbors_ignores_the_edges() -> None:
    data = blocks()
    basis = quick(graph="neighbors", n_neighbors=20).fit(data)
    assert same(basis, quick(n_neighbors=20).fit(data.x), data.x)
    assert not same(basis, quick(n_neighbors=20).fit(data), data.x)
    # A graph that cannot be learned does not matter either.
    data.edge_index = data.edge_index[:, :10]
    del data.edge_weight
    assert same(basis, quick(graph="neighbors", n_neighbors=20).fit(data), data.x)


@pytest.mark.parametrize("graph", ["auto", "neighbors"])
def test_without_edges_neighbours_are_learned(graph: Any) -> None:
    x = blocks().x
    for points in (x, x.numpy(), Data(x=x)):
        basis = quick(graph=graph, n_neighbors=20).fit(points)
        assert same(basis, quick(n_neighbors=20).fit(x), x)


@pytest.mark.parametrize("graph", GIVEN)
def test_graph_that_is_asked_for_and_not_there(graph: Any) -> None:
    x = blocks().x
    for points in (x, x.numpy(), Data(x=x)):
        text = f"graph='{graph}' needs edges, and X has none.*edge_index.*graph='auto'"
        with pytest.raises(ValueError, match=text):
            untrained(graph=graph).fit(points)


def test_given_edges() -> None:
    data = Data(edge_index=torch.empty(2, 0, dtype=torch.long))
    for graph, expected in (("neighbors", None), ("auto", data), ("whole", data)):
        assert given_edges(quick(graph=graph), data) is expected


@pytest.mark.parametrize("graph", ["auto", "coarsened", "neighbors"])
def test_edges_in_a_file_are_learned_as_those_in_memory(
    graph: Any, tmp_path: Path
) -> None:
    data = blocks()
    path = tmp_path / "graph.pt"
    torch.save(data, path)
    expected = quick(graph=graph).fit(data)
    for name in (path, str(path)):
        assert same(quick(graph=graph).fit(name), expected, data.x)
    assert np.array_equal(expected.transform(path), expected.transform(data.x.numpy()))


def test_files_without_edges(tmp_path: Path) -> None:
    x = blocks().x
    torch.save(x, tmp_path / "x.pt")
    np.save(tmp_path / "x.npy", x.numpy())
    for name in ("x.pt", "x.npy"):
        basis = quick(n_neighbors=20).fit(tmp_path / name)
        assert same(basis, quick(n_neighbors=20).fit(x), x)
        with pytest.raises(ValueError, match="graph='whole' needs edges, and X has no"):
            untrained(graph="whole").fit(tmp_path / name)


def test_small_graphs_are_learned_whole(caplog: pytest.LogCaptureFixture) -> None:
    data = blocks()
    with caplog.at_level(logging.INFO, "pyg_basis"):
        basis = quick().fit(data)
    (record,) = caplog.records
    text = "graph='whole': 300 nodes are within the 1000000 whose exact eigenvectors"
    assert text in record.getMessage()
    assert same(basis, quick(graph="whole").fit(data), data.x)
    assert basis.graph == "auto"


def test_large_graphs_are_coarsened(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = blocks()
    monkeypatch.setattr(_graph_training, "WHOLE_UP_TO", 300)
    whole = quick().fit(data)
    monkeypatch.setattr(_graph_training, "WHOLE_UP_TO", 299)
    with caplog.at_level(logging.INFO, "pyg_basis"):
        coarse = quick().fit(data)
    (record,) = caplog.records
    text = "graph='coarsened': 300 nodes are beyond the 299 whose exact eigenvectors"
    assert text in record.getMessage()
    assert same(coarse, quick(graph="coarsened").fit(data), data.x)
    assert not same(coarse, whole, data.x)


@pytest.mark.parametrize("graph", [*GIVEN, "neighbors"])
def test_what_is_named_is_not_logged(
    graph: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "pyg_basis"):
        quick(graph=graph, max_iter=1).fit(blocks())
    assert not caplog.records


@pytest.mark.parametrize("graph", ["knn", "Whole", None, 1, ["whole"]])
def test_unknown_graph(graph: Any) -> None:
    text = "(?s)graph=.* cannot be used.*'auto', 'neighbors', 'whole', 'coarsened', 'in"
    with pytest.raises(ValueError, match=text):
        untrained(graph=graph).fit(blocks())


# --- what cannot be learned


def test_induced_samples_of_a_sparse_graph_are_fragments() -> None:
    data = with_features(nx.cycle_graph(300), np.arange(300) // 100)
    share = r"of 128 random nodes only \d\.\d% hang together"
    text = (
        rf"graph='induced' cannot be used: {share}.*graph='auto', or raise batch_size"
    )
    with pytest.raises(ValueError, match=text):
        untrained(graph="induced").fit(data)
    # As large as the graph, they are the graph.
    large = quick(graph="induced", batch_size=300).fit(data)
    assert set(large.history_["num_components"]) == {1}
    assert large.history_["residual"] == pytest.approx([0] * 10, abs=1e-6)


def test_induced_samples_of_components_are_none() -> None:
    data = cliques(100, 100, 100)
    # The features do not tell the cliques apart.
    with no_warning_but("the embedding holds"):
        basis = quick(graph="induced").fit(data)
    assert set(basis.history_["num_components"]) == {3}


def test_every_node_has_features() -> None:
    data = blocks()
    data.num_nodes = data.x.size(0) + 10
    with pytest.raises(ValueError, match=r"features of .* give every node .* a row"):
        untrained().fit(data)


def test_what_does_not_converge_as_a_whole_is_not_learned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = WholeGraph.from_graph

    def unconverged(*arguments):
        found = whole(*arguments)
        return WholeGraph(replace(found.rows, converged=False))

    monkeypatch.setattr(WholeGraph, "from_graph", unconverged)
    with pytest.raises(ValueError, match=r"did not converge.*graph='coarsened'"):
        untrained(graph="whole").fit(blocks())
    with caplog.at_level("INFO", "pyg_basis"):
        quick().fit(blocks())
    assert "the whole did not converge" in caplog.text


def test_comb_cannot_be_coarsened(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    comb = {"laplacian": "comb"}
    with pytest.raises(ValueError, match=r"laplacian='comb'.*use 'rw' or 'sym'"):
        untrained(graph="coarsened", **comb).fit(blocks())
    monkeypatch.setattr(_graph_training, "WHOLE_UP_TO", 10)
    dense, induced = blocks(), {"graph": "induced", **comb}
    with caplog.at_level("INFO", "pyg_basis"):
        basis = quick(**comb).fit(dense)
    assert "samples of larger graphs are induced" in caplog.text
    assert same(basis, quick(**induced).fit(dense), dense.x)
    sparse = with_features(nx.cycle_graph(300), np.arange(300) // 100)
    with pytest.raises(ValueError, match=r"induced.*use laplacian='rw' with graph="):
        untrained(**comb).fit(sparse)


def test_nearly_all_is_not_called_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_graph_training, "connected_share", lambda *_: 0.99996)
    with pytest.raises(ValueError, match=r"only 99\.9% hang together"):
        untrained(graph="induced").fit(blocks())


def test_edges_under_another_name_are_not_passed_over() -> None:
    data = blocks()
    transposed = ToSparseTensor(remove_edge_index=True)(data.clone())
    assert transposed.edge_index is None
    with pytest.raises(ValueError, match=r"edges as adj_t: .*to_edge_index"):
        untrained().fit(transposed)
    basis = quick(graph="neighbors", max_iter=1).fit(transposed)
    assert basis.n_features_in_ == data.x.size(1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"edge_index": torch.tensor([[0, 1], [1, 2]])}, "must be symmetric"),
        ({"edge_index": torch.tensor([[0, 300], [300, 0]])}, r"within \[0, 299\]"),
        ({"edge_index": torch.tensor([[0, 1]])}, r"shape \[2, E\]"),
        ({"edge_weight": torch.tensor([1.0])}, "one value an edge"),
    ],
)
def test_graphs_that_are_not_valid(change: dict[str, Tensor], text: str) -> None:
    data = blocks()
    if "edge_index" in change:
        del data.edge_weight
    data.update(change)
    with pytest.raises(ValueError, match=text):
        untrained().fit(data)


def test_graph_without_features() -> None:
    data = blocks()
    del data.x
    with pytest.raises(ValueError, match="x"):
        untrained().fit(data)


def test_an_earlier_fit_survives_a_failed_one() -> None:
    data, directed = blocks(), blocks()
    basis = quick().fit(data)
    before = basis.transform(data)
    directed.edge_index = directed.edge_index[:, :500]
    del directed.edge_weight
    with pytest.raises(ValueError, match="must be symmetric"):
        basis.fit(directed)
    assert np.array_equal(basis.transform(data), before)


# --- components


@pytest.mark.parametrize("drop_trivial", [False, True])
def test_more_components_than_eigenvectors(drop_trivial: bool) -> None:
    most = 3 + drop_trivial
    data = cliques(*[50] * (most + 1))
    text = (
        f"falls into {most + 1} large components, more than the {most} eigenvectors "
        f".*AddSpectralPE"
    )
    with pytest.raises(ValueError, match=text):
        untrained(drop_trivial=drop_trivial).fit(data)
    # As many components as eigenvectors are accepted. These features do not tell the
    # components apart, so the fit is poor.
    with no_warning_but("the embedding holds"):
        basis = quick(drop_trivial=drop_trivial).fit(cliques(*[50] * most))
    assert set(basis.history_["num_components"]) == {most}


def test_nothing_but_small_components() -> None:
    text = "joins 3 nodes at most, too few for 3 eigenvectors .*AddSpectralPE"
    with pytest.raises(ValueError, match=text):
        untrained().fit(cliques(*[3] * 40))
    with pytest.raises(ValueError, match="joins 1 nodes at most"):
        data = blocks()
        data.edge_index, data.edge_weight = data.edge_index[:, :0], None
        untrained().fit(data)


@pytest.mark.parametrize(
    ("sizes", "num_left_out"),
    [
        ((300, 4), 0),  # as many as are needed for three eigenvectors and one more
        ((300, 3), 3),
        ((300, 3, 2, 1, 1), 7),
        ((990, 10), 0),  # a hundredth
        ((991, 9), 9),
    ],
)
def test_dust_is_left_out_and_told(
    sizes: tuple[int, ...], num_left_out: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = with_features(
        nx.disjoint_union_all([nx.path_graph(size) for size in sizes]),
        np.arange(sum(sizes)) % 3,
    )
    basis, source = quick(graph="whole"), FeatureSource(data)
    with caplog.at_level(logging.INFO, "pyg_basis"), warnings.catch_warnings():
        warnings.simplefilter("error")
        training = graph_training(basis, data, source, 0)
    nodes = set()
    for batch in training.batches:
        nodes |= set(batch.node.tolist())
        assert batch.num_components == (1 if num_left_out else 2)
    assert max(nodes) < sum(sizes) - num_left_out
    messages = [record.getMessage() for record in caplog.records]
    if not num_left_out:
        assert not messages
        return
    share = num_left_out / sum(sizes)
    assert messages == [
        f"{share:.1%} of the nodes are in {len(sizes) - 1} small components and left "
        f"out of the training: they are embedded by their features alone"
    ]


@pytest.mark.parametrize("graph", GIVEN)
def test_dust_changes_nothing(graph: Any) -> None:
    data = blocks()
    basis = quick(graph=graph).fit(data)
    dusty = data.clone()
    dusty.x = torch.cat([data.x, 100 * torch.ones(5, 3)])
    dusty.num_nodes = 305
    pair = torch.tensor([[301, 303], [303, 301]])
    dusty.edge_index = torch.cat([data.edge_index, pair], dim=1)
    dusty.edge_weight = torch.ones(dusty.edge_index.size(1))
    assert same(basis, quick(graph=graph).fit(dusty), data.x)
    # First among the nodes, too.
    order = torch.cat([torch.arange(300, 305), torch.arange(300)])
    dusty.x = dusty.x[order]
    dusty.edge_index = (dusty.edge_index + 5) % 305
    assert same(basis, quick(graph=graph).fit(dusty), data.x)
    assert np.isfinite(basis.transform(dusty)).all()


def test_much_dust_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    data = cliques(90, *[1] * 10)
    with caplog.at_level(logging.INFO, "pyg_basis"):
        quick(graph="whole", max_iter=1).fit(data)
        (record,) = caplog.records
        assert record.getMessage().startswith("10.0% of the nodes are in 10 small")
        text = r"10\.9% of the nodes are in 11 small components and left out"
        with pytest.warns(UserWarning) as caught:
            quick(graph="whole", max_iter=1).fit(cliques(90, *[1] * 11))
    # The second one is that features do not tell the nodes of a clique apart.
    of_dust, of_fit = caught
    assert re.match(text, str(of_dust.message))
    assert str(of_fit.message).startswith("the embedding holds")
    assert of_dust.filename == of_fit.filename == __file__
    assert len(caplog.records) == 1


def test_small_eigenvalues_do_not_warn() -> None:
    graph = nx.barbell_graph(60, 0)
    nx.set_edge_attributes(graph, 1.0, "weight")
    graph.edges[59, 60]["weight"] = 1e-6
    data = with_features(graph, np.arange(120) // 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        basis = quick(n_components=1).fit(data)
    assert set(basis.history_["num_components"]) == {1}


# --- sizes


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("graph", ["whole", "coarsened"])
def test_graphs_smaller_than_a_batch(graph: Any, drop_trivial: bool) -> None:
    # Half of the nodes are fewer than an affine map would need.
    data = with_features(nx.cycle_graph(18), np.arange(18) % 3)
    num_columns = 11 - drop_trivial  # whole pairs of the ring's eigenvectors
    settings: dict[str, Any] = {"drop_trivial": drop_trivial, "max_iter": 3}
    basis = BASiS(num_columns, graph=graph, random_state=0, **settings)
    # Of so few nodes no more than ten eigenvectors are read out.
    with no_warning_but("the hidden features .*span"):
        basis.fit(data)
    assert basis._sizes.batch_size == basis._sizes.reference_size == 18
    assert basis.transform(data).shape == (18, num_columns)
    assert basis.history_["residual"] == pytest.approx([0] * 3, abs=1e-6)


def test_sizes_of_batches() -> None:
    data = blocks()
    for graph in GIVEN:
        estimator = quick(graph=graph, reference_size=200)
        training = graph_training(estimator, data, FeatureSource(data), 0)
        assert training.sizes == (128, 40, 50, 200, 6)
        assert len(training.batches) == 10  # type: ignore[arg-type]
        sizes = [batch.num_nodes for batch in training.batches]
        assert sizes == [128] * 10
        # The vectors are read out of all nodes.
        assert torch.equal(read_out_of(training), data.x)


def read_out_of(training: Training) -> Tensor:
    read_out = training.read_out
    if isinstance(read_out, WholeReadOut):
        assert len(read_out.eigenvectors) == len(read_out.weight)
        return torch.cat(list(read_out.blocks))
    assert isinstance(read_out, TrainingReadOut) and not list(read_out.others)
    blocks_of_rows, laplacian = read_out.first
    rows = torch.cat(list(blocks_of_rows))
    assert laplacian.num_nodes == len(rows)
    return rows


def test_samples_are_made_as_asked_for() -> None:
    data = blocks()
    for graph, num_known in (("coarsened", 200), ("induced", 40)):
        settings = {"reference_size": 200, "alignment": "ransac", "n_workers": 1}
        estimator = quick(graph=graph, **settings)
        batches: Any = graph_training(estimator, data, FeatureSource(data), 0).batches
        assert batches.num_workers == 1
        targets = batches.dataset.targets
        assert targets.batch_operator == graph
        assert isinstance(targets.aligner, RANSAC)
        assert targets.num_oversamples == 6
        assert len(targets.anchors) == num_known


def test_few_anchors_leave_no_room_for_more_columns() -> None:
    data = with_features(nx.gnp_random_graph(60, 0.3, seed=0), np.arange(60) % 3)
    settings: dict[str, Any] = {"batch_size": 50, "n_anchors": 35, "n_neighbors": 9}
    estimator = quick(n_components=28, graph="coarsened", **settings)
    sizes = graph_training(estimator, data, FeatureSource(data), 0).sizes
    # Half of the nodes as anchors, of which 28 are the least.
    assert sizes == (50, 30, 9, 60, 2)


def test_sample_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_graph_training, "DEGREE_SAMPLE", 70)
    data = blocks()
    training = graph_training(quick(), data, FeatureSource(data), 0)
    drawn = np.random.default_rng(0).choice(300, 70, replace=False)
    mean = training.layer.standardization.mean.flatten()
    torch.testing.assert_close(mean, data.x[drawn].mean(dim=0))


def test_dust_is_not_read_out() -> None:
    data = blocks()
    dusty = Data(x=torch.cat([data.x, data.x[:2]]), edge_index=data.edge_index)
    training = graph_training(quick(), dusty, FeatureSource(dusty), 0)
    assert torch.equal(read_out_of(training), data.x)
    assert torch.equal(training.held_out.x, data.x)


def test_blocks_of_nodes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = blocks()
    whole = quick().fit(data)
    monkeypatch.setattr(_graph_training, "BLOCK_ROWS", 70)
    embedding = quick().fit(data).transform(data)
    np.testing.assert_allclose(embedding, whole.transform(data), atol=1e-4)


@pytest.mark.parametrize(("graph", "num_held_out"), [("whole", 60), ("coarsened", 60)])
def test_some_of_the_known_nodes_are_held_out(graph: Any, num_held_out: int) -> None:
    graph_of_600 = nx.planted_partition_graph(3, 200, 0.3, 0.02, seed=0)
    data = with_features(graph_of_600, np.arange(600) // 200)
    # A tenth of those whose rows are known, where these are 20 an eigenvector.
    estimator = quick(graph=graph, n_anchors=120, n_components=3, max_iter=40)
    estimator.set_params(reference_size=600, batch_size=300)
    made = graph_training(estimator, data, FeatureSource(data), 0)
    number = [int((data.x == row).all(dim=1).nonzero()) for row in made.held_out.x]
    assert not made.held_out.took_part and len(set(number)) == num_held_out
    known, exact_rows = made.batches.dataset.targets.known_rows()  # type: ignore
    where = [known.tolist().index(node) for node in number]
    # Those of the walk, which is learned, times the roots of the degrees.
    root = GivenGraph.from_data(data).degree[number] ** 0.5
    expected = exact_rows[where] * torch.from_numpy(root)[:, None].to(exact_rows)
    torch.testing.assert_close(made.held_out.exact, expected)
    drawn = {node for batch in made.batches for node in batch.node.tolist()}
    assert len(drawn) > 500 and not drawn & set(number)


@pytest.mark.parametrize("settings", [{}, {"readout": False}, {"graph": "induced"}])
def test_few_known_nodes_are_not_held_out(settings: dict[str, Any]) -> None:
    data = blocks()
    made = graph_training(quick(**settings), data, FeatureSource(data), 0)
    assert made.held_out.took_part
    drawn = {node for batch in made.batches for node in batch.node.tolist()}
    assert len(drawn) > 250


# --- the estimator as a whole


@pytest.mark.parametrize("graph", GIVEN)
def test_same_seed_same_bits(graph: Any) -> None:
    data = blocks()
    first, second, other = (
        quick(graph=graph, random_state=seed).fit(data) for seed in (4, 4, 5)
    )
    assert same(first, second, data.x)
    assert not same(first, other, data.x)


@pytest.mark.parametrize("graph", GIVEN)
def test_workers_change_nothing(graph: Any) -> None:
    data = blocks()
    alone, helped = (quick(graph=graph, n_workers=n).fit(data) for n in (0, 1))
    assert same(alone, helped, data.x)
    assert active_children() == []


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("graph", GIVEN)
@pytest.mark.parametrize("n_workers", [0, 1])
def test_global_generators(graph: Any, n_workers: int) -> None:
    data = blocks()
    quick(graph=graph, n_workers=n_workers, max_iter=2).fit(data).transform(data)


def test_data_are_only_read() -> None:
    data = blocks()
    before = data.clone()
    quick().fit(data)
    assert data.keys() == before.keys()
    for key in ("x", "edge_index", "edge_weight"):
        assert torch.equal(data[key], before[key])


@pytest.mark.parametrize("laplacian", ["sym", "comb"])
def test_save_and_load(tmp_path: Path, laplacian: Any) -> None:
    data = blocks()
    basis = quick(graph="whole", laplacian=laplacian).fit(data)
    basis.save(tmp_path / "basis.pt")
    for again in (BASiS.load(tmp_path / "basis.pt"), pickle.loads(pickle.dumps(basis))):
        assert again.get_params() == basis.get_params()
        assert again.graph == "whole"
        assert same(again, basis, data.x)
        assert np.array_equal(again.eigenvalues_, basis.eigenvalues_)
        assert same(again.fit(data), basis, data.x)


@pytest.mark.parametrize("graph", [*GIVEN, "neighbors"])
def test_clone_keeps_the_graph(graph: Any) -> None:
    basis = quick(graph=graph)
    assert clone(basis).get_params()["graph"] == graph
    assert BASiS().get_params()["graph"] == "auto"
    assert clone(basis).set_params(graph="auto").graph == "auto"


@pytest.mark.parametrize("alignment", ["lstsq", "ransac", "orthogonal", "moments"])
@pytest.mark.parametrize("graph", ["coarsened", "induced"])
def test_alignments(graph: Any, alignment: Any) -> None:
    data = blocks()
    basis = learner(graph=graph, alignment=alignment).fit(data)
    vectors = exact(data).rows.vectors
    assert grassmann_distance(basis.transform(data), vectors) < 0.15


def test_early_stop_ends_the_workers() -> None:
    settings = {"tol": 10.0, "n_workers": 1, "max_iter": 600}
    basis = learner(graph="coarsened", **settings).fit(blocks())
    assert basis.n_iter_ in (10, 20)
    assert active_children() == []
