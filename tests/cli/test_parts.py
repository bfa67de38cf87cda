"""`transform` of many files: what each becomes, shards, and going on."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pyg_basis import BASiS
from pyg_basis.cli import _parquet

from .conftest import Run

SETTINGS = "_transform.json"


@pytest.fixture
def parts(blobs: np.ndarray, folder: Path) -> list[Path]:
    """Five parts of unequal lengths, one without rows, in single precision."""
    Path("parts").mkdir()
    paths = []
    for number, rows in enumerate(np.split(blobs, [130, 130, 131, 250])):
        frame = pd.DataFrame(rows, columns=["x", "y", "z"])
        frame.insert(0, "id", [f"{number}-{row}" for row in range(len(rows))])
        path = Path(f"parts/part-{number}.parquet")
        frame.to_parquet(path, row_group_size=50)
        paths.append(path)
    return paths


def embed(run: Run, *arguments: Any) -> Any:
    return run("transform", "model.pt", *arguments, "--output-dir", "out")


def written() -> list[str]:
    return sorted(path.name for path in Path("out").iterdir())


def test_each_part_becomes_a_file_of_its_rows(
    run: Run, model: Path, fitted: BASiS, parts: list[Path]
) -> None:
    result = embed(run, *reversed(parts), "--keep", "id")
    assert result.status == 0, result.err
    assert written() == [SETTINGS, *(path.name for path in parts)]
    for path in parts:
        part, rows = pd.read_parquet(path), pd.read_parquet(Path("out", path.name))
        assert list(rows) == ["id", "basis0", "basis1", "basis2"]
        assert rows["id"].tolist() == part["id"].tolist()
        embedding = rows[["basis0", "basis1", "basis2"]].to_numpy()
        assert embedding.dtype == np.float32 and len(embedding) == len(part)
        if len(part) > 0:
            expected = fitted.transform(part[["x", "y", "z"]].to_numpy())
            assert np.array_equal(embedding, expected)
    # Readers of tables take the folder as one table: every row once, in order.
    whole = pd.read_parquet("out")
    assert whole["id"].tolist() == pd.read_parquet("parts")["id"].tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_share_the_parts(
    run: Run, model: Path, parts: list[Path], count: int
) -> None:
    sizes, before = [], 0
    for number in range(1, count + 1):
        # Shells of other machines may list files in another order.
        given = parts if number % 2 else parts[::-1]
        result = embed(run, *given, "--shard", f"{number}/{count}")
        assert result.status == 0, result.err
        now = len(written()) - 1
        assert f"{now - before} parts to write, 0 are there" in result.err
        sizes.append(now - before)
        before = now
    assert sum(sizes) == 5 and max(sizes) - min(sizes) <= 1
    assert len(pd.read_parquet("out")) == 300


def test_a_broken_off_shard_goes_on(
    run: Run, model: Path, parts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    transform, seen = BASiS.transform, []

    def breaks_off(self: BASiS, X: Any) -> Any:
        seen.append(len(X))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return transform(self, X)

    monkeypatch.setattr(BASiS, "transform", breaks_off)
    assert embed(run, *parts).status == 130
    assert seen == [130, 1, 119]
    assert written() == [SETTINGS, *(path.name for path in parts[:3])]
    times = {name: Path("out", name).stat().st_mtime_ns for name in written()}
    result = embed(run, *parts)
    assert result.status == 0 and "2 parts to write, 3 are there" in result.err
    assert seen == [130, 1, 119, 119, 50]
    for name, time in times.items():
        assert Path("out", name).stat().st_mtime_ns == time
    assert "0 parts to write, 5 are there" in embed(run, *parts).err


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".tsv", ".pt"])
def test_other_kinds_of_files(
    run: Run, model: Path, fitted: BASiS, blobs: np.ndarray, suffix: str
) -> None:
    for number, rows in enumerate((blobs[:7], blobs[:0])):
        path = f"{number}{suffix}"
        frame = pd.DataFrame(rows, columns=["x", "y", "z"])
        {
            ".npy": lambda path=path, rows=rows: np.save(path, rows),
            ".npz": lambda path=path, rows=rows: np.savez(path, rows),
            ".pt": lambda path=path, rows=rows: torch.save(
                torch.from_numpy(rows), path
            ),
            ".csv": lambda path=path, frame=frame: frame.to_csv(path, index=False),
            ".tsv": lambda path=path, frame=frame: frame.to_csv(
                path, sep="\t", index=False
            ),
        }[suffix]()
    result = embed(run, f"0{suffix}", f"1{suffix}")
    assert result.status == 0, result.err
    end = ".npy" if suffix == ".pt" else suffix
    assert written() == [f"0{end}", f"1{end}", SETTINGS]
    full, empty = (f"out/{number}{end}" for number in (0, 1))
    if end in (".npy", ".npz"):
        load = np.load if end == ".npy" else lambda path: np.load(path)["embedding"]
        assert load(empty).shape == (0, 3)
        assert np.array_equal(load(full), fitted.transform(blobs[:7]))
    else:
        assert len(pd.read_csv(empty, sep="," if end == ".csv" else "\t")) == 0


def test_memory_does_not_grow_with_a_part(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parquet, "BLOCK_ROWS", 10)
    monkeypatch.setattr(_parquet, "GROUP_ROWS", 30)
    rows = np.random.default_rng(0).normal(size=(95, 3))
    frame = pd.DataFrame(rows, columns=["x", "y", "z"]).assign(id=range(95))
    frame.to_parquet("part.parquet", row_group_size=20)
    transform, seen = BASiS.transform, []

    def spy(self: BASiS, X: Any) -> Any:
        seen.append(len(X))
        return transform(self, X)

    monkeypatch.setattr(BASiS, "transform", spy)
    monkeypatch.setattr(pd, "read_parquet", None)
    for output in (["--output-dir", "out"], ["--output", "new.parquet"]):
        seen.clear()
        options = [*output, "--keep", "id"]
        result = run("transform", model, "part.parquet", *options)
        assert result.status == 0, result.err
        assert seen == [10] * 9 + [5]
    file = pq.ParquetFile("out/part.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [30, 30, 30, 5]
    assert file.read().equals(pq.read_table("new.parquet"))
    assert file.read()["id"].to_pylist() == list(range(95))


def test_a_file_is_not_fetched_ahead(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    rows = np.random.default_rng(0).normal(size=400_000)
    pq.write_table(pa.table({"x": rows}), path, row_group_size=20_000)
    before, most = pa.total_allocated_bytes(), 0
    for _ in _parquet.read_batches(path, ["x"]):
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < path.stat().st_size / 3


@pytest.mark.parametrize("names", ["yes", "no"])
def test_a_part_of_other_columns(
    run: Run, fitted: BASiS, blobs: np.ndarray, parts: list[Path], names: str
) -> None:
    frame = pd.read_parquet(parts[0])
    if names == "yes":
        own = BASiS(3, random_state=0, **fitted_sizes(fitted)).fit(frame.iloc[:, 1:])
        own.save("model.pt")
    else:
        fitted.save("model.pt")
    # In another order, with another column: taken by the names of the first part.
    frame[["z", "id", "y", "x"]].assign(w=1).to_parquet(parts[1])
    frame[["id", "x", "y"]].to_parquet(parts[3])
    result = embed(run, *parts)
    expected = "'parts/part-3.parquet' has no column 'z', only ['id', 'x', 'y']: choose"
    assert result.status == 1 and expected in result.err
    assert written() == [SETTINGS, *(path.name for path in parts[:3])]
    first, second = (pd.read_parquet(Path("out", path.name)) for path in parts[:2])
    assert first.equals(second)
    # Once it is mended, the others follow.
    frame.to_parquet(parts[3])
    assert embed(run, *parts).status == 0
    assert pd.read_parquet(Path("out", parts[3].name)).equals(first)


def fitted_sizes(basis: BASiS) -> dict[str, Any]:
    names = ("n_neighbors", "batch_size", "n_anchors", "max_iter")
    return {name: getattr(basis, name) for name in names}


def test_what_was_made_otherwise_is_refused(
    run: Run, model: Path, fitted: BASiS, parts: list[Path]
) -> None:
    assert embed(run, *parts, "--shard", "1/2").status == 0
    before = {name: Path("out", name).read_bytes() for name in written()}
    other = "has parts of another model or of other columns: choose another folder"
    assert other in embed(run, *parts, "--columns", "z,y,x").err
    assert other in embed(run, *parts, "--keep", "id").err
    again = BASiS(3, random_state=1, **fitted_sizes(fitted))
    again.fit(pd.read_parquet(parts[0])[["x", "y", "z"]].to_numpy()).save(model)
    assert other in embed(run, *parts).err
    assert before == {name: Path("out", name).read_bytes() for name in written()}
    # Files of these names that nothing is known of.
    os.remove(f"out/{SETTINGS}")
    assert other in embed(run, *parts).err
    assert SETTINGS not in written()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("a.npy b/a.npy -d out", 1, "'a.npy' and 'b/a.npy' would both become 'a.npy'"),
        ("a.npy a.pt -d out", 1, "'a.npy' and 'a.pt' would both become 'a.npy': renam"),
        ("a.npy c.csv -d out", 1, "'a.npy' and 'c.csv' are of two kinds: give parts"),
        ("a.npy -d .", 1, "--output-dir='.' is where the parts are: choose another"),
        ("a.npy -d none/out", 1, "'none/out': make the folder 'none' first"),
        ("a.npy -d c.csv", 1, "--output-dir='c.csv' is no folder: choose another name"),
        ("a.npy none.npy -d out", 1, "'none.npy' is no file: check the path"),
        ("nan.npy -d out", 1, "'nan.npy', row 1100, column 1, both counted from 0, is"),
        (
            "wide.npy -d out",
            1,
            "'wide.npy': X has 4 features, but BASiS is expecting 3",
        ),
        ("c.csv -d out --keep x", 1, "--keep is for .parquet: leave it out"),
        ("p.parquet -o o.csv --keep id", 1, "--keep needs an --output of .parquet"),
        ("p.parquet -d out --keep basis0", 1, "--keep has 'basis0', which the embedd"),
        ("p.parquet -d out --keep none", 1, "'p.parquet' has no column 'none', only"),
        ("text.parquet -d out", 1, "'text.parquet', column 'y': could not convert str"),
        ("cut.parquet -d out", 1, "'cut.parquet' cannot be read: "),
        ("a.npy", 2, "one of the arguments -o/--output --output-dir is required"),
        ("a.npy -o o.npy -d out", 2, "not allowed with argument"),
        ("a.npy c.csv -o o.npy", 2, "--output is for one file of points: give --outp"),
        ("a.npy -o o.npy --shard 1/2", 2, "--output is for one file of points: give"),
        ("a.npy -d out --force", 2, "--force: remove what is to be written anew from"),
        (
            "a.npy -d out --shard 0/4",
            2,
            "'0/4' is none: of 64 give 1/64, 2/64, ..., 64",
        ),
        (
            "a.npy -d out --shard 5/4",
            2,
            "'5/4' is none: of 64 give 1/64, 2/64, ..., 64",
        ),
        ("a.npy -d out --shard 3", 2, "'3' is none: of 64 give 1/64, 2/64, ..., 64/64"),
    ],
)
def test_what_cannot_be_done(
    run: Run, model: Path, blobs: np.ndarray, arguments: str, status: int, message: str
) -> None:
    Path("b").mkdir()
    for path in ("a.npy", "b/a.npy"):
        np.save(path, blobs)
    torch.save(torch.from_numpy(blobs), "a.pt")
    np.save("wide.npy", np.ones((5, 4)))
    rows = np.ones((1200, 3))
    rows[1100, 1] = np.inf
    np.save("nan.npy", rows)
    frame = pd.DataFrame(blobs, columns=["x", "y", "z"])
    frame.to_csv("c.csv", index=False)
    frame.assign(basis0="a", id=1).to_parquet("p.parquet")
    schema = pa.schema([("x", pa.int8()), ("y", pa.string()), ("z", pa.int8())])
    row = {"x": 1, "y": "a", "z": 2}
    pq.write_table(pa.Table.from_pylist([row], schema), "text.parquet")
    if "text" in arguments:
        arguments += " --columns x,y,z"
    Path("cut.parquet").write_bytes(Path("p.parquet").read_bytes()[:-9])
    given = arguments.replace(" -d ", " --output-dir ").split()
    result = run("transform", model, *given, "--quiet")
    assert result.status == status and message in result.err, result.err
    left = set(os.listdir("out")) if Path("out").exists() else set()
    assert left <= {SETTINGS}


def test_a_note_says_what_the_parts_were_made_with(
    run: Run, model: Path, parts: list[Path]
) -> None:
    assert embed(run, *parts, "--keep", "id").status == 0
    settings = json.loads(Path("out", SETTINGS).read_text())
    assert settings["columns"] == ["x", "y", "z"] and settings["keep"] == ["id"]
    assert len(settings["model"]) == 64
