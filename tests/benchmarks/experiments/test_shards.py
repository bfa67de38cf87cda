from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.experiments import shards
from pyg_basis import BASiS
from pyg_basis.cli import main

LENGTHS = [20, 0, 7, 33]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Parts, and what the command made of them."""
    (tmp_path / "parts").mkdir()
    first, paths = 0, []
    for number, length in enumerate(LENGTHS):
        paths.append(tmp_path / f"parts/{number:05}.parquet")
        shards.write_part(paths[-1], first, length, shards.WIDTH)
        first += length
    x = shards.points(0, 300, shards.WIDTH)
    basis = BASiS(3, max_iter=1, n_anchors=16, batch_size=64, n_neighbors=8)
    basis.fit(x).save(model := tmp_path / f"{shards.WIDTH}.pt")
    words = ["transform", model, *paths, "--output-dir", tmp_path / "out"]
    assert main([*map(str, words), "--keep", "id", "--quiet"]) == 0
    return tmp_path


def test_what_is_right(folder: Path) -> None:
    assert shards.verified(folder, LENGTHS) == {
        "every_row_once_in_order": True,
        "as_transform_gives_it": True,
        "left_behind": 0,
    }


@pytest.mark.parametrize("fault", ["lost", "twice", "order", "values", "rest"])
def test_what_is_wrong_is_found(folder: Path, fault: str) -> None:
    path = folder / "out/00003.parquet"
    rows = pq.read_table(path)
    column = rows.column_names.index("basis0")
    faulty = {
        "lost": rows.slice(1),
        "twice": pa.concat_tables([rows, rows.slice(32)]),
        "order": rows.take(list(range(32, -1, -1))),
        "values": rows.set_column(column, "basis0", rows["basis1"]),
        "rest": rows,
    }
    pq.write_table(faulty[fault], path)
    if fault == "rest":
        (folder / "out/.00003.parquet-rest").mkdir()
    found = shards.verified(folder, LENGTHS)
    assert found["every_row_once_in_order"] is (fault in ("values", "rest"))
    assert found["left_behind"] == (fault == "rest")
    if fault in ("values", "rest"):
        assert found["as_transform_gives_it"] is (fault == "rest")
