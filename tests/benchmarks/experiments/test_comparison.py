import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.data.point_sets import SIAMESE
from benchmarks.experiments import comparison, comparison_tables
from benchmarks.lib.evaluation import MEASURES
from benchmarks.lib.methods import METHODS, parameters_of
from benchmarks.lib.record import read_results
from benchmarks.lib.run_file import was_made_with
from benchmarks.registry import EXPERIMENTS, RESULTS


@pytest.fixture
def smoke(data_root: Path, tmp_path: Path) -> list[str]:
    where = ["--data-root", str(data_root), "--cache-dir", str(tmp_path / "cache")]
    where += ["--output", str(tmp_path / "output"), "--seeds", "2"]
    return ["--sets", "mnist", "--quick", *where]


def runs_of(tmp_path: Path) -> list[dict[str, Any]]:
    record = json.loads((tmp_path / "output/comparison_mnist.json").read_text())
    assert str(tmp_path) not in json.dumps(record)
    runs: list[dict[str, Any]] = record["results"]["runs"]
    return runs


def test_a_quick_run(smoke: list[str], tmp_path: Path) -> None:
    methods = ["basis", "basis_paper", "kernels", "nystroem", "spectralnet", "exact"]
    EXPERIMENTS["comparison"].run([*smoke, "--methods", *methods, "--processes", "2"])
    runs = runs_of(tmp_path)
    assert {run["method"] for run in runs} == set(methods)
    for run in runs:
        if run["num_more"]:
            # Five columns more; no distance, as the numbers differ.
            assert 0.5 < run["captured"] <= 1 and "grassmann_distance" not in run
        else:
            assert 0 <= run["grassmann_distance"] <= 10
            assert run["linear_accuracy"] > 0.5
        if run["method"] != "exact":
            assert run["fit_seconds"] > 0 and run["bytes"] > 0
            assert len(run["angles"]) == 10
            # A row is the same without its companions.
            assert run["inconsistency"] < 1e-4
        # What tables show has all seeds, and the second one a distance to the first.
        if run["method"] == "basis" and run["seed"] == 1:
            assert run["spread"] > 0
    output = tmp_path / "output"
    for picture in ("comparison.png", "embedding_mnist.png"):
        assert (output / picture).stat().st_size > 10_000
    table = (output / "comparison_mnist.md").read_text()
    assert "BASiS, as published" in table and "Nyström, all points" in table
    # What is there is not done again.
    before = (output / "comparison_mnist.json").read_text()
    EXPERIMENTS["comparison"].run([*smoke, "--methods", *methods, "--processes", "2"])
    assert (output / "comparison_mnist.json").read_text() == before


def test_a_broken_run_goes_on_where_it_stopped(
    smoke: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoke += ["--methods", "nystroem", "exact", "--processes", "1"]
    done = []
    run_one = comparison.run_one

    def broken(task: comparison.Task, *rest: Any) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(task.key)
        return run_one(task, *rest)

    monkeypatch.setattr(comparison, "run_one", broken)
    with pytest.raises(KeyboardInterrupt):
        EXPERIMENTS["comparison"].run(smoke)
    # One seed of all that tables show comes first.
    assert done == [("nystroem", 0, 0, 0), ("exact", 0, 0, 0), ("nystroem", 0, 5, 0)]
    done.clear()
    monkeypatch.setattr(
        comparison, "run_one", lambda t, *rest: done.append(t.key) or run_one(t, *rest)
    )
    EXPERIMENTS["comparison"].run(smoke)
    assert done == [("nystroem", 0, 0, 1), ("exact", 0, 0, 1), ("nystroem", 500, 0, 0)]


def test_features_that_were_made_again_are_measured_again(
    smoke: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"grassmann_distance": 0.5, "fit_seconds": 1.0, "angles": [1.0]}
    done = []
    monkeypatch.setattr(
        comparison, "run_one", lambda task, *_: done.append(task.key) or scores
    )
    smoke += ["--methods", "nystroem", "--processes", "1"]
    EXPERIMENTS["comparison"].run(smoke)
    done.clear()
    path = tmp_path / "output/comparison_mnist.json"
    record = json.loads(path.read_text())
    record["results"]["runs"][0]["parameters"]["feature_values"] = "others"
    path.write_text(json.dumps(record))
    EXPERIMENTS["comparison"].run(smoke)
    assert len(done) == 1


def test_rows_of_the_normalized_laplacian_become_those_of_the_random_walk() -> None:
    class Walk:
        def get_params(self, deep: bool) -> dict[str, str]:
            return {"laplacian": "rw"}

    class Normalized(Walk):
        def get_params(self, deep: bool) -> dict[str, str]:
            return {}

    points: Any = type("Points", (), {"laplacian": "rw", "degree": torch.tensor([4.0])})
    rows = torch.ones(1, 2)
    assert comparison.as_learned(rows, Walk(), points).tolist() == [[1, 1]]
    assert comparison.as_learned(rows, Normalized(), points).tolist() == [[0.5, 0.5]]


def test_every_image_set_has_published_figures() -> None:
    assert set(comparison_tables.PAPER) == set(SIAMESE)
    for figures in comparison_tables.PAPER.values():
        assert len(figures) == len(MEASURES)


def test_rivals_that_are_closer_or_as_close_are_named() -> None:
    def runs(seconds: float, *distances: float) -> list[dict[str, Any]]:
        return [
            {"grassmann_distance": d, "fit_seconds": seconds, "nmi": 1 - d}
            for d in distances
        ]

    rows = {
        "BASiS": runs(10, 0.20, 0.24),
        "closer": runs(40, 0.10, 0.11),
        "as close and quick": runs(1, 0.21, 0.21),
        "as close and slow": runs(30, 0.21, 0.21),
        "worse": runs(1, 0.40, 0.42),
    }
    found = comparison_tables.where_rivals_win(rows)
    assert found["closer"] == "closer (0.1050, 40 s)"
    assert found["quicker"] == "as close and quick (0.2100, 1 s)"
    assert found["clusters"] == "closer (0.895)"


def test_runs_on_features_that_were_trained_apart_do_not_compare() -> None:
    runs = [{"parameters": {"feature_values": value}} for value in "ab"]
    with pytest.raises(SystemExit, match="trained apart"):
        comparison_tables.by_title(runs)


@pytest.mark.parametrize(
    "name", [path.stem for path in (RESULTS / "comparison").glob("*.json")]
)
def test_committed_runs_are_not_done_again(name: str) -> None:
    for run in read_results(RESULTS / "comparison", name)["runs"]:
        if run["method"] == "exact":
            continue
        recorded = run["parameters"]
        features = {key: recorded[key] for key in ("features", "feature_values")}
        estimator = METHODS[run["method"]].at(
            run["value"],
            run["seed"],
            recorded.get("learning_rate"),
            n_components=recorded["n_components"],
            laplacian=recorded.get("laplacian", "sym"),
            anchor_method=recorded.get("anchor_method"),
        )
        assert was_made_with(run, parameters_of(estimator, features)), run["method"]
