import argparse
import json

import numpy as np
import pytest
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from benchmarks.experiments import doors
from benchmarks.experiments.doors import Case, Door
from pyg_basis.datasets import circle
from pyg_basis.graph import knn_graph


@pytest.mark.slow
def test_a_quick_run_of_the_sets_that_are_there(quick, data_root, capsys) -> None:
    sets = quick("doors", "--data-root", data_root)["results"]["sets"]
    assert [run["set"] for run in sets] == ["pixels", "text"]
    for run in sets:
        assert all(len(door["fit_seconds"]) == 1 for door in run["doors"])
        assert all(door["difference"] == 0 for door in run["doors"])
    printed = capsys.readouterr().out
    assert "words is left out" in printed and "graph is left out" in printed


def test_rows_that_differ_are_reported() -> None:
    x = circle(400).numpy()
    case = Case({"array": Door(x), "stretched": Door(x * [1, 3])}, doors.SMOKE)
    plain, stretched = doors.measured(case, 1)["doors"]
    assert plain["difference"] == 0
    assert stretched["difference"] > 0.1


def test_synthetic_texts() -> None:
    x = doors.tf_idf(1000, seed=0)
    assert x.shape == (1000, doors.NUM_WORDS)
    assert 20 < x.nnz / 1000 < doors.WORDS_PER_TEXT
    # Texts of one topic share words.
    cosine = doors.normalize(x) @ doors.normalize(x).T
    same = np.equal.outer(np.arange(1000) % 10, np.arange(1000) % 10)
    mean = cosine.toarray()[same].mean(), cosine.toarray()[~same].mean()
    assert mean[0] > 2 * mean[1]


def test_a_graph_comes_in_by_both_doors(monkeypatch, tmp_path) -> None:
    x = circle(600)
    data = Data(x, knn_graph(x, 6).edge_index)
    data.edge_index = to_undirected(data.edge_index)
    monkeypatch.setattr(doors, "load_graph", lambda *where: data)
    options = argparse.Namespace(data_root=tmp_path, cache_dir=None, quick=True)
    case = doors.graph(options)
    assert len(case.doors) == 2
    case = Case(case.doors, {**case.settings, **doors.SMOKE})
    assert doors.measured(case, 1)["doors"][1]["difference"] < 1e-6


def test_cost_is_that_of_medians(tmp_path) -> None:
    run = {
        "set": "pixels",
        "num_points": 60_000,
        "doors": [
            {"door": "array", "fit_seconds": [10, 20, 30], "difference": 0},
            {"door": "CSR", "fit_seconds": [11, 21, 27], "difference": 1e-7},
        ],
    }
    record = {"results": {"sets": [run]}}
    (tmp_path / "doors.json").write_text(json.dumps(record))
    table = doors.tables(tmp_path)["doors"]
    assert "1.050 | 0.900 to 1.100 |        1.0e-07" in table


def test_words_need_a_file(tmp_path) -> None:
    options = argparse.Namespace(words_path=None, data_root=None, cache_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="--data-root"):
        doors.words(options)
