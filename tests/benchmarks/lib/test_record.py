import json
import math
import os
import re

import numpy as np
import pytest
import torch

import pyg_basis
from benchmarks.lib import files
from benchmarks.lib.record import (
    ROOT,
    command_line,
    commit_of,
    is_older,
    read_record,
    write_record,
)


def test_what_is_written_is_read_back(tmp_path, monkeypatch):
    command = ["/somewhere/benchmarks/run_all.py", "--seeds", "3"]
    monkeypatch.setattr("sys.argv", command)
    path = tmp_path / "deep" / "mnist.json"
    record = write_record(
        path,
        {"batch_size": 512, "data_root": tmp_path},
        {"nmi": [np.float32(1 / 3), 2 / 3], "d_G": torch.tensor([0.1, 1e-9 / 3])},
        range(3),
    )
    assert read_record(path) == record
    assert record["command"] == "python benchmarks/run_all.py --seeds 3"
    commit = commit_of(ROOT)
    assert re.fullmatch(r"[0-9a-f]{7,}(-dirty)?", commit)
    assert record["commit"] == commit
    assert record["seeds"] == [0, 1, 2]
    assert record["threads"] == torch.get_num_threads()
    assert record["settings"] == {"batch_size": 512, "data_root": "DIR"}
    assert record["results"] == {"nmi": [0.333333, 0.666667], "d_G": [0.1, 3.33333e-10]}
    assert {"cores", "cpu", "memory", "platform"} <= set(record["machine"])
    assert record["versions"]["pyg_basis"] == pyg_basis.__version__
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    assert os.listdir(path.parent) == ["mnist.json"]


def test_a_failed_write_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "toys.json"
    write_record(path, {}, {"nmi": 1.0}, [0])
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_record(path, {}, {"nmi": 0.0}, [0])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["toys.json"]


def test_numbers_that_json_lacks_become_null_with_a_warning(tmp_path):
    path = tmp_path / "a.json"
    with pytest.warns(UserWarning, match=r"results\.nmi\[1\] is nan"):
        write_record(path, {}, {"nmi": [1.0, math.nan]}, [0])
    assert json.loads(path.read_text())["results"] == {"nmi": [1.0, None]}


def test_other_types_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"settings\.network"):
        write_record(tmp_path / "a.json", {"network": torch.nn.ReLU()}, {}, [0])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("--data-root images", "--data-root DIR"),
        ("--data-root=images", "--data-root=DIR"),
        ("--out a b --seeds 3", "--out DIR DIR --seeds 3"),
        ("--weights=~/w.pt", "--weights=DIR"),
        ("../elsewhere .", "DIR DIR"),
        ("--data-root --seeds 3 -k 50", "--data-root --seeds 3 -k 50"),
        ("--dtype=float64 --dropout a", "--dtype=float64 --dropout a"),
    ],
)
def test_paths_among_the_arguments_are_hidden(arguments, command):
    expected = f"python -m benchmarks run toys {command}"
    typed = ["x/__main__.py", "run", "toys", *arguments.split()]
    assert command_line(typed) == expected


def test_records_of_older_code_are_found(tmp_path):
    path, head = tmp_path / "record.json", commit_of(ROOT)
    head = head.removesuffix("-dirty")
    for commits, old in (
        ([head], False),
        ([head, f"{head}-dirty"], True),  # not committed
        ([head, "0" * 40], True),  # not there
        ([None], True),
    ):
        runs = [{"commit": commit} if commit else {} for commit in commits]
        path.write_text(json.dumps({"results": {"runs": runs}}))
        assert is_older(path, head) == old
    # Without runs of its own, the record's commit counts.
    path.write_text(json.dumps({"commit": head, "results": [1, 2]}))
    assert not is_older(path, head)
