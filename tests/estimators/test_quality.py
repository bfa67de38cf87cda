"""How good a fit is, and what is said of it; and, as slow tests, what the method is for
from end to end: the figures of the benchmarks."""

import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import (
    TOYS,
    blobs,
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.estimators._graph_training import graph_training
from pyg_basis.estimators._quality import captured_shares, warn_if_poor
from pyg_basis.graph import GivenGraph
from pyg_basis.loader import ExactEmbedding, FeatureSource, WholeGraph
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    normalized_mutual_information,
)

QUICK: dict[str, Any] = {
    "n_anchors": 60,
    "batch_size": 300,
    "reference_size": 1000,
    "n_neighbors": 30,
    "random_state": 0,
}
NUM_BLOBS = 5
POOR_FIT: dict[str, Any] = {
    "grassmann_distance": 0.4,
    "captured": [1.0, 0.6],
    "captured_by_more": 0.85,
    "eigengap": 0.5,
    "held_out": True,
}


def network(in_channels: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(in_channels, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        )


def fit(x: Any, n_components: int, **settings: Any) -> BASiS:
    """A fit within seconds."""
    return BASiS(n_components, **(QUICK | settings)).fit(x)


class Constant(nn.Module):
    """Hidden features that tell no point from another."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), 8)


@pytest.fixture(scope="module")
def of_sphere() -> BASiS:
    """Four eigenvectors, after which a gap follows."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return fit(sphere(2500, seed=0), 4, network=network(3))


@pytest.fixture(scope="module")
def of_blobs() -> BASiS:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return fit(blobs(2500, seed=0)[0], NUM_BLOBS, network=network(2))


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
    assert values.shape == (4 + 5,) and (np.diff(values) >= 0).all()
    # Those of graphs of as many other points; the ones beyond are only about right.
    exact = np.mean(
        [
            ExactEmbedding(9, 30, laplacian="rw")(sphere(1000, seed=seed)).values
            for seed in (1, 2, 3)
        ],
        axis=0,
    )
    np.testing.assert_allclose(values[:4], exact[:4], rtol=0.1, atol=1e-5)
    np.testing.assert_allclose(values[4:], exact[4:], rtol=0.3)


def test_eigenvalues_of_a_given_graph(ring: Data) -> None:
    basis = fit(ring, 5, network=network(2), tol=None, max_iter=60)
    exact = WholeGraph.from_graph(GivenGraph.from_data(ring), ExactEmbedding(10)).rows
    assert basis.eigenvalues_.shape == (5 + 5,)
    assert (np.diff(basis.eigenvalues_) >= 0).all()
    expected = exact.values.numpy()
    np.testing.assert_allclose(
        basis.eigenvalues_[:5], expected[:5], rtol=0.1, atol=1e-6
    )
    # No function has a smaller Rayleigh quotient in the whole graph.
    assert (basis.eigenvalues_ >= expected - 1e-6).all()
    assert grassmann_distance(basis.transform(ring), exact.vectors[:, :5]) < 0.1


def test_eigenvalues_without_the_trivial_one(of_sphere: BASiS) -> None:
    basis = fit(sphere(2500, seed=0), 3, drop_trivial=True, network=network(3))
    assert basis.eigenvalues_.shape == (3 + 5,)
    np.testing.assert_allclose(
        basis.eigenvalues_[:3], of_sphere.eigenvalues_[1:4], rtol=0.1
    )


def test_narrow_features_have_fewer_eigenvalues_beyond(ring: Data) -> None:
    basis = fit(ring, 3, graph="coarsened", network=nn.Linear(2, 5), max_iter=10)
    # Five features of which two are independent, and the constant.
    assert basis.eigenvalues_.shape == (3,)
    assert np.isnan(basis.eigengap_)
    assert basis.quality_["eigengap"] is None
    # They are the coordinates, which the eigenvectors of a ring are.
    assert basis.quality_["grassmann_distance"] < 0.1


def test_eigengap_is_the_distance_to_the_next(of_sphere: BASiS) -> None:
    values = of_sphere.eigenvalues_
    assert of_sphere.eigengap_ == values[4] - values[3] > 0
    assert of_sphere.quality_["eigengap"] == pytest.approx(of_sphere.eigengap_)


# --- quality and score


def test_quality_is_measured_at_points_that_took_no_part(of_sphere: BASiS) -> None:
    found = of_sphere.quality_
    assert set(found) == {
        "grassmann_distance",
        "captured",
        "captured_by_more",
        "eigengap",
        "disconnected_batches",
        "num_nodes",
        "held_out",
    }
    assert found["held_out"] is True
    assert found["num_nodes"] == 100  # a tenth of the reference
    captured = np.array(found["captured"])
    assert captured.shape == (4,) and (captured > 0.9).all() and (captured <= 1).all()
    assert found["grassmann_distance"] == pytest.approx(4 - captured.sum())
    assert found["captured_by_more"] >= captured.mean() - 1e-9
    assert found["disconnected_batches"] == 0


def test_quality_of_points_that_are_all_needed() -> None:
    x = sphere(400, seed=0)
    basis = fit(x, 4, n_neighbors=20, network=network(3), max_iter=20)
    found = basis.quality_
    assert found["held_out"] is False and found["num_nodes"] == 400
    # All points in another order.
    exact = ExactEmbedding(4, 20)(x).vectors
    expected = grassmann_distance(basis.transform(x), exact)
    assert found["grassmann_distance"] == pytest.approx(float(expected), abs=1e-3)
    assert basis.score(x) == pytest.approx(1 - float(expected) / 4, abs=1e-3)


def test_quality_of_a_given_graph(ring: Data) -> None:
    # A tenth of the nodes whose rows are known; of few nodes all.
    assert fit(ring, 5, network=network(2), max_iter=20).quality_["num_nodes"] == 200
    basis = fit(ring, 11, network=network(2), max_iter=20)
    found = basis.quality_
    assert found["held_out"] is False and found["num_nodes"] == 2000
    exact = WholeGraph.from_graph(GivenGraph.from_data(ring), ExactEmbedding(11)).rows
    expected = grassmann_distance(basis.transform(ring), exact.vectors)
    assert found["grassmann_distance"] == pytest.approx(float(expected), abs=1e-3)


def test_held_out_nodes_are_never_in_a_batch(ring: Data) -> None:
    basis = BASiS(5, **(QUICK | {"max_iter": 30, "network": network(2)}))
    made = graph_training(basis, ring, FeatureSource(ring), 0)
    held_out = {tuple(row) for row in made.held_out.x.tolist()}
    drawn = {tuple(row) for batch in made.batches for row in batch.x.tolist()}
    assert len(held_out) == 200 and len(drawn) > 1700 and not held_out & drawn


def test_disconnected_batches_are_told(of_blobs: BASiS) -> None:
    share = np.mean(np.array(of_blobs.history_["num_components"]) > 1)
    assert of_blobs.quality_["disconnected_batches"] == share > 0.5


def test_score_is_a_share(of_blobs: BASiS) -> None:
    new = blobs(1500, seed=1)[0]
    score = of_blobs.score(new)
    assert type(score) is float and 0.95 < score <= 1
    assert of_blobs.score(new.numpy()) == of_blobs.score(new, y=np.zeros(1500)) == score
    # At the points themselves it is 1 - d_G / K.
    few = new[:900]
    exact = ExactEmbedding(NUM_BLOBS, 30)(few).vectors
    expected = 1 - grassmann_distance(of_blobs.transform(few), exact) / NUM_BLOBS
    assert of_blobs.score(few) == pytest.approx(float(expected), abs=1e-4)


def test_score_of_what_cannot_work(of_blobs: BASiS) -> None:
    # It has lost all but the trivial vector.
    x = blobs(2500, seed=0)[0]
    poor = fit(x, NUM_BLOBS, network=nn.Linear(2, 1), readout=False, max_iter=5)
    new = blobs(900, seed=1)[0]
    assert 0 <= poor.score(new) < 0.6 < of_blobs.score(new) - 0.3


def test_captured_shares() -> None:
    exact = torch.eye(6)[:, :3]
    turned = torch.eye(6)[:, [1, 0, 3]] * torch.tensor([2.0, -1.0, 5.0])
    torch.testing.assert_close(
        captured_shares(turned, exact).float(), torch.tensor([1.0, 1.0, 0.0])
    )
    half = torch.eye(6)[:, :1] + torch.eye(6)[:, 5:]
    expected = torch.tensor([0.5, 0.0, 0.0])
    torch.testing.assert_close(captured_shares(half, exact).float(), expected)
    # Columns that are none add nothing.
    zeros = torch.zeros(6, 2)
    more = torch.cat([half, half, zeros], dim=1)
    torch.testing.assert_close(captured_shares(more, exact).float(), expected)
    assert captured_shares(zeros, exact).tolist() == [0, 0, 0]


def test_shares_add_up_to_the_grassmann_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, exact = torch.randn(2, 50, 4, generator=generator)
    captured = captured_shares(rows, exact)
    assert ((captured >= 0) & (captured <= 1)).all()
    expected = float(grassmann_distance(rows, exact))
    assert 4 - float(captured.sum()) == pytest.approx(expected, abs=1e-5)


# --- warnings


def test_noise_has_no_gap() -> None:
    noise = torch.randn(2500, 30, generator=torch.Generator().manual_seed(0))
    text = r"holds \d\d% .* at held-out points \(d_G .* of 5.*no gap follows eigenv.* 5"
    with pytest.warns(UserWarning, match=text) as caught:
        basis = fit(noise, 5, network=network(30), max_iter=20)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.mean(basis.quality_["captured"]) < 0.9
    share = f"{np.mean(basis.quality_['captured']):.0%}"
    assert share in str(caught[0].message)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({}, "raise max_iter=7, n_neighbors or reference_size, scale the features"),
        ({"eigengap": 0.031}, "raise max_iter=7"),
        ({"eigengap": 0.029}, "no gap follows eigenvalue 2 .*choose n_components"),
        # The eigenvectors are there, among more.
        ({"captured_by_more": 0.9}, "no gap follows eigenvalue 2"),
        ({"captured_by_more": 0.89}, "raise max_iter=7"),
        # Nothing is known of the next.
        ({"eigengap": None}, "raise max_iter=7"),
        ({"held_out": True}, r"holds 80% .* at held-out points \(d_G 0.40 of 2, see"),
        ({"held_out": False}, r"holds 80% .* at the points \(d_G 0.40 of 2, see"),
    ],
)
def test_remedies(found: dict[str, Any], text: str) -> None:
    with pytest.warns(UserWarning, match=text):
        warn_if_poor(POOR_FIT | found, np.array([0.0, 0.3, 0.8]), 7, is_whole=False)


