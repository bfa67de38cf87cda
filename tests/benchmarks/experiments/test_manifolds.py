import pytest
import torch

from benchmarks.experiments import manifolds
from benchmarks.lib.record import read_results
from benchmarks.registry import RESULTS
from pyg_basis import BASiS
from pyg_basis.datasets import circle

TINY = {
    "num_train": 400,
    "num_held_out": 150,
    "batch_size": 80,
    "n_anchors": 30,
    "max_iter": 3,
    "laplacian": "rw",
    "drop_first": False,
}


def test_default_anchors_come_first():
    assert manifolds.ANCHORS[0] == BASiS().anchor_method


@pytest.mark.usefixtures("untouched_global_generators")
def test_command_writes_figures_for_every_setting(quick):
    record = quick("manifolds")
    runs = record["results"]["runs"]
    assert [(run["manifold"], run["anchors"]) for run in runs] == [
        (name, anchors)
        for name in ("circle", "sphere")
        for anchors in manifolds.ANCHORS
    ]
    for run in runs:
        num_functions = manifolds.MANIFOLDS[run["manifold"]].num_functions
        assert 0 < run["grassmann_distance"] < num_functions
        assert 0 < run["single_batch"] < num_functions
    assert record["threads"] == 1


@pytest.mark.parametrize("name", ["circle", "sphere"])
def test_distance_is_zero_for_the_eigenfunctions_themselves(monkeypatch, name):
    manifold = manifolds.MANIFOLDS[name]
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(2 * [manifold.num_functions], generator=generator)
    seen = []

    class Exact(BASiS):
        def fit(self, X, y=None):
            seen.append(X)
            return super().fit(X, y)

        def transform(self, X):
            seen.append(X)
            return manifold.eigenfunctions(X) @ mixing

    monkeypatch.setattr(manifolds, "BASiS", Exact)
    run = manifolds.fit_and_measure(manifold, "random", 0, TINY)
    assert run["grassmann_distance"] == pytest.approx(0, abs=1e-5)
    assert run["single_batch"] > 0.01
    train, held_out = seen
    assert len(train) == 400 and len(held_out) == 150
    assert not (train[:, None] == held_out).all(dim=-1).any()


def test_single_batch_is_a_batch_of_the_training():
    x = circle(400)
    basis = BASiS(3, n_anchors=30, batch_size=80, n_neighbors=10, max_iter=1).fit(x)
    nodes, vectors = manifolds.single_batch(basis, x, seed=0)
    assert torch.equal(nodes[:30], basis.layer_.anchors)
    assert nodes.shape == (80, 2) and vectors.shape == (80, 3)
    assert torch.allclose(vectors.square().mean(dim=0).float(), torch.ones(3))
    assert not torch.equal(nodes, manifolds.single_batch(basis, x, seed=1)[0])


def test_published_figures_reach_what_was_asked_for():
    for run in read_results(RESULTS / "manifolds", "manifolds")["runs"]:
        if run["anchors"] == manifolds.ANCHORS[0]:
            target = manifolds.MANIFOLDS[run["manifold"]].target
            assert run["grassmann_distance"] <= target
