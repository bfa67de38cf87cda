from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyg_basis.cli._csv_table import CsvTable

MATRICES = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 4)),
    elements=st.floats(allow_nan=False),
)


def csv(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


@given(matrix=MATRICES, has_header=st.booleans())
def test_numbers_are_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, matrix: np.ndarray, has_header: bool
) -> None:
    names = [f"column {i}" for i in range(matrix.shape[1])]
    lines = [",".join(map(repr, row)) for row in matrix.tolist()]
    text = "\n".join([",".join(names)] * has_header + lines)
    table = CsvTable(csv(tmp_path_factory.mktemp("csv"), text))
    assert table.names == (names if has_header else [])
    assert np.array_equal(table.numbers([]), matrix)
    if has_header:
        assert np.array_equal(table.numbers(names[::-1]), matrix[:, ::-1])


def test_details_of_the_format(tmp_path: Path) -> None:
    text = '\ufeff"a, b",c\r\n\r\n"1",nan\r\n 2 ,-inf\r\n\r\n'
    table = CsvTable(csv(tmp_path, text))
    assert table.features == ["a, b", "c"]
    assert np.array_equal(
        table.numbers([]), [[1, np.nan], [2, -np.inf]], equal_nan=True
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0,1,2\n3,4,5\n", ["0", "1", "2"]),
        ("0,1\n0,1\n", ["0", "1"]),
        ("0.0,1.0\n3,4\n", []),
        ("0,2,1\n3,4,5\n", []),
        ("1,2\n3,4\n", []),
        ("0\n1\n", []),  # labels, say
    ],
)
def test_numbers_as_a_header(tmp_path: Path, text: str, names: list[str]) -> None:
    table = CsvTable(csv(tmp_path, text))
    lines = text.splitlines()
    assert table.names == names
    assert len(table.numbers([])) == len(lines) - bool(names)


def test_a_frame_without_names_comes_back(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3))
    frame.to_csv(tmp_path / "frame.csv", index=False)
    table = CsvTable(tmp_path / "frame.csv")
    assert np.array_equal(table.numbers([]), frame.to_numpy())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,1\n2,3\n", r"line 1: 'a' stands beside numbers"),
        ("1,2\n3,x\n", r"line 2, column 2: 'x' is no number: mend it, or choose"),
        ("a,b\n1,2\n\n3,\n", r"line 4, column 2 \('b'\): '' is no number"),
        ("a,b\n1,2,3\n", r"line 2 has 3 cells, the first has 2"),
        ("1;2\n3;4\n5;x\n", r"line 2, column 1 \('1;2'\): '3;4' is no number"),
    ],
)
def test_what_is_no_table_of_numbers(tmp_path: Path, text: str, match: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(ValueError, match=rf"table\.csv'.*{match}"):
        CsvTable(path).numbers([])


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("größe\n1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"table\.csv' is no \.csv in UTF-8"):
        CsvTable(path)


def test_an_index_is_no_feature(tmp_path: Path) -> None:
    table = CsvTable(csv(tmp_path, ",a,b\n0,1,2\n1,3,4\n"))
    with pytest.raises(ValueError, match="column 1 has no name and may be an index"):
        _ = table.features
    assert table.numbers(["b", "a"]).tolist() == [[2, 1], [4, 3]]


def test_column(tmp_path: Path) -> None:
    table = CsvTable(csv(tmp_path, "x,kind,code\n1,a,7\n2,b,8\n"))
    assert table.column("kind").tolist() == ["a", "b"]
    assert table.column("code").tolist() == [7, 8]
    with pytest.raises(ValueError, match="has 3 columns: labels must be one"):
        table.column(None)
    assert CsvTable(csv(tmp_path, "3\n4\n5\n")).column(None).tolist() == [3, 4, 5]
