from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_basis.cli._parquet_table import ParquetTable


def parquet(folder: Path, frame: pd.DataFrame, **kwargs: object) -> Path:
    path = folder / "table.parquet"
    frame.to_parquet(path, **kwargs)
    return path


def test_columns_of_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", "b"],
            "small": np.array([1, 2], np.int8),
            "flag": [True, False],
            "a.b": np.array([0.1, 0.2], np.float32),
        }
    )
    table = ParquetTable(parquet(tmp_path, frame))
    assert table.names == ["text", "small", "flag", "a.b"]
    assert table.features == ["small", "a.b"]
    numbers = table.numbers(["a.b", "small"])
    assert numbers.dtype == np.float32
    assert np.array_equal(numbers, frame[["a.b", "small"]].to_numpy(np.float32))
    for name, kind in (("text", "string"), ("flag", "bool")):
        match = rf"column '{name}' is of type .*{kind}: choose columns of numbers"
        with pytest.raises(ValueError, match=match):
            table.numbers(["small", name])


def test_an_index_is_no_feature(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([7, 8], name="number"))
    assert ParquetTable(parquet(tmp_path, frame)).features == ["a"]
    assert ParquetTable(parquet(tmp_path, frame.reset_index())).features == [
        "number",
        "a",
    ]


def test_what_is_missing_is_nan(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [None, "x"]})
    table = ParquetTable(parquet(tmp_path, frame))
    assert np.array_equal(table.numbers(["a"]), [[1], [np.nan]], equal_nan=True)
    with pytest.raises(ValueError, match="column 'b' lacks 1 labels: every point"):
        table.column("b")


def test_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [3, 4], "kind": pd.Categorical(["red", "blue"])})
    table = ParquetTable(parquet(tmp_path, frame))
    assert table.column("a").tolist() == [3, 4]
    assert table.column("kind").tolist() == ["red", "blue"]
    with pytest.raises(ValueError, match="has 2 columns: labels must be one"):
        table.column(None)
    assert ParquetTable(parquet(tmp_path, frame[["kind"]])).column(None)[1] == "blue"


def test_no_table_of_numbers(tmp_path: Path) -> None:
    path = parquet(tmp_path, pd.DataFrame({"a": ["x"], "b": ["y"]}))
    with pytest.raises(ValueError, match="has no columns of numbers, only a, b"):
        _ = ParquetTable(path).features
    path.write_bytes(b"PAR1 garbage")
    with pytest.raises(ValueError, match=r"table\.parquet' is no \.parquet file"):
        ParquetTable(path)
