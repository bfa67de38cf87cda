import json

import pytest

from benchmarks.data import siamese
from benchmarks.experiments import table1
from benchmarks.lib.evaluation import MEASURES
from benchmarks.lib.methods import METHODS, parameters_of
from benchmarks.lib.record import read_results
from benchmarks.lib.run_file import was_made_with
from benchmarks.registry import EXPERIMENTS, RESULTS


@pytest.fixture
def smoke(data_root, tmp_path):
    where = ["--data-root", str(data_root), "--cache-dir", str(tmp_path / "cache")]
    where += ["--output", str(tmp_path / "output")]
    return ["--datasets", "mnist", "--quick", *where]


def runs_of(tmp_path):
    return json.loads((tmp_path / "output/table1_mnist.json").read_text())


def test_a_quick_run_of_every_method(smoke, tmp_path):
    EXPERIMENTS["table1"].run([*smoke, "--seeds", "1", "--processes", "2"])
    record = runs_of(tmp_path)
    runs = record["results"]["runs"]
    assert [run["method"] for run in runs] == sorted([*METHODS, "exact"])
    for run in runs:
        assert run["seed"] == 0
        assert 0 <= run["grassmann_distance"] <= 10
        assert 0 <= run["nmi"] <= 1
        assert run["linear_accuracy"] > 0.5
    iterations = {run["method"]: run.get("iterations") for run in runs}
    # BASiS ends where more batches have nothing to gain.
    assert iterations["basis"] in (10, 20) and iterations["spectralnet"] == 20
    distances = {run["method"]: run["grassmann_distance"] for run in runs}
    assert distances["exact"] == 0 < distances["basis"]
    assert str(tmp_path) not in json.dumps(record)
    assert (tmp_path / "output/table1_mnist.png").stat().st_size > 10_000


def test_a_broken_run_goes_on_where_it_stopped(smoke, tmp_path, monkeypatch):
    smoke += ["--methods", "nystroem", "exact", "--processes", "1"]
    done = []
    run_one = table1.run_one

    def broken(name, method, seed, *rest):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append((method, seed))
        return run_one(name, method, seed, *rest)

    monkeypatch.setattr(table1, "run_one", broken)
    with pytest.raises(KeyboardInterrupt):
        EXPERIMENTS["table1"].run([*smoke, "--seeds", "2"])
    # A whole table of one seed comes first.
    assert done == [("nystroem", 0), ("exact", 0), ("nystroem", 1)]
    before = runs_of(tmp_path)["results"]["runs"]

    done.clear()
    monkeypatch.setattr(
        table1, "run_one", lambda *task: done.append(task[1:3]) or run_one(*task)
    )
    EXPERIMENTS["table1"].run([*smoke, "--seeds", "2"])
    assert done == [("exact", 1)]
    runs = runs_of(tmp_path)["results"]["runs"]
    assert [run for run in runs if (run["method"], run["seed"]) != ("exact", 1)] == (
        before
    )
    assert runs_of(tmp_path)["seeds"] == [0, 1]


def test_what_was_made_with_other_parameters_is_done_again(
    smoke, tmp_path, monkeypatch
):
    scores = dict.fromkeys(MEASURES, 0.5)
    monkeypatch.setattr(table1, "run_one", lambda *task: scores)
    smoke += ["--methods", "nystroem", "exact", "--seeds", "1", "--processes", "1"]
    EXPERIMENTS["table1"].run(smoke)
    path = tmp_path / "output/table1_mnist.json"
    record = json.loads(path.read_text())
    exact, nystroem = record["results"]["runs"]
    nystroem["parameters"]["n_neighbors"] = 999
    exact["nmi"] = 0.25
    path.write_text(json.dumps(record))
    EXPERIMENTS["table1"].run(smoke)
    runs = {run["method"]: run for run in runs_of(tmp_path)["results"]["runs"]}
    assert runs["nystroem"]["parameters"]["n_neighbors"] == 50
    assert runs["exact"]["nmi"] == 0.25
    assert len(runs) == 2
    # Of features that are made in another way nothing that is there tells anything.
    monkeypatch.setattr(siamese, "VERSION", siamese.VERSION + 1)
    table1.load_features.cache_clear()  # as in a new process
    EXPERIMENTS["table1"].run(smoke)
    again = {run["method"]: run for run in runs_of(tmp_path)["results"]["runs"]}
    assert again["exact"]["nmi"] == 0.5
    checksums = [
        run["parameters"]["features"] for run in (*runs.values(), *again.values())
    ]
    assert checksums[0] == checksums[1] != checksums[2] == checksums[3]


def test_a_search_must_be_finished(data_root, tmp_path):
    arguments = ["--datasets", "mnist", "--methods", "basis", "--seeds", "1"]
    arguments += ["--rates", str(tmp_path / "none.json"), "--output", str(tmp_path)]
    arguments += ["--data-root", str(data_root), "--cache-dir", str(tmp_path)]
    with pytest.raises(SystemExit, match=r"learning_rates --datasets mnist"):
        EXPERIMENTS["table1"].run(arguments)


def test_unknown_dataset_is_named(capsys):
    with pytest.raises(SystemExit):
        EXPERIMENTS["table1"].run(["--datasets", "imagenet"])
    assert "imagenet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", [path.stem for path in (RESULTS / "table1").glob("*.json")]
)
def test_committed_runs_are_not_done_again(name):
    for run in read_results(RESULTS / "table1", name)["runs"]:
        recorded = run["parameters"]
        features = {key: recorded[key] for key in ("features", "feature_values")}
        rate = recorded.get("learning_rate")
        estimator = table1.estimator_of(run["method"], run["seed"], rate, quick=False)
        assert was_made_with(run, parameters_of(estimator, features)), run["method"]
