"""Kinds of files, columns and labels, by the commands that read them."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from pyg_basis import BASiS

from .conftest import Run


def write(path: str, rows: np.ndarray) -> None:
    frame = pd.DataFrame(rows, columns=["x", "y", "z"])
    {
        ".npy": lambda: np.save(path, rows),
        ".npz": lambda: np.savez(path, rows=rows, other=rows[:10]),
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".pt": lambda: torch.save(torch.from_numpy(rows), path),
        ".data.pt": lambda: torch.save(Data(x=torch.from_numpy(rows)), path),
    }["." + path.partition(".")[2]]()


@pytest.mark.parametrize(
    "suffix", [".npy", ".npz", ".csv", ".parquet", ".pt", ".data.pt"]
)
def test_kinds_of_files(run: Run, blobs: np.ndarray, suffix: str) -> None:
    write(f"points{suffix}", blobs)
    key = ["--key", "rows"] if suffix == ".npz" else []
    options = ["-o", "m.pt", "--n-components", 3, "--seed", 0, "--quiet", *key]
    assert run("fit", f"points{suffix}", *options) == (0, "", "")
    basis, expected = BASiS.load("m.pt"), BASiS(3, random_state=0).fit(blobs)
    # Tables have double precision, of which a sample is taken in single.
    assert np.array_equal(basis.transform(blobs), expected.transform(blobs))
    names = getattr(basis, "feature_names_in_", np.array([])).tolist()
    assert names == (["x", "y", "z"] if suffix in (".csv", ".parquet") else [])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns(run: Run, table: pd.DataFrame, blobs: np.ndarray, suffix: str) -> None:
    path = f"table{suffix}"
    shuffled = table.assign(more=1.0)[["z", "kind", "more", "x", "y"]]
    shuffled.to_csv(path) if suffix == ".csv" else shuffled.to_parquet(path)
    chosen = ["--columns", "x,y,z", "--n-components", 3, "--seed", 0]
    assert run("fit", path, "-o", "m.pt", *chosen).status == 0
    basis = BASiS.load("m.pt")
    assert basis.feature_names_in_.tolist() == ["x", "y", "z"]
    # By default the columns the model was fitted on, wherever they are.
    assert run("transform", "m.pt", path, "-o", "e.npy").status == 0
    embedding = basis.transform(table[["x", "y", "z"]])
    assert np.array_equal(np.load("e.npy"), embedding)
    # Others are taken as they are, without a warning.
    other = ["-o", "f.npy", "--columns", "z,x,y", "--quiet"]
    assert run("transform", "m.pt", path, *other) == (0, "", "")
    assert not np.array_equal(np.load("f.npy"), embedding)
    shuffled.drop(columns="y").to_csv("less.csv", index=False)
    result = run("transform", "m.pt", "less.csv", "-o", "g.npy")
    message = "'less.csv' has no column of numbers 'y', only z, more, x: choose with"
    assert result.status == 1 and message in result.err


def test_columns_that_are_no_features_by_themselves(
    run: Run, table: pd.DataFrame
) -> None:
    table.set_index("kind").to_parquet("index.parquet")
    table.to_parquet("text.parquet")
    for name in ("index", "text"):
        facts = json.loads(run("info", f"{name}.parquet", "--json").out)
        assert facts["columns"] == ["x", "y", "z"]
    table.to_csv("text.csv", index=False)
    table[["x", "y"]].to_csv("index.csv")
    for name, column in {"text": "kind", "index": "Unnamed: 0"}.items():
        result = run("info", f"{name}.csv")
        assert result.status == 1 and f"no column of numbers '{column}'" in result.err


def test_a_header_line_is_needed(run: Run) -> None:
    np.savetxt("points.csv", np.eye(3) + 0.5, delimiter=",")
    result = run("info", "points.csv")
    assert result.status == 1 and "add a header line" in result.err
    pd.DataFrame(np.eye(3)).to_csv("counted.csv", index=False)  # 0,1,2
    assert "shape: [3, 3]\n" in run("info", "counted.csv").out


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet", "column"])
def test_labels(run: Run, table: pd.DataFrame, suffix: str) -> None:
    labels = "kind" if suffix == "column" else f"kinds{suffix}"
    kinds = table["kind"].to_numpy(str)
    np.save("kinds.npy", kinds)
    np.savez("kinds.npz", kinds)
    table[["kind"]].to_csv("kinds.csv", index=False)
    table[["kind"]].to_parquet("kinds.parquet")
    table.to_parquet("table.parquet")
    options = ["--anchor-method", "per_class", "--labels", labels, "--seed", 0]
    result = run("fit", "table.parquet", "-o", "m.pt", *options)
    assert result.status == 0, result.err
    expected = BASiS(anchor_method="per_class", random_state=0)
    expected.fit(table[["x", "y", "z"]], kinds)
    anchors = BASiS.load("m.pt").layer_.anchors
    assert torch.equal(anchors, expected.layer_.anchors)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("kinds.txt", "'kinds.txt' has the suffix '.txt': use .npy or .npz"),
        ("bad.npy", "'bad.npy' cannot be mapped into memory"),
        ("points.npy", "has the shape [300, 3], but there are 300 points"),
        ("few.csv", "has the shape [2], but there are 300 points: give one label"),
        ("wide.csv", "has the shape [300, 3], but there are 300 points"),
    ],
)
def test_bad_labels(
    run: Run, points: Path, blobs: np.ndarray, labels: str, message: str
) -> None:
    Path("kinds.txt").touch()
    Path("bad.npy").touch()
    pd.DataFrame({"kind": ["a", None, "b"]}).to_csv("few.csv", index=False)
    write("wide.csv", blobs)
    result = run("plot", points, "--output", "a.png", "--labels", labels)
    assert result.status == 1 and message in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("a.txt", "'a.txt' has the suffix '.txt': use .pt or .npy or .npz or .csv"),
        ("vector.npy", "must be a matrix [points, features], got shape (3,)"),
        ("empty.npy", "'empty.npy' has the shape [0, 3]"),
        ("text.npy", "must be a matrix of real numbers, got dtype <U1"),
        ("bad.npy", "'bad.npy' cannot be mapped into memory: .npy must be"),
        ("bad.pt", "'bad.pt' cannot be mapped into memory: .pt must be"),
        ("bad.npz", "'bad.npz' cannot be read: File is not a zip file"),
        ("bad.csv", "'bad.csv' cannot be read"),
        ("wide.csv", "'wide.csv' cannot be read: lines have more cells"),
        ("bad.parquet", "'bad.parquet' cannot be read"),
        ("two.npz", "--key=None is none of its arrays, use one of a, b"),
        ("points.npy --key a", "--key is for .npz: leave"),
        ("points.npy --columns a", "--columns is for .csv and .parquet: leave"),
    ],
)
def test_what_holds_no_points(
    run: Run, points: Path, arguments: str, message: str
) -> None:
    for suffix in ("npy", "pt", "npz", "parquet", "csv", "txt"):
        Path(f"bad.{suffix}").write_text("a,b\n1,2\n3,4,5\n")
    Path("bad.txt").rename("a.txt")
    Path("wide.csv").write_text("a,b\n1,2,3\n4,5,6\n")
    np.save("vector.npy", np.zeros(3))
    np.save("empty.npy", np.zeros((0, 3)))
    np.save("text.npy", np.array([["a"]]))
    np.savez("two.npz", a=np.eye(2), b=np.eye(2))
    result = run("info", *arguments.split())
    assert result.status == 1 and message in result.err and result.err.count("\n") == 1


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_packages_that_are_missing(
    run: Run, points: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    Path("points.parquet").touch()
    monkeypatch.setitem(sys.modules, package, None)
    told = f"needs {package}, which is not installed: pip install 'pyg-basis[tables]'"
    assert f"'points.parquet' {told}" in run("info", "points.parquet").err
    # An output is checked before any work.
    result = run("cluster", "none.npy", "-o", "new.parquet", "--n-clusters", 3)
    assert result.status == 1 and f"'new.parquet' {told}" in result.err
    assert run("info", points).status == 0
