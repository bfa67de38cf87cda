import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.metrics import normalized_mutual_information

from .conftest import Run


def test_learn_save_and_predict(run: Run, points: Path, blobs: np.ndarray) -> None:
    files = ["--output", "labels.npy", "--save-model", "clusters.pt"]
    result = run("cluster", points, "--n-clusters", 3, "--seed", 0, *files)
    assert result.status == 0, result.err
    assert result.out == "" and "5/5" in result.err
    expected = BASiSClustering(3, random_state=0).fit(blobs)
    labels = np.load("labels.npy")
    assert np.array_equal(labels, expected.labels_)
    assert labels.dtype == expected.labels_.dtype
    new = blobs[::-1] * np.float32(1.1)
    np.save("new.npy", new)
    options = ["--model", "clusters.pt", "--output", "new.csv", "--quiet"]
    assert run("cluster", "new.npy", *options) == (0, "", "")
    assert Path("new.csv").read_text().startswith("cluster\n")
    predicted = np.loadtxt("new.csv", skiprows=1)
    assert np.array_equal(predicted, expected.predict(new))
    facts = json.loads(run("info", "clusters.pt", "--json").out)
    assert facts["kind"] == "clustering" and facts["n_clusters"] == 3
    # The file is an embedding as well, without a trace of the progress bar.
    basis = BASiS.load("clusters.pt")
    assert basis.get_params() == expected.basis_.get_params()
    assert run("transform", "clusters.pt", points, "-o", "e.npy").status == 0
    assert np.array_equal(np.load("e.npy"), expected.basis_.transform(blobs))


def test_fewer_clusters_than_a_model_has_columns(
    run: Run, model: Path, points: Path, blobs: np.ndarray
) -> None:
    files = ["-o", "labels.npy", "--save-model", "clusters.pt"]
    options = ["--n-clusters", 3, "--n-init", 4, "--seed", 0]
    assert run("cluster", points, "--model", model, *options, *files).status == 0
    labels = np.load("labels.npy")
    assert normalized_mutual_information(np.arange(300) % 3, labels) == 1
    clustering = BASiSClustering.load("clusters.pt")
    assert clustering.n_init == 4
    assert clustering.kmeans_.cluster_centers_.shape == (3, 3)
    assert np.array_equal(clustering.predict(blobs), labels)


def test_parameters_of_the_embedding(run: Run, points: Path, blobs: np.ndarray) -> None:
    options = ["--n-clusters", 3, "--seed", 0, "--laplacian", "sym", "--n-init", 2]
    assert run("cluster", points, "-o", "labels.npy", *options).status == 0
    basis = BASiS(3, reference_size=None, drop_first=False, laplacian="sym")
    expected = BASiSClustering(3, basis=basis, n_init=2, random_state=0).fit(blobs)
    assert np.array_equal(np.load("labels.npy"), expected.labels_)


def test_edges_of_a_file_are_learned(run: Run, ring: Data, blobs: np.ndarray) -> None:
    torch.save(ring, "graph.pt")
    options = ["graph.pt", "--n-clusters", 3, "--seed", 0, "-o", "labels.npy"]
    assert run("cluster", *options).status == 0
    of_edges = BASiSClustering(3, random_state=0).fit(ring).labels_
    assert np.array_equal(np.load("labels.npy"), of_edges)
    assert run("cluster", *options, "--force", "--graph", "knn").status == 0
    expected = BASiSClustering(3, random_state=0).fit(blobs).labels_
    assert np.array_equal(np.load("labels.npy"), expected)
    assert not np.array_equal(of_edges, expected)


def test_in_a_given_embedding(
    run: Run, model: Path, points: Path, fitted: BASiS, blobs: np.ndarray
) -> None:
    arguments = ["--model", model, "--n-clusters", 3, "--seed", 0]
    files = ["--output", "labels.npy", "--save-model", "clusters.pt"]
    result = run("cluster", points, *arguments, *files)
    assert result.status == 0, result.err
    labels = np.load("labels.npy")
    assert normalized_mutual_information(np.arange(300) % 3, labels) == 1
    saved = BASiS.load("clusters.pt")
    assert np.array_equal(saved.transform(blobs), fitted.transform(blobs))
    # Of other points the clusters are those found before, not found anew.
    np.save("few.npy", blobs[1::3])
    options = ["--model", "clusters.pt", "--output", "few_labels.npy"]
    assert run("cluster", "few.npy", *options).status == 0
    assert np.load("few_labels.npy").tolist() == [labels[1]] * 100


def test_number_of_clusters_by_the_largest_gap(
    run: Run, model: Path, points: Path, blobs: np.ndarray
) -> None:
    files = ["--save-model", "clusters.pt", "--output", "shares.csv", "--soft"]
    options = ["--n-clusters", "eigengap", "--seed", 0, *files]
    assert run("cluster", points, *options).status == 0
    clustering = BASiSClustering.load("clusters.pt")
    assert clustering.n_clusters_ == 3
    assert Path("shares.csv").read_text().startswith("cluster0,cluster1,cluster2\n")
    shares = np.loadtxt("shares.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(shares, clustering.predict_proba(blobs))
    # In an embedding that is there.
    assert run("cluster", points, "--model", model, "--force", *options).status == 0
    assert BASiSClustering.load("clusters.pt").n_clusters_ == 3


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ("", 2, "--n-clusters: give it"),
        ("--model model.pt", 2, "--n-clusters: give it"),
        ("--n-clusters many", 2, "--n-clusters: invalid int_or_eigengap value: 'many'"),
        ("--model clusters.pt --n-clusters 3", 2, "and not both"),
        ("--model model.pt --n-clusters 3 --device cpu", 2, "device: leave out"),
        ("--model clusters.pt --weights new.npy", 1, "--weights='new.npy' is no file"),
        ("--model clusters.pt --weights points.npy", 2, "--weights: leave out"),
        ("--n-clusters 3 --force", 1, "'points.npy', row 7, column 1"),
        ("--n-clusters 3 --save-model a.npy", 1, "'a.npy' has the suffix '.npy'"),
        ("--n-clusters 3 --save-model model.pt", 1, "'model.pt' exists"),
    ],
)
def test_bad_options(
    run: Run, model: Path, points: Path, options: str, status: int, message: str
) -> None:
    given = ["--model", model, "--n-clusters", 3, "--output", "labels.npy"]
    assert run("cluster", points, *given, "--save-model", "clusters.pt").status == 0
    rows = np.load(points)
    rows[7, 1] = np.nan  # which is reported last
    np.save(points, rows)
    before = sorted(os.listdir())
    result = run("cluster", points, "--output", "new.npy", *options.split())
    assert result.status == status and message in result.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("with_model", [False, True])
def test_weights(run: Run, model: Path, points: Path, with_model: bool) -> None:
    np.save("weights.npy", np.arange(300) % 3 == 1)  # of one of three groups
    options = ["--n-clusters", 2, "--weights", "weights.npy", "--seed", 0]
    options += ["--model", model] if with_model else ["--max-iter", 3]
    assert run("cluster", points, *options, "--output", "labels.npy").status == 0
    labels = np.load("labels.npy")
    assert len(np.unique(labels[1::3])) == 2


def test_both_files_or_none(
    run: Run, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device", "clusters.pt")

    monkeypatch.setattr("torch.save", full_disk)
    files = ["--output", "labels.npy", "--save-model", "clusters.pt"]
    result = run("cluster", points, "--n-clusters", 3, *files)
    assert result.status == 1
    assert result.err.endswith("No space left on device: 'clusters.pt'\n")
    assert os.listdir() == ["points.npy"]
