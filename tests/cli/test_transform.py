import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pyg_basis import BASiS
from pyg_basis.cli._blocks import BLOCK_ROWS
from pyg_basis.cli._points import read_points

from .conftest import Run


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet"])
def test_as_the_estimator(
    run: Run, model: Path, points: Path, fitted: BASiS, suffix: str, blobs: np.ndarray
) -> None:
    output = f"embedding{suffix}"
    result = run("transform", model, points, "--output", output)
    assert result.exit_code == 0, result.output
    assert result.stdout == "" and "300/300" in result.stderr
    written = read_points(Path(output))
    assert np.array_equal(written.rows.astype(np.float32), fitted.transform(blobs))
    if suffix in (".csv", ".parquet"):
        assert written.names == ["basis0", "basis1", "basis2"]


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        *((".npy", dtype) for dtype in (np.float32, np.float64, np.float16, ">f4")),
        *((".npz", dtype) for dtype in (np.float32, np.int32)),
        *((".pt", dtype) for dtype in (np.float32, np.int32)),
    ],
)
def test_exact_in_blocks(
    run: Run, model: Path, fitted: BASiS, suffix: str, dtype: Any
) -> None:
    noise = np.random.default_rng(1).normal(size=(BLOCK_ROWS + 5, 3))
    rows = (4 * noise).astype(dtype)
    path, given = Path(f"points{suffix}"), None
    if suffix == ".npy":
        np.save(path, rows)
        given = np.load(path, mmap_mode="r")
    elif suffix == ".npz":
        np.savez(path, rows)
        given = rows
    else:
        given = torch.from_numpy(rows)
        torch.save(given, path)
    result = run("transform", model, path, "-o", "embedding.npy", "--quiet")
    assert result.exit_code == 0 and result.output == ""
    expected = np.asarray(fitted.transform(given))
    written = np.load("embedding.npy")
    assert written.dtype == expected.dtype and np.array_equal(written, expected)


def test_memory_is_bounded(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("points.npy", np.zeros((3 * BLOCK_ROWS + 1, 3), np.float32))
    seen: list[Any] = []
    transform = BASiS.transform

    def spy(self: BASiS, X: Any) -> Any:
        seen.append((type(X), len(X)))
        return transform(self, X)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was read whole")

    monkeypatch.setattr(BASiS, "transform", spy)
    for name in ("load", "concatenate", "fromfile"):
        monkeypatch.setattr(np, name, refuse)
    assert run("transform", model, "points.npy", "-o", "new.npy").exit_code == 0
    assert seen == [(np.memmap, BLOCK_ROWS)] * 3 + [(np.memmap, 1)]


def test_columns_are_matched_by_name(
    run: Run, model: Path, fitted: BASiS, table: pd.DataFrame, blobs: np.ndarray
) -> None:
    named = BASiS.load(model)
    named.feature_names_in_ = np.array(["x", "y", "z"], dtype=object)
    named.save("named.pt")
    table.assign(number=1)[["z", "kind", "number", "x", "y"]].to_csv("t.csv")
    assert run("transform", "named.pt", "t.csv", "-o", "new.csv").exit_code == 0
    written = read_points(Path("new.csv")).rows
    assert np.array_equal(written, fitted.transform(blobs.astype(np.float64)))
    # By themselves these are other points, without a warning that they have no names.
    result = run("transform", "named.pt", "t.csv", "-o", "2.csv", "--columns", "z,x,y")
    assert result.exit_code == 0 and "warning" not in result.stderr
    assert not np.array_equal(read_points(Path("2.csv")).rows, written)


BAD_INPUTS = {
    "missing points": (["model.pt", "none.npy"], "'none.npy' is no file: check the"),
    "missing model": (["none.pt", "points.npy"], "'none.pt' is no file: check the"),
    "NaN": (["model.pt", "nan.npy"], "'nan.npy', row 8200, column 1, both counted"),
    "wrong width": (["model.pt", "wide.npy"], "has 4 features, but the model was"),
    "text column": (["model.pt", "text.csv"], "'text.csv', line 2, column 4 ('kind')"),
    "unknown points": (["model.pt", "points.txt"], "has the suffix '.txt': use .npy"),
    "vector": (["model.pt", "vector.npy"], "must be a matrix [points, features]"),
    "several arrays": (["model.pt", "two.npz"], "choose one of first, second"),
    "damaged model": (["bad.pt", "points.npy"], "no readable checkpoint"),
    "damaged points": (["model.pt", "bad.npy"], "'bad.npy' cannot be mapped"),
    "a model as points": (["model.pt", "model.pt"], "must be a matrix"),
    "points as a model": (["points.npy", "points.npy"], "has the suffix '.npy': use"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_inputs(
    run: Run, model: Path, points: Path, table: pd.DataFrame, name: str
) -> None:
    for path in ("points.txt", "bad.pt", "bad.npy"):
        Path(path).write_bytes(b"garbage")
    rows = np.zeros((8300, 3))
    rows[8200, 1] = np.nan
    np.save("nan.npy", rows)
    np.save("wide.npy", np.zeros((5, 4)))
    np.save("vector.npy", np.zeros(3))
    np.savez("two.npz", first=rows, second=rows)
    table.to_csv("text.csv", index=False)
    before = sorted(os.listdir())
    arguments, message = BAD_INPUTS[name]
    result = run("transform", *arguments, "--output", "new.npy", "--quiet")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("pyg-basis: error: ")
    assert message in result.stderr and len(result.stderr.splitlines()) <= 2
    assert "Traceback" not in result.output
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("new.txt", "--output='new.txt' has the suffix '.txt': use .npy or .npz or"),
        ("none/new.npy", "is in a folder that does not exist: make 'none' first"),
        ("points.npy", "--output='points.npy' exists: choose another name, or"),
    ],
)
def test_outputs_are_checked_first(run: Run, output: str, message: str) -> None:
    # Neither model nor points are there: the output is told of first.
    Path("points.npy").write_text("before")
    result = run("transform", "none.pt", "none.npy", "--output", output)
    assert result.exit_code == 1 and message in result.stderr
    assert os.listdir() == ["points.npy"]
    assert Path("points.npy").read_text() == "before"


def test_force(run: Run, model: Path, points: Path, fitted: BASiS) -> None:
    rows = np.load(points)
    result = run("transform", model, points, "--output", points, "--force")
    assert result.exit_code == 0, result.output
    assert np.array_equal(np.load(points), fitted.transform(rows))


def test_a_failure_on_the_way_loses_no_earlier_file(
    run: Run, model: Path, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("long.npy", np.zeros((2 * BLOCK_ROWS, 3), np.float32))
    Path("new.csv").write_text("before")
    transform, calls = BASiS.transform, []

    def fails(self: BASiS, X: Any) -> Any:
        calls.append(len(X))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return transform(self, X)

    monkeypatch.setattr(BASiS, "transform", fails)
    before = sorted(os.listdir())
    result = run("transform", model, "long.npy", "--output", "new.csv", "--force")
    assert result.exit_code == 130 and len(calls) == 2
    assert result.stderr.endswith("pyg-basis: interrupted\n")
    assert sorted(os.listdir()) == before
    assert Path("new.csv").read_text() == "before"


def test_traceback(run: Run, model: Path) -> None:
    arguments = ["transform", model, "none.npy", "--output", "new.npy"]
    quiet, loud = run(*arguments), run(*arguments, "--traceback")
    assert isinstance(quiet.exception, SystemExit)
    assert isinstance(loud.exception, FileNotFoundError)
    assert loud.exit_code == 1
