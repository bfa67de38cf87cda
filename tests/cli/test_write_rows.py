from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyg_basis.cli._labels import read_labelled
from pyg_basis.cli._points import read_points
from pyg_basis.cli._write_rows import WRITERS, Shape, write_rows


def matrices(dtype: type, width: int) -> st.SearchStrategy[np.ndarray]:
    finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
    shapes = st.tuples(st.integers(1, 7), st.integers(1, 3))
    return arrays(dtype, shapes, elements=finite)


def in_blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    yield from (rows[start : start + 3] for start in range(0, len(rows), 3))


@pytest.mark.parametrize("suffix", WRITERS)
@given(rows=matrices(np.float32, 32) | matrices(np.float64, 64))
def test_rows_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("rows") / f"rows{suffix}"
    names = [f"basis{i}" for i in range(rows.shape[1])]
    write_rows(path, in_blocks(rows), Shape("embedding", len(rows), names))
    points = read_points(path)
    assert np.array_equal(points.rows.astype(rows.dtype), rows)
    # Text has one precision only.
    assert points.rows.dtype == (np.float64 if suffix == ".csv" else rows.dtype)
    assert list(points.names) == (names if suffix in (".csv", ".parquet") else [])


@pytest.mark.parametrize("suffix", WRITERS)
def test_labels_there_and_back(folder: Path, suffix: str) -> None:
    labels = np.array([0, 2, 1, 1, 12], np.int32)
    np.save("points.npy", np.eye(5))
    path = Path(f"labels{suffix}")
    write_rows(path, in_blocks(labels), Shape("cluster", 5, ["cluster"]))
    _, found = read_labelled(Path("points.npy"), None, None, str(path))
    assert found is not None and np.array_equal(found, labels)


def test_what_others_read(folder: Path) -> None:
    rows = np.array([[1, 0.1]], np.float32)
    for suffix in (".npy", ".npz", ".csv"):
        shape = Shape("embedding", 1, ["basis0", "basis1"])
        write_rows(Path(f"a{suffix}"), in_blocks(rows), shape)
    assert np.load("a.npy").dtype == np.float32
    assert np.array_equal(np.load("a.npz")["embedding"], rows)
    assert Path("a.csv").read_text() == "basis0,basis1\n1,0.100000001\n"
    whole = np.array([3, 4], np.int32)
    write_rows(Path("b.csv"), in_blocks(whole), Shape("cluster", 2, ["cluster"]))
    assert Path("b.csv").read_text() == "cluster\n3\n4\n"
