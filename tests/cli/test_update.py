from pathlib import Path

import numpy as np

from pyg_basis import BASiS, BASiSClustering
from tests.cli.conftest import Run

OPTIONS = ["--updatable", "--seed", 0, "--n-anchors", 16, "--max-iter", 5]


def test_a_model_learns_new_points(run: Run, points: Path, blobs: np.ndarray) -> None:
    assert run("fit", points, *OPTIONS, "--output", "model.pt").status == 0
    np.save("new.npy", blobs + 0.1)
    files = ["model.pt", "new.npy", "--output", "newer.pt"]
    result = run("update", *files, "--forget-factor", 0.5)
    assert result.status == 0 and "rows of earlier points moved by" in result.err
    expected = BASiS.load("model.pt")
    expected.update(np.load("new.npy"), forget_factor=0.5)
    found = BASiS.load("newer.pt")
    assert np.array_equal(found.transform(blobs), expected.transform(blobs))
    assert run("update", *files).status == 1  # newer.pt is there


def test_clusters_keep_their_labels(run: Run, points: Path, blobs: np.ndarray) -> None:
    files = ["--output", "labels.npy", "--save-model", "model.pt"]
    options = [*OPTIONS[:-2], "--max-iter", 5, "--n-clusters", 3]
    assert run("cluster", points, *files, *options).status == 0
    files = ["model.pt", points, "--output", "newer.pt"]
    assert run("update", *files, "--n-clusters", 4).status == 0
    found = BASiSClustering.load("newer.pt")
    assert found.n_clusters_ == 4
    assert run("update", *files, "--n-clusters", "eigengap", "--force").status == 0


def test_what_cannot_be_updated(run: Run, model: Path, points: Path) -> None:
    result = run("update", model, points, "--output", "newer.pt")
    assert result.status == 1 and "updatable=True" in result.err
    result = run("update", model, points, "--n-clusters", 3, "-o", "newer.pt")
    assert result.status == 2 and "--model has no clusters" in result.err
    assert not Path("newer.pt").exists()
