"""How good a fit is, and what is said of it; and, as slow tests, what the method is for
from end to end: the figures of the benchmarks."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import (
    TOYS,
    blobs,
    circle,
    circle_eigenfunctions,
    digits,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.estimators import _point_training
from pyg_basis.metrics import clustering_accuracy, grassmann_distance
from pyg_basis.reference import ExactEmbedding
from tests.estimators.inputs import (
    Rows,
    Seen,
    blocks,
    network,
    never_seen,
    no_warning_but,
)

QUICK: dict[str, Any] = {
    "n_anchors": 60,
    "batch_size": 300,
    "reference_size": 1000,
    "n_neighbors": 30,
    "random_state": 0,
}


def fit(x: Any, n_components: int, **settings: Any) -> BASiS:
    """A fit within seconds."""
    return BASiS(n_components, **(QUICK | settings)).fit(x)


class Constant(nn.Module):
    """Hidden features that tell no point from another."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), 8)


@pytest.fixture(scope="module")
def of_sphere() -> BASiS:
    """Three eigenvectors, after which a gap follows."""
    with no_warning_but():
        return fit(sphere(2500, seed=0), 3, network=network(3))


@pytest.fixture(scope="module")
def ring() -> Data:
    """A ring of two thousand nodes, each joined to the next twenty, whose features are
    their places."""
    graph = nx.circulant_graph(2000, list(range(1, 21)))
    edges = torch.tensor(list(graph.edges)).T
    angle = 2 * torch.pi * torch.arange(2000) / 2000
    x = torch.stack([angle.cos(), angle.sin()], dim=1)
    return Data(x=x, edge_index=torch.cat([edges, edges.flip(0)], dim=1))


# --- eigenvalues


def test_eigenvalues_of_points(of_sphere: BASiS) -> None:
    values = of_sphere.eigenvalues_
    assert values.shape == (3 + 5,) and (np.diff(values) >= 0).all()
    # Those of graphs of as many other points; the ones beyond are only about right.
    others = [ExactEmbedding(8, 30)(sphere(1000, seed=seed)) for seed in (1, 2, 3)]
    exact = np.mean([found.values for found in others], axis=0)
    np.testing.assert_allclose(values[:3], exact[:3], rtol=0.1)
    np.testing.assert_allclose(values[3:], exact[3:], rtol=0.3)
    assert of_sphere.eigengap_ == values[3] - values[2] > 0
    assert of_sphere.quality_["eigengap"] == pytest.approx(of_sphere.eigengap_)


def test_eigenvalues_of_a_ring(ring: Data) -> None:
    basis = fit(ring, 4, graph_targets="coarsened", network=network(2), max_iter=40)
    frequency, offset = np.arange(1, 5)[:, None], np.arange(1, 21)
    exact = 1 - np.cos(2 * np.pi * frequency * offset / 2000).mean(axis=1)
    values = basis.eigenvalues_
    np.testing.assert_allclose(values[:4], exact[[0, 0, 1, 1]], rtol=0.1)
    # No function has a smaller Rayleigh quotient in the whole graph.
    assert (values[:8] >= exact[[0, 0, 1, 1, 2, 2, 3, 3]] * (1 - 1e-4)).all()


def test_features_of_few_values_have_fewer_eigenvalues_beyond() -> None:
    data = blocks()
    data.x = torch.eye(3)[data.x.argmax(dim=1)]
    basis = fit(data, 2, graph_targets="coarsened", max_iter=10)
    # Functions of three values, of which one is constant.
    assert basis.eigenvalues_.shape == (2,)
    assert np.isnan(basis.eigengap_)
    assert basis.quality_["eigengap"] is None
    assert basis.quality_["grassmann_distance"] < 0.1


# --- quality and score


