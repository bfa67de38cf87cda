import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyg_basis.datasets import TOYS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = {
    "num_points": 600,
    "num_train": 400,
    "batch_size": 100,
    "n_anchors": 40,
    "n_neighbors": 10,
    "max_iter": 3,
}


@pytest.fixture(scope="module")
def toys():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)  # where `python benchmarks/toys.py` runs
        yield importlib.import_module("toys")


@pytest.mark.usefixtures("untouched_global_generators")
def test_command_writes_figures_for_every_set(toys, tmp_path):
    toys.main(["--quick", "--output", str(tmp_path)])
    record = json.loads((tmp_path / "toys.json").read_text())
    runs = record["results"]["runs"]
    assert [run["set"] for run in runs] == list(TOYS)
    assert [run["clusters"] for run in runs] == [3, 2, 2, 2, 5]
    assert all(0 <= run["nmi"] <= 1 and 0 < run["accuracy"] <= 1 for run in runs)
    assert all(run["n_iter"] == record["settings"]["max_iter"] for run in runs)
    assert record["threads"] == 1
    assert (tmp_path / "toys.md").read_text() == toys.table(runs)
    for name in ("clusters", "alignment", "eigenvectors"):
        picture = tmp_path / f"toys_{name}.png"
        assert picture.stat().st_size < 300_000
        with Image.open(picture) as image:
            assert np.asarray(image.convert("L")).std() > 5  # not blank


def test_labels_do_not_reach_the_training(toys, monkeypatch):
    model, run = toys.fit_and_measure("blobs", 0, TINY)

    def shuffled_labels(num_points, seed):
        x, y = TOYS["blobs"](num_points, seed=seed)
        return x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]

    monkeypatch.setattr(toys, "TOYS", {"blobs": shuffled_labels})
    other, other_run = toys.fit_and_measure("blobs", 0, TINY)
    assert np.array_equal(other.labels_, model.labels_)
    assert other_run["grassmann_distance"] == run["grassmann_distance"]
    assert other_run["nmi"] < 0.1 < run["nmi"]


@pytest.mark.parametrize("num_clusters", [3, 5])
def test_display_map_puts_centres_on_a_regular_polygon(toys, num_clusters):
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(num_clusters, num_clusters, generator=generator))
    clusters = np.arange(10 * num_clusters) % num_clusters
    rows = turn.Q[torch.from_numpy(clusters)]
    corners = rows @ toys.display_map(rows, clusters)
    assert torch.allclose(corners.norm(dim=1), torch.ones(len(rows)), atol=1e-5)
    following = (corners[1:num_clusters] * corners[: num_clusters - 1]).sum(dim=1)
    expected = torch.full_like(following, np.cos(2 * np.pi / num_clusters))
    assert torch.allclose(following, expected, atol=1e-5)


def test_display_map_shows_two_columns_as_they_are(toys):
    rows = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert torch.equal(rows @ toys.display_map(rows, np.array([0, 1])), rows)


def test_limits_are_square_and_hold_the_origin(toys):
    limits = toys.limits(torch.tensor([[1.0, -2.0], [4.0, 3.0]]))
    (left, right), (bottom, top) = limits["xlim"], limits["ylim"]
    assert right - left == pytest.approx(top - bottom)
    assert left < 0 and right > 4 and bottom < -2 and top > 3


def test_table_shows_the_worst_seed(toys):
    run = {"clusters": 2, "nmi": 1.0, "accuracy": 1.0, "grassmann_distance": 0.01}
    run.update(n_iter=600, cpu_seconds=12.0)
    runs = [{"set": name, "seed": seed, **run} for name in TOYS for seed in (0, 1)]
    runs[1].update(nmi=0.25, accuracy=0.5, n_iter=1000)
    lines = toys.table(runs).splitlines()
    assert len(lines) == 2 + len(TOYS)
    assert all(value in lines[2] for value in ("0.2500", "0.5000", "600 to 1000"))
    assert lines[3].count("1.0000") == 2


def test_published_figures_find_every_point(toys):
    record = json.loads((BENCHMARKS / "results" / "toys.json").read_text())
    runs = record["results"]["runs"]
    assert len(runs) == 3 * len(TOYS)
    assert all(run["nmi"] == run["accuracy"] == 1.0 for run in runs)
    assert (BENCHMARKS / "results" / "toys.md").read_text() == toys.table(runs)