def test_of_a_given_graph_the_features_are_the_remedy() -> None:
    # Its eigenvectors are its own, whether a gap follows or not.
    found = POOR_FIT | {"eigengap": 0.0}
    with pytest.warns(UserWarning, match=r"max_iter=7, or give features that say more"):
        warn_if_poor(found, np.array([0.0, 0.3, 0.8]), 7, is_whole=True)


@pytest.mark.parametrize("captured", [[1.0, 1.0], [0.99, 0.81]])
def test_a_good_fit_is_no_cause(captured: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # No gap, and yet nothing to complain of.
        found = {"captured": captured, "eigengap": 0.0, "captured_by_more": 1.0}
        warn_if_poor(found, np.array([0.0, 0.3, 0.3]), 7, is_whole=False)


# --- read-out


def test_ends_early_when_there_is_nothing_to_gain() -> None:
    x = blobs(2500, seed=0)[0]
    settings: dict[str, Any] = {"network": network(2), "max_iter": 90}
    early = fit(x, NUM_BLOBS, **settings)
    assert early.n_iter_ < 90
    looks = early.history_["excess"]
    assert early.n_iter_ == 10 * 2 ** (len(looks) - 1)
    assert all(
        len(v) == early.n_iter_ for k, v in early.history_.items() if k != "excess"
    )
    full = fit(x, NUM_BLOBS, tol=None, **settings)
    assert full.n_iter_ == 90 and len(full.history_["excess"]) == 1
    assert set(full.history_["learning_rate"]) == {3e-3}


def test_without_a_read_out_it_is_the_regression() -> None:
    x = sphere(2500, seed=0)
    basis = fit(x, 4, readout=False, network=network(3), max_iter=40)
    assert basis.n_iter_ == 40  # whatever tol is
    assert basis.quality_ is None
    assert basis.eigenvalues_.shape == (4,) and np.isnan(basis.eigengap_)
    rates = basis.history_["learning_rate"]
    assert rates[:21] == [3e-3] * 21 and rates[-1] == pytest.approx(3e-3 / 20)
    assert "excess" not in basis.history_
    # Nothing was read out.
    assert not basis.layer_.readout.eigenvalues.any()
    assert not basis.layer_.readout.earlier.any()
    assert 0.5 < basis.score(sphere(900, seed=1)) <= 1


def test_without_a_read_out_degrees_are_learned() -> None:
    # Of unlike density.
    x = blobs(600, seed=0)[0] * torch.logspace(-1, 0, 600).unsqueeze(1)
    for readout in (True, False):
        basis = fit(x, 2, readout=readout, network=network(2), max_iter=5)
        assert basis.layer_.degree(x).std() > 0.01, readout


def test_read_out_is_closer_than_the_regression() -> None:
    x, new = sphere(2500, seed=0), sphere(900, seed=1)
    settings: dict[str, Any] = {"network": network(3), "max_iter": 10}
    read_out, regression = (
        fit(x, 4, laplacian="rw", readout=readout, **settings).score(new)
        for readout in (True, False)
    )
    assert 1 - read_out < (1 - regression) / 2


@pytest.mark.parametrize("hidden", [nn.Linear(3, 2), Constant()])
def test_kernels_make_up_for_narrow_features(hidden: nn.Module) -> None:
    basis = fit(sphere(2500, seed=0), 4, network=hidden, max_iter=12)
    assert basis.score(sphere(900, seed=1)) > 0.9


@pytest.mark.parametrize("hidden", [nn.Linear(2, 2), Constant()])
def test_features_that_do_not_span_enough(ring: Data, hidden: nn.Module) -> None:
    # A given graph has no anchors in the space of features, and no kernels.
    with pytest.warns(
        UserWarning, match="the hidden features .*span .*use a wider network"
    ) as caught:
        basis = fit(ring, 5, graph="coarsened", network=hidden, max_iter=12)
    assert {warning.filename for warning in caught} == {__file__}
    assert basis.n_iter_ == 12 and set(basis.history_["excess"]) == {np.inf}
    embedding = basis.transform(ring)
    assert embedding.shape == (2000, 5) and np.isfinite(embedding).all()
    # It is left as it was trained, and nothing was read out.
    assert basis.quality_ is None and basis.eigenvalues_.shape == (5,)


def test_save_and_load(of_sphere: BASiS, tmp_path: Path) -> None:
    of_sphere.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt", network=network(3))
    assert loaded.quality_ == of_sphere.quality_
    assert np.array_equal(loaded.eigenvalues_, of_sphere.eigenvalues_)
    assert loaded.eigengap_ == of_sphere.eigengap_
    assert loaded.history_ == of_sphere.history_
    x = sphere(900, seed=1)
    assert torch.equal(loaded.transform(x), of_sphere.transform(x))
    assert loaded.score(x) == of_sphere.score(x)


def test_save_and_load_without_a_read_out(tmp_path: Path) -> None:
    basis = fit(sphere(600, seed=0), 2, readout=False, max_iter=2)
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.quality_ is None and loaded.readout is False
    assert np.array_equal(loaded.eigenvalues_, basis.eigenvalues_)


# --- what the method is for


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TOYS))
def test_clusters_of_new_points_are_perfect(name):
    x, y = TOYS[name](seed=0)
    num_clusters = len(y.unique())
    basis = BASiS(
        num_clusters, n_anchors=100, batch_size=256, n_neighbors=10, random_state=0
    )
    clustering = BASiSClustering(num_clusters, basis=basis, random_state=0)
    predicted = clustering.fit(x[:6000]).predict(x[6000:])
    assert clustering_accuracy(y[6000:], predicted) == 1
    assert normalized_mutual_information(y[6000:], predicted) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("points", "eigenfunctions", "num_neighbors", "bound"),
    [
        (circle, lambda x: circle_eigenfunctions(x, 5), 20, 0.01),
        (sphere, lambda x: sphere_eigenfunctions(x, 2), 50, 0.10),
    ],
)
def test_closed_form_eigenfunctions_are_learned(
    points, eigenfunctions, num_neighbors, bound
):
    new = points(10_000, seed=1)
    expected = eigenfunctions(new)
    basis = BASiS(
        expected.shape[1],
        n_neighbors=num_neighbors,
        laplacian="rw",
        random_state=0,
    )
    embedding = basis.fit(points(60_000, seed=0)).transform(new)
    assert torch.isfinite(embedding).all()
    assert grassmann_distance(embedding, expected) <= bound
