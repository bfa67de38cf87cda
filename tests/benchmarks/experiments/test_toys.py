import numpy as np
import pytest
import torch

from benchmarks.experiments import toys
from benchmarks.lib.record import read_results
from benchmarks.registry import RESULTS
from pyg_basis.datasets import TOYS

TINY = {
    "num_points": 600,
    "num_train": 400,
    "batch_size": 100,
    "n_anchors": 40,
    "n_neighbors": 10,
    "max_iter": 3,
}


@pytest.mark.usefixtures("untouched_global_generators")
def test_command_writes_figures_for_every_set(quick, tmp_path):
    record = quick("toys")
    runs = record["results"]["runs"]
    assert [run["set"] for run in runs] == list(TOYS)
    assert [run["clusters"] for run in runs] == [3, 2, 2, 2, 5]
    assert all(run["n_iter"] == record["settings"]["max_iter"] for run in runs)
    assert record["threads"] == 1
    for name in ("clusters", "alignment", "eigenvectors"):
        size = (tmp_path / "output" / f"toys_{name}.png").stat().st_size
        assert 10_000 < size < 300_000


def test_labels_do_not_reach_the_training(monkeypatch):
    model, run = toys.fit_and_measure("blobs", 0, TINY)

    def shuffled_labels(num_points, seed):
        x, y = TOYS["blobs"](num_points, seed=seed)
        return x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]

    monkeypatch.setattr(toys, "TOYS", {"blobs": shuffled_labels})
    other, other_run = toys.fit_and_measure("blobs", 0, TINY)
    assert np.array_equal(other.labels_, model.labels_)
    assert other_run["grassmann_distance"] == run["grassmann_distance"]
    assert other_run["nmi"] < 0.1 < run["nmi"]


def test_limits_are_square_and_hold_the_origin():
    limits = toys.limits(torch.tensor([[1.0, -2.0], [4.0, 3.0]]))
    (left, right), (bottom, top) = limits["xlim"], limits["ylim"]
    assert right - left == pytest.approx(top - bottom)
    assert left < 0 and right > 4 and bottom < -2 and top > 3


def test_published_figures_find_every_point():
    runs = read_results(RESULTS / "toys", "toys")["runs"]
    assert all(run["nmi"] == run["accuracy"] == 1.0 for run in runs)
