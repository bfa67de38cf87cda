"""Kinds of files, columns and labels, by the commands that read them."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
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
    options = ["-o", "m.pt", "--n-components", 2, "--seed", 0, "--quiet", *key]
    assert run("fit", f"points{suffix}", *options) == (0, "", "")
    basis, expected = BASiS.load("m.pt"), BASiS(2, random_state=0).fit(blobs)
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
    message = "'less.csv' has no column 'y', only ['z', 'kind', 'more', 'x']: ch"
    assert result.status == 1 and message in result.err


def test_columns_that_are_no_features_by_themselves(
    run: Run, table: pd.DataFrame
) -> None:
    table.set_index("kind").to_parquet("index.parquet")
    dates = pd.date_range("2026-01-01", periods=len(table))
    table.assign(date=dates, age=dates - dates[0]).to_parquet("text.parquet")
    table[["x", "y", "z"]].to_csv("index.csv")
    for name in ("index.parquet", "text.parquet", "index.csv"):
        assert run("fit", name, "-o", "m.pt", "--force").status == 0
        assert BASiS.load("m.pt").feature_names_in_.tolist() == ["x", "y", "z"]
    table.assign(y=["1,5", *table["y"][1:]]).to_csv("text.csv", index=False)
    result = run("fit", "text.csv", "-o", "m.pt", "--force")
    message = "'text.csv', column 'y': could not convert string to float: '1,5': corr"
    assert result.status == 1 and message in result.err


def test_which_columns_are_features_is_reported(
    run: Run, table: pd.DataFrame, model: Path
) -> None:
    columns = {"id": range(300), "target": 1}
    table.drop(columns="kind").assign(**columns).to_csv("table.csv", index=False)
    result = run("fit", "table.csv", "-o", "all.pt")
    message = "features are 5 of 5 columns: ['x', 'y', 'z', 'id', 'target']\n"
    assert f"pyg-basis: table.csv: {message}" in result.err
    result = run("transform", model, "table.csv", "-o", "e.npy", "--drop", "id,target")
    assert "features are 3 of 5 columns: ['x', 'y', 'z']\n" in result.err
    # What was chosen is not reported, nor is anything with --quiet.
    chosen = run("fit", "table.csv", "-o", "xyz.pt", "--columns", "x,y,z")
    later = run("transform", "xyz.pt", "table.csv", "-o", "f.npy")
    assert "features are" not in chosen.err + later.err
    options = ["--drop", "id", "--quiet", "--force"]
    assert run("fit", "table.csv", "-o", "m.pt", *options) == (0, "", "")
    result = run("fit", "table.csv", "-o", "m.pt", "--force", "--drop", "none")
    assert result.status == 1 and "has no column 'none', only ['x', 'y'" in result.err


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("separator", list(",;\t|"))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators(
    run: Run, table: pd.DataFrame, suffix: str, separator: str, encoding: str
) -> None:
    names = {"x": "x, in m", "y": 'y "exact"', "z": "größe"}
    frame = table.drop(columns="kind").rename(columns=names)
    path = f"table{suffix}"
    frame.to_csv(path, sep=separator, index=False, encoding=encoding)
    facts = json.loads(run("info", path, "--json").out)
    assert facts["columns"] == list(names.values()) and facts["shape"] == [300, 3]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_repeated_names_are_refused(run: Run, suffix: str) -> None:
    path = f"table{suffix}"
    if suffix == ".csv":
        Path(path).write_text("a,a,b\n1,2,3\n4,5,6\n")
    else:
        columns = [pa.array([1.0, 2.0])] * 3
        pq.write_table(pa.table(columns, names=["a", "a", "b"]), path)
    result = run("info", path)
    assert result.status == 1 and result.err.count("\n") == 1
    assert f"'{path}' cannot be read: " in result.err and "a" in result.err


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
        ("bad.npy", "'bad.npy' is empty, it has 0 bytes"),
        ("points.npy", "has the shape [300, 3], but there are 300 points"),
        ("few.csv", "has the shape [2], but there are 300 points: give one label"),
        ("wide.csv", "has the shape [300, 3], but there are 300 points"),
        ("lists.parquet", "has the shape [2], but there are 300 points"),
    ],
)
def test_bad_labels(
    run: Run, points: Path, blobs: np.ndarray, labels: str, message: str
) -> None:
    Path("kinds.txt").touch()
    Path("bad.npy").touch()
    pd.DataFrame({"kind": ["a", None, "b"]}).to_csv("few.csv", index=False)
    write("wide.csv", blobs)
    pd.DataFrame({"kinds": [["a"], ["b", "c"]]}).to_parquet("lists.parquet")
    result = run("plot", points, "--output", "a.png", "--labels", labels)
    assert result.status == 1 and message in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("a.txt", "'a.txt' has the suffix '.txt': use .pt or .npy or .npz or .csv"),
        ("vector.npy", "must be a matrix [points, features], got shape (3,)"),
        ("empty.npy", "'empty.npy' has the shape [0, 3]: add numbers"),
        ("text.csv", "'text.csv', column 'a': could not convert string to float: 'b'"),
        ("latin.csv", "'latin.csv' cannot be read: 'utf-8' codec can't decode"),
        ("object.npz", "'object.npz' cannot be read: Object arrays cannot be loaded"),
        ("object.npy", "'object.npy' cannot be mapped into memory"),
        ("cube.npz", "'cube.npz' must be a matrix [points, features], got shape (1, 1"),
        ("text.npy", "must be a matrix of real numbers, got dtype <U1"),
        ("bad.npy", "'bad.npy' cannot be mapped into memory: .npy must be"),
        ("bad.pt", "'bad.pt' cannot be mapped into memory: .pt must be"),
        ("bad.npz", "'bad.npz' cannot be read: File is not a zip file"),
        ("bad.csv", "'bad.csv' cannot be read"),
        ("wide.csv", "'wide.csv' cannot be read: lines have more cells"),
        ("bad.parquet", "'bad.parquet' cannot be read"),
        ("two.npz", "'two.npz' cannot be read: choose one of its arrays (a, b)"),
        ("points.npy --key a", "--key is for .npz: leave"),
        ("points.npy --columns a", "--columns is for .csv and .tsv and .parquet:"),
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
    Path("text.csv").write_text("a\nb\n")
    Path("latin.csv").write_text("größe\n1\n", encoding="latin-1")
    objects = np.array([["a", None]], dtype=object)
    np.savez("object.npz", objects)
    np.save("object.npy", objects, allow_pickle=True)
    np.savez("cube.npz", np.ones((1, 1, 1)))
    result = run("plot", *arguments.split(), "-o", "a.png")
    assert result.status == 1 and message in result.err and result.err.count("\n") == 1


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".csv", ".parquet"])
def test_empty_and_damaged_files(run: Run, blobs: np.ndarray, suffix: str) -> None:
    path = Path(f"points{suffix}")
    path.touch()
    assert f"error: '{path}' is empty, it has 0 bytes" in run("info", path).err
    write(str(path), blobs)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff\xfe" * (suffix == ".csv"))
    result = run("info", path)
    assert result.status == 1 and result.err.count("\n") == 1
    assert f"'{path}' cannot be " in result.err


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_packages_that_are_missing(
    run: Run, points: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    Path("points.parquet").touch()
    monkeypatch.setitem(sys.modules, package, None)
    message = (
        f"needs {package}, which is not installed: pip install 'pyg-basis[tables]'"
    )
    assert f"'points.parquet' {message}" in run("info", "points.parquet").err
    # An output is checked before any work.
    result = run("cluster", "none.npy", "-o", "new.parquet", "--n-clusters", 3)
    assert result.status == 1 and f"'new.parquet' {message}" in result.err
    assert run("info", points).status == 0