def test_quality(of_sphere: BASiS) -> None:
    found = of_sphere.quality_
    assert found["held_out"] is True
    assert found["num_nodes"] == 100  # a tenth of the reference
    captured = np.array(found["captured"])
    assert captured.shape == (3,) and (captured > 0.9).all() and (captured <= 1).all()
    assert found["grassmann_distance"] == pytest.approx(3 - captured.sum())
    assert 1 >= found["captured_by_more"] >= captured.mean() - 1e-9
    assert found["disconnected_batches"] == 0


def test_quality_of_points_that_are_all_needed() -> None:
    x = sphere(400, seed=0)
    basis = fit(x, 3, n_neighbors=20, network=network(3), max_iter=20)
    found = basis.quality_
    assert found["held_out"] is False and found["num_nodes"] == 400
    exact = ExactEmbedding(3, 20)(x).vectors
    expected = float(grassmann_distance(basis.transform(x), exact))
    assert found["grassmann_distance"] == pytest.approx(expected, abs=1e-3)
    assert basis.score(x) == pytest.approx(1 - expected / 3, abs=1e-3)


@pytest.mark.filterwarnings("ignore:the embedding holds:UserWarning")
def test_held_out_points_take_no_part() -> None:
    x = three_normal(1000)
    settings: dict[str, Any] = {"reference_size": 400, "max_iter": 60, "tol": None}
    basis = fit(x, 2, network=Seen(3), **settings)
    held_out = never_seen(basis, x)
    assert len(held_out) == basis.quality_["num_nodes"] == 40
    other = x.clone()
    other[held_out] = x[held_out].flip(1)
    again = fit(other, 2, network=Seen(3), **settings)
    assert torch.equal(again.transform(x), basis.transform(x))
    assert again.quality_["captured"] != basis.quality_["captured"]


