import importlib.util
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import pyg_basis


def load_benchmark(name):
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results = load_benchmark("results")


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "deep" / "mnist.json"
    record = results.write_results(
        path,
        {"batch_size": 512, "data_root": tmp_path},
        {"nmi": [np.float32(1 / 3), 2 / 3], "d_G": torch.tensor([0.1, 1e-9 / 3])},
        range(3),
        ["/somewhere/benchmarks/run_all.py", "--seeds", "3"],
    )
    assert results.read_results(path) == record
    assert set(record) == {
        *("command", "date", "machine", "versions"),
        *("threads", "seeds", "settings", "results"),
    }
    assert record["command"] == "python benchmarks/run_all.py --seeds 3"
    assert record["seeds"] == [0, 1, 2]
    assert record["threads"] == torch.get_num_threads()
    assert record["settings"] == {"batch_size": 512, "data_root": "DIR"}
    assert record["results"] == {"nmi": [0.333333, 0.666667], "d_G": [0.1, 3.33333e-10]}
    assert {"cores", "cpu", "memory", "platform"} <= set(record["machine"])
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"]["pyg_basis"] == pyg_basis.__version__
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    assert os.listdir(path.parent) == ["mnist.json"]


def test_a_failed_write_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "toys.json"
    results.write_results(path, {}, {"nmi": 1.0}, [0])
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(results.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        results.write_results(path, {}, {"nmi": 0.0}, [0])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["toys.json"]


def test_numbers_that_json_lacks_become_null_with_a_warning(tmp_path):
    path = tmp_path / "a.json"
    with pytest.warns(UserWarning, match=r"results\.nmi\[1\] is nan"):
        results.write_results(path, {}, {"nmi": [1.0, math.nan]}, [0])
    assert json.loads(path.read_text())["results"] == {"nmi": [1.0, None]}


def test_other_types_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"settings\.network"):
        results.write_results(
            tmp_path / "a.json", {"network": torch.nn.ReLU()}, {}, [0]
        )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("--data-root images", "--data-root DIR"),
        ("--data-root=images", "--data-root=DIR"),
        ("--out a b --seeds 3", "--out DIR DIR --seeds 3"),
        ("--weights /home/me/w.pt", "--weights DIR"),
        ("--weights=~/w.pt", "--weights=DIR"),
        ("../elsewhere .", "DIR DIR"),
        (r"C:\data", "DIR"),
        (
            "--datasets mnist svhn --quick --lr 1e-3",
            "--datasets mnist svhn --quick --lr 1e-3",
        ),
        ("--data-root --seeds 3 -k 50", "--data-root --seeds 3 -k 50"),
        ("--dtype=float64 --dropout a", "--dtype=float64 --dropout a"),
    ],
)
def test_paths_among_the_arguments_are_hidden(arguments, command):
    expected = f"python benchmarks/run_all.py {command}"
    assert results.command_line(["x/run_all.py", *arguments.split()]) == expected


def test_mean_and_standard_deviation():
    assert results.mean_std([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert results.mean_std(np.array([0.5])) == (0.5, 0.0)
    assert results.format_mean_std([0.97, 0.98]) == "0.975 ± 0.007"
    assert results.format_mean_std([0.97]) == "0.970"
    assert results.format_mean_std([0.97, 0.99], digits=1, scale=100) == "98.0 ± 1.4"
    with pytest.raises(ValueError, match="at least one run"):
        results.mean_std([])


def test_markdown_table():
    rows = [
        {"method": "BASiS", "nmi": "0.97 ± 0.01", "seconds": 1.23456, "seed": 0},
        {"method": "a|b", "nmi": None, "seconds": 100},
    ]
    columns = {"method": "Method", "nmi": "NMI", "seconds": "s"}
    assert results.markdown_table(rows, columns) == (
        "| Method |         NMI |     s |\n"
        "| ------ | ----------: | ----: |\n"
        "| BASiS  | 0.97 ± 0.01 | 1.235 |\n"
        "| a\\|b   |           – |   100 |\n"
    )
    assert results.markdown_table([], ["nmi"]) == "| nmi |\n| --- |\n"
