import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch

from pyg_basis import BASiS
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS

from .conftest import Run


def read(path: str) -> np.ndarray:
    """The rows of a file that the command wrote."""
    if path.endswith(".npz"):
        return np.load(path)["embedding"]
    if path.endswith(".npy"):
        return np.load(path)
    separators = {"csv": ",", "tsv": "\t"}
    separator = separators.get(path[-3:])
    if separator:
        with open(path) as file:
            names = file.readline().strip().split(separator)
            assert names == ["basis0", "basis1", "basis2"]
            return np.loadtxt(file, delimiter=separator)
    table = pd.read_parquet(path)
    assert list(table) == ["basis0", "basis1", "basis2"]
    return table.to_numpy()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<i4"])
def test_kinds_of_files(
    run: Run, model: Path, fitted: BASiS, suffix: str, dtype: str
) -> None:
    noise = np.random.default_rng(1).normal(size=(BLOCK_ROWS + 5, 3))
    np.save("points.npy", (4 * noise).astype(dtype))
    result = run("transform", model, "points.npy", "--output", f"new{suffix}")
    assert result.status == 0 and result.out == "" and "2/2" in result.err
    expected = fitted.transform(np.load("points.npy", mmap_mode="r"))
    written = read(f"new{suffix}")
    # Text has double precision only.
    assert written.dtype == (
        np.float64 if suffix in (".csv", ".tsv") else expected.dtype
    )
    assert np.array_equal(written.astype(expected.dtype), expected)


def test_half_precision_of_torch(
    run: Run, model: Path, fitted: BASiS, blobs: np.ndarray
) -> None:
    rows = torch.from_numpy(blobs).bfloat16()
    torch.save(rows, "points.pt")
    assert run("transform", model, "points.pt", "-o", "new.npy").status == 0
    assert np.array_equal(np.load("new.npy"), fitted.transform(rows).numpy())


def test_memory_is_bounded(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("points.npy", np.zeros((3 * BLOCK_ROWS + 1, 3), np.float32))
    transform = BASiS.transform
    spy = Mock(side_effect=lambda block: transform(BASiS.load(model), block))
    monkeypatch.setattr(BASiS, "transform", spy)
    for name in ("load", "concatenate", "fromfile"):
        monkeypatch.setattr(np, name, None)
    result = run("transform", model, "points.npy", "-o", "new.npy")
    assert result.status == 0, result.err
    blocks = [call.args[0] for call in spy.call_args_list]
    assert [len(block) for block in blocks] == [BLOCK_ROWS] * 3 + [1]
    assert all(isinstance(block, np.memmap) for block in blocks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.pt points.npy", "'none.pt' is no file: check the path"),
        ("bad.pt points.npy", "no readable checkpoint"),
        ("points.npy points.npy", "'points.npy' has the suffix '.npy': use .pt"),
        ("model.pt model.pt", "must be a matrix"),
        ("model.pt wide.npy", "X has 4 features, but BASiS is expecting 3 features"),
        ("model.pt nan.npy", "'nan.npy', row 8200, column 1, both counted from 0, is"),
    ],
)
def test_bad_inputs(
    run: Run, model: Path, points: Path, arguments: str, message: str
) -> None:
    Path("bad.pt").write_bytes(b"garbage")
    rows = np.zeros((8300, 3))
    rows[8200, 1] = np.nan
    np.save("nan.npy", rows)
    np.save("wide.npy", np.zeros((5, 4)))
    before = sorted(os.listdir())
    result = run("transform", *arguments.split(), "--output", "new.npy", "--quiet")
    assert result.status == 1 and message in result.err and result.err.count("\n") == 1
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("new.txt", "'new.txt' has the suffix '.txt': use .npy or .npz or .csv or"),
        ("none/new.npy", "'none/new.npy': make the folder 'none' first"),
        ("points.npy", "'points.npy' exists: choose another name, or replace a file"),
    ],
)
def test_outputs_are_checked_first(run: Run, output: str, message: str) -> None:
    # Neither model nor points are there: the output is reported first.
    Path("points.npy").write_text("before")
    result = run("transform", "none.pt", "none.npy", "--output", output)
    assert result.status == 1 and message in result.err
    assert os.listdir() == ["points.npy"]
    assert Path("points.npy").read_text() == "before"


def test_a_folder_that_cannot_be_written_to(
    run: Run, model: Path, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    result = run("transform", model, points, "--output", "new.npy")
    assert result.status == 1 and "choose a folder that you may write to" in result.err


def test_a_failure_loses_no_earlier_file(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("long.npy", np.zeros((2 * BLOCK_ROWS, 3), np.float32))
    Path("new.npy").write_text("before")
    transform, calls = BASiS.transform, []

    def fails(self: BASiS, X: Any) -> Any:
        calls.append(len(X))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return transform(self, X)

    before = sorted(os.listdir())
    options = ["transform", model, "long.npy", "--output", "new.npy", "--force"]
    monkeypatch.setattr(BASiS, "transform", fails)
    result = run(*options)
    assert result.status == 130 and "\rpyg-basis: interrupted\n" in result.err
    assert sorted(os.listdir()) == before
    assert Path("new.npy").read_text() == "before"
    monkeypatch.setattr(BASiS, "transform", transform)
    assert run(*options).status == 0
    assert len(np.load("new.npy")) == 2 * BLOCK_ROWS
