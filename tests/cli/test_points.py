from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.cli._blocks import BLOCK_ROWS
from pyg_basis.cli._points import Points, read_points
from pyg_basis.loader import FeatureSource


def write(path: Path, rows: np.ndarray) -> Path:
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    {
        ".npy": lambda: np.save(path, rows),
        ".npz": lambda: np.savez(path, rows),
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".pt": lambda: torch.save(Data(x=torch.from_numpy(rows)), path),
    }[path.suffix]()
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet", ".pt"])
def test_every_kind_of_file(tmp_path: Path, blobs: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"points{suffix}", blobs)
    points = read_points(path)
    assert np.array_equal(np.asarray(points.rows, np.float32), blobs)
    assert list(points.names) == (
        ["a", "b", "c"] if suffix in (".csv", ".parquet") else []
    )
    is_mapped = suffix in (".npy", ".pt")
    assert (points.source is path) == is_mapped
    assert np.array_equal(FeatureSource(points.source)[299].float(), blobs[299])


def test_mapped_files_are_not_read(tmp_path: Path) -> None:
    # More than any memory; a sparse file, so that it takes no room on disk either.
    shape = (10**10, 2)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with open(tmp_path / "points.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        try:
            file.truncate(file.tell() + 8 * 10**10)
        except OSError:
            pytest.skip("the file system has no sparse files of this size")
    points = read_points(tmp_path / "points.npy")
    assert isinstance(points.rows, np.memmap) and points.rows.shape == shape
    block = next(points.finite_blocks("test", quiet=True))
    assert isinstance(block, np.memmap) and len(block) == BLOCK_ROWS


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns(tmp_path: Path, blobs: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"points{suffix}", blobs)
    chosen = read_points(path, columns="c,a")
    assert chosen.names == ["c", "a"]
    assert np.array_equal(chosen.rows.astype(np.float32), blobs[:, [2, 0]])
    assert read_points(path, left_out="b").names == ["a", "c"]
    assert read_points(path, columns="b", left_out="b").names == ["b"]
    with pytest.raises(ValueError, match="has no column 'd', it has a, b, c: choose"):
        read_points(path, columns="a,d")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_the_model(tmp_path: Path, blobs: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"points{suffix}", blobs)
    basis = BASiS()
    basis.n_features_in_ = 2
    read_points(path, columns="c,a").name_features_of(basis)
    assert basis.feature_names_in_.tolist() == ["c", "a"]
    assert read_points(path, basis=basis).names == ["c", "a"]
    assert read_points(path, columns="a,b", basis=basis).names == ["a", "b"]
    basis.feature_names_in_[1] = "d"
    with pytest.raises(ValueError, match="has no column 'd', it has a, b, c"):
        read_points(path, basis=basis)


def test_names_are_not_made_up(points: Path, folder: Path, fitted: BASiS) -> None:
    basis = BASiS()
    read_points(points).name_features_of(basis)
    assert not hasattr(basis, "feature_names_in_")
    Path("plain.csv").write_text("1,2,3\n4,5,6\n")
    basis.feature_names_in_, basis.n_features_in_ = np.array(["a", "b", "c"], object), 3
    assert read_points(Path("plain.csv"), basis=basis).names == []


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, ">f8"])
def test_finite_blocks(tmp_path: Path, dtype: str) -> None:
    rows = np.arange(2 * (BLOCK_ROWS + 5)).reshape(-1, 2).astype(dtype)
    np.save(tmp_path / "a.npy", rows)
    points = read_points(tmp_path / "a.npy")
    parts = list(points.finite_blocks("test", quiet=True))
    assert len(parts) == 2 and np.array_equal(np.concatenate(parts), rows)
    points.check_finite()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_not_finite(value: float, kind: type) -> None:
    rows = np.zeros((BLOCK_ROWS + 5, 2))
    rows[BLOCK_ROWS + 3, 1] = value
    match = (
        rf"'a\.npy', row {BLOCK_ROWS + 3}, column 1, both counted from 0, is {value}: "
        rf"leave such rows out"
    )
    with pytest.raises(ValueError, match=match):
        Points(Path("a.npy"), kind(rows)).check_finite()
    with pytest.raises(ValueError, match=r"column 1 \('b'\), both"):
        Points(Path("a.csv"), rows, ["a", "b"]).check_finite()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("a.txt", r"has the suffix '\.txt': use \.npy or \.pt or \.npz or \.csv"),
        ("none.npy", "is no file: check the path"),
        ("vector.npy", r"must be a matrix .*got shape \(3,\)"),
        ("empty.npy", r"has the shape \[0, 3\]: at least one point"),
        ("text.npy", r"must be a matrix of real numbers, got dtype <U1"),
        ("bad.npy", r"cannot be mapped into memory: \.npy must be"),
        ("bad.pt", r"cannot be mapped into memory: \.pt must be"),
        ("header.csv", r"has the shape \[0, 2\]"),
    ],
)
def test_what_holds_no_points(folder: Path, name: str, match: str) -> None:
    for path in ("a.txt", "bad.npy", "bad.pt"):
        Path(path).write_text("garbage")
    np.save("vector.npy", np.zeros(3))
    np.save("empty.npy", np.zeros((0, 3)))
    np.save("text.npy", np.array([["a"]]))
    Path("header.csv").write_text("a,b\n")
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        read_points(Path(name))


def test_options_of_other_kinds(points: Path) -> None:
    with pytest.raises(ValueError, match=r"--key='a' is for \.npz files, not for '.*p"):
        read_points(points, key="a")
    match = r"--columns='a' is for \.csv and \.parquet files, not for .*: leave it out"
    with pytest.raises(ValueError, match=match):
        read_points(points, columns="a")


def test_width_of_the_model(points: Path) -> None:
    basis = BASiS()
    basis.n_features_in_ = 4
    with pytest.raises(ValueError, match="has 3 features, but the model was fitted on"):
        read_points(points, basis=basis)
