import os
from pathlib import Path

import numpy as np
import pytest
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.metrics import normalized_mutual_information

from .conftest import Run

CLASSES = np.arange(300) % 3


@pytest.mark.usefixtures("small_defaults")
def test_learn_save_and_predict(run: Run, points: Path, blobs: np.ndarray) -> None:
    files = ["--output", "labels.npy", "--save-model", "clusters.pt"]
    result = run("cluster", points, "--n-clusters", 3, "--seed", 0, *files)
    assert result.exit_code == 0, result.output
    assert result.stdout == "" and "5/5" in result.stderr
    expected = BASiSClustering(3, random_state=0).fit(blobs)
    labels = np.load("labels.npy")
    assert np.array_equal(labels, expected.labels_)
    assert labels.dtype == expected.labels_.dtype
    new = blobs[::-1] * np.float32(1.1)
    np.save("new.npy", new)
    model = ["--model", "clusters.pt"]
    result = run("cluster", "new.npy", *model, "--output", "new.csv", "--quiet")
    assert result.exit_code == 0 and result.output == ""
    predicted = np.loadtxt("new.csv", skiprows=1)
    assert np.array_equal(predicted, expected.predict(new))
    # The file is an embedding as well.
    assert run("transform", "clusters.pt", points, "-o", "e.npy").exit_code == 0
    assert np.array_equal(np.load("e.npy"), expected.basis_.transform(blobs))


@pytest.mark.usefixtures("small_defaults")
def test_edges_of_a_file_are_learned(
    run: Run, graph: Path, ring: Data, blobs: np.ndarray
) -> None:
    options = ["--n-clusters", 3, "--seed", 0, "--output", "labels.npy", "--force"]
    assert run("cluster", graph, *options).exit_code == 0
    of_edges = np.load("labels.npy")
    assert np.array_equal(
        of_edges, BASiSClustering(3, random_state=0).fit(ring).labels_
    )
    assert run("cluster", graph, *options, "--graph", "neighbors").exit_code == 0
    expected = BASiSClustering(3, random_state=0).fit(blobs).labels_
    assert np.array_equal(np.load("labels.npy"), expected)
    assert not np.array_equal(of_edges, expected)


def test_a_given_embedding_needs_no_edges(
    run: Run, model: Path, graph: Path, points: Path
) -> None:
    options = ["--model", model, "--n-clusters", 3, "--seed", 0]
    for path in (graph, points):
        output = f"{path.stem}.csv"
        assert run("cluster", path, *options, "--output", output).exit_code == 0
    assert Path("graph.csv").read_text() == Path("points.csv").read_text()


def test_in_a_given_embedding(
    run: Run, model: Path, points: Path, fitted: BASiS, blobs: np.ndarray
) -> None:
    arguments = ["--model", model, "--n-clusters", 3, "--seed", 0]
    files = ["--output", "labels.npy", "--save-model", "clusters.pt"]
    result = run("cluster", points, *arguments, *files)
    assert result.exit_code == 0, result.output
    labels = np.load("labels.npy")
    assert normalized_mutual_information(CLASSES, labels) == 1
    assert np.array_equal(
        BASiS.load("clusters.pt").transform(blobs), fitted.transform(blobs)
    )
    again = run("cluster", points, "--model", "clusters.pt", "--output", "again.npy")
    assert again.exit_code == 0
    assert np.array_equal(np.load("again.npy"), labels)
    # Of other points the clusters are those found before, not found anew.
    np.save("few.npy", blobs[1::3])
    run("cluster", "few.npy", "--model", "clusters.pt", "--output", "few_labels.npy")
    assert np.load("few_labels.npy").tolist() == [labels[1]] * 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--n-clusters"),
        (["--model", "model.pt"], "--n-clusters"),
        (["--model", "clusters.pt", "--n-clusters", "3"], "and not both"),
        (["--model", "model.pt", "--n-clusters", "3", "--device", "cuda"], "--device"),
        (["--model", "model.pt", "--n-clusters", "3", "--n-workers", "1"], "--model"),
        (["--model", "model.pt", "--n-clusters", "3", "--graph", "whole"], "--graph"),
    ],
)
def test_wrong_usage(
    run: Run, model: Path, points: Path, arguments: list[str], message: str
) -> None:
    given = ["--model", model, "--n-clusters", 3, "--output", "labels.npy"]
    assert run("cluster", points, *given, "--save-model", "clusters.pt").exit_code == 0
    before = sorted(os.listdir())
    result = run("cluster", points, "--output", "new.npy", *arguments)
    assert result.exit_code == 2 and message in result.stderr
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["points.npy", "--n-clusters", "0"], "n_clusters=0 cannot be used"),
        (["points.npy", "--n-clusters", "999", "--model", "model.pt"], "999"),
        (["points.npy", "--n-clusters", "3", "--device", "x"], "device='x' cannot be"),
        (["points.npy", "--model", "points.npy"], "has the suffix '.npy': use .pt"),
        (["wide.npy", "--n-clusters", "3", "--model", "model.pt"], "has 4 features"),
        (["none.npy", "--n-clusters", "3"], "'none.npy' is no file"),
        (["points.npy", "--n-clusters", "3", "--save-model", "a.npy"], "--save-model="),
        (["points.npy", "--n-clusters", "3", "--save-model", "model.pt"], "--force"),
    ],
)
def test_bad_inputs(
    run: Run, model: Path, points: Path, arguments: list[str], message: str
) -> None:
    np.save("wide.npy", np.zeros((5, 4)))
    before = sorted(os.listdir())
    result = run("cluster", *arguments, "--output", "labels.npy")
    assert result.exit_code == 1 and message in result.stderr
    assert sorted(os.listdir()) == before


@pytest.mark.usefixtures("small_defaults")
def test_both_files_or_none(
    run: Run, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device", "clusters.pt")

    monkeypatch.setattr("pyg_basis.cli._model_file.write_file", full_disk)
    files = ["--output", "labels.npy", "--save-model", "clusters.pt"]
    result = run("cluster", points, "--n-clusters", 3, *files)
    assert result.exit_code == 1
    assert result.stderr.endswith("error: 'clusters.pt': No space left on device\n")
    assert os.listdir() == ["points.npy"]
