from pathlib import Path

import pandas as pd
import pytest

from pyg_basis.cli._tables import TABLES, open_table


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".parquet"])
def test_both_kinds_have_one_face(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [3.0, 4.0], "kind": ["x", "y"]})
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    table = open_table(path)
    assert type(table) is TABLES[suffix.lower()]
    assert table.names == ["a", "b", "kind"]
    assert table.numbers(["b", "a"]).tolist() == [[3, 1.5], [4, 2.5]]
    assert table.column("kind").tolist() == ["x", "y"]


def test_other_files_are_no_tables(tmp_path: Path) -> None:
    assert open_table(tmp_path / "points.npy") is None