@pytest.mark.parametrize(
    ("num_points", "settings", "num_nodes"),
    [
        (399, {}, 399),  # a tenth are fewer than 20 a column
        (400, {}, 40),
        (2500, {}, 40),
        (2500, {"reference_size": 800}, 80),  # a tenth of the reference
        (2500, {"n_components": 11}, 400),  # more than half of the reference
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_how_many_are_held_out(
    num_points: int, settings: dict[str, Any], num_nodes: int
) -> None:
    settings = {"n_components": 2, "reference_size": 400, "max_iter": 1} | settings
    found = fit(three_normal(num_points), **settings).quality_
    assert found["num_nodes"] == num_nodes
    assert found["held_out"] == (num_nodes < 399)


def three_normal(num_points: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_points, 3, generator=generator)


class Recorded(Rows):
    """Points that remember which of them were asked for together."""

    def __init__(self, x: Tensor) -> None:
        super().__init__(x)
        self.asked: list[list[int]] = []

    def __getitems__(self, indices: list[int]) -> list[Tensor]:
        self.asked.append(indices)
        return list(self.x[indices])


@pytest.mark.parametrize("num_numbers", [10**9, 4 * 200 * 3])
@pytest.mark.filterwarnings("ignore:the embedding holds:UserWarning")
def test_graphs_of_the_read_out_are_few_and_of_different_points(
    num_numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_point_training, "MOST_NODES", 1399)
    monkeypatch.setattr(_point_training, "MOST_NUMBERS", num_numbers)
    monkeypatch.setattr(_point_training, "DEGREE_SAMPLE", 300)
    source = Recorded(three_normal(2500))
    settings = {"reference_size": 200, "batch_size": 60, "n_anchors": 20}
    fit(source, 2, max_iter=1, n_neighbors=8, **settings)
    measured, *graphs = [asked for asked in source.asked if len(asked) == 200]
    # Six of 200 nodes, or as many as so wide features allow, with that of the sample.
    assert len(graphs) == (5 if num_numbers == 10**9 else 3)
    together = [index for asked in graphs for index in asked]
    assert len(set(together)) == len(together)
    assert not set(together) & set(measured[:40])


def test_score_is_a_share() -> None:
    x, new = blobs(2500, seed=0)[0], blobs(1500, seed=1)[0]
    with no_warning_but():
        basis = fit(x, 4, network=network(2))
    # Each of the blobs is by itself.
    share = np.mean(np.array(basis.history_["num_components"]) > 1)
    assert basis.quality_["disconnected_batches"] == share > 0.5
    score = basis.score(new)
    assert type(score) is float and 0.95 < score <= 1
    assert basis.score(new.numpy()) == basis.score(new, y=np.zeros(1500)) == score
    # At the points themselves it is 1 - d_G / K.
    exact = ExactEmbedding(4, 30)(new[:900]).vectors
    expected = 1 - grassmann_distance(basis.transform(new[:900]), exact) / 4
    assert basis.score(new[:900]) == pytest.approx(float(expected), abs=1e-4)
    poor = fit(x, 4, network=nn.Linear(2, 1), readout=False, max_iter=5)
    assert 0 <= poor.score(new) < score - 0.3


# --- warnings


def test_noise_has_no_gap() -> None:
    noise = torch.randn(2500, 30, generator=torch.Generator().manual_seed(0))
    text = r"holds \d\d% .* at held-out points \(d_G .* of 5.*no gap follows eigenv.* 5"
    with pytest.warns(UserWarning, match=text) as caught:
        basis = fit(noise, 5, network=network(30), max_iter=20)
    assert [warning.filename for warning in caught] == [__file__]
    share = np.mean(basis.quality_["captured"])
    assert share < 0.9 and f"{share:.0%}" in str(caught[0].message)


def test_a_gap_that_is_missed_asks_for_more() -> None:
    # Along two spiral arms that begin together and lie between each other.
    place = torch.linspace(-1, 1, 2500)
    angle = 18 * place.abs().sqrt()
    arm = torch.stack([angle * angle.cos(), angle * angle.sin()], dim=1)
    text = r"at held-out points .*raise max_iter=12, n_neighbors or reference_size"
    with pytest.warns(UserWarning, match=text):
        x = arm * place.sign().unsqueeze(1)
        fit(x, 1, network=Constant(), max_iter=12, n_neighbors=6)


def test_training_that_ends_far_from_done() -> None:
    x = digits().x_train
    text = r"holds 9\d% .*: max_iter=2 ended the training early .*raise it"
    with pytest.warns(ConvergenceWarning, match=text) as caught:
        BASiS(4, batch_size=1000, max_iter=2, random_state=0).fit(x)
    # Of one thing there is one warning.
    assert [warning.filename for warning in caught] == [__file__]
    with no_warning_but():  # little is to be gained
        basis = BASiS(4, batch_size=1000, max_iter=5, random_state=0).fit(x)
    assert np.mean(basis.quality_["captured"]) > 0.95


def test_of_a_given_graph_the_features_are_the_remedy(ring: Data) -> None:
    data = ring.clone()
    data.x = three_normal(2000)
    text = r"max_iter=1, or give features that say more about the edges"
    # No gap follows the first of a pair of eigenvalues, which plays no role.
    with pytest.warns(UserWarning, match=text):
        fit(data, 3, network=network(3), max_iter=1)


# --- read-out


def test_without_a_read_out_it_is_the_regression() -> None:
    x, new = sphere(2500, seed=0), sphere(900, seed=1)
    settings = {"network": network(3), "max_iter": 10}
    read_out = fit(x, 3, **settings)
    regression = fit(x, 3, readout=False, **settings)
    assert 1 - read_out.score(new) < (1 - regression.score(new)) / 2
    assert regression.quality_ is None
    # Those of the reference.
    exact = ExactEmbedding(8, 30)(sphere(1000, seed=1)).values
    assert regression.eigenvalues_ == pytest.approx(exact.numpy(), rel=0.1)
    assert regression.eigengap_ == np.diff(regression.eigenvalues_)[2] > 0
    assert not regression.layer_.output.eigenvalues.any()


def test_degrees_are_learned_with_and_without_a_read_out() -> None:
    # Of unlike density.
    x = blobs(600, seed=0)[0] * torch.logspace(-1, 0, 600).unsqueeze(1)
    for readout in (True, False):
        settings = {"laplacian": "sym", "network": network(2), "max_iter": 5}
        layer = fit(x, 2, readout=readout, **settings).layer_
        degree = layer.root_degree(x)
        assert degree.std() > 0.01 and degree.square().mean() == pytest.approx(
            1, abs=0.1
        )


def test_degrees_are_those_of_a_large_graph_where_the_reference_is_small() -> None:
    x = blobs(2000, seed=0)[0]
    settings: dict[str, Any] = {"laplacian": "sym", "drop_first": False}
    sizes = {"n_anchors": 50, "batch_size": 200, "n_neighbors": 10, "max_iter": 10}
    basis = fit(x, 5, reference_size=None, **sizes, **settings)
    exact = ExactEmbedding(5, 10, **settings)(x).vectors
    # 0.07 with degrees of graphs of 200 points.
    assert grassmann_distance(basis.transform(x), exact) < 0.02


@pytest.mark.parametrize("hidden", [nn.Linear(3, 2), Constant()])
def test_kernels_make_up_for_narrow_features(hidden: nn.Module) -> None:
    basis = fit(sphere(2500, seed=0), 3, network=hidden, max_iter=12)
    assert basis.score(sphere(900, seed=1)) > 0.9


@pytest.mark.parametrize("graph_targets", ["exact", "coarsened"])
def test_features_that_do_not_span_enough(ring: Data, graph_targets: Any) -> None:
    # A given graph has kernels at its anchors, which are those of equal points here.
    data = ring.clone()
    data.x = torch.ones(2000, 2)
    text = r"span n_components=5 .*more distinct points \(1 of \d+ here\)"
    with pytest.warns(UserWarning, match=text) as caught:
        basis = fit(data, 5, graph_targets=graph_targets, max_iter=12)
    assert {warning.filename for warning in caught} == {__file__}
    assert basis.n_iter_ == 12 and set(basis.history_["missing"]) == {np.inf}
    embedding = basis.transform(data)
    assert embedding.shape == (2000, 5) and np.isfinite(embedding).all()
    # It is left as it was trained, and nothing was read out.
    assert basis.quality_ is None and basis.eigenvalues_.shape == (5 + 5,)


# --- what the method is for


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TOYS))
def test_clusters_of_new_points_are_perfect(name: str) -> None:
    x, y = TOYS[name](seed=0)
    num_clusters = len(y.unique())
    settings: dict[str, Any] = {"n_anchors": 100, "batch_size": 256, "n_neighbors": 10}
    # As by default.
    settings |= {"reference_size": None, "drop_first": False}
    basis = BASiS(num_clusters, random_state=0, **settings)
    clustering = BASiSClustering(num_clusters, basis=basis, random_state=0)
    predicted = clustering.fit(x[:6000]).predict(x[6000:])
    assert clustering_accuracy(y[6000:], predicted) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("points", "eigenfunctions", "num_neighbors", "bound"),
    [
        (circle, lambda x: circle_eigenfunctions(x, 5), 20, 0.01),
        (sphere, lambda x: sphere_eigenfunctions(x, 2), 50, 0.10),
    ],
)
def test_closed_form_eigenfunctions_are_learned(
    points: Any, eigenfunctions: Any, num_neighbors: int, bound: float
) -> None:
    new = points(10_000, seed=1)
    expected = eigenfunctions(new)
    basis = BASiS(
        expected.shape[1], n_neighbors=num_neighbors, drop_first=False, random_state=0
    )
    embedding = basis.fit(points(60_000, seed=0)).transform(new)
    assert grassmann_distance(embedding, expected) <= bound
