import sys
from pathlib import Path

import pytest

from pyg_basis.cli._new_file import new_file
from pyg_basis.cli._points import read_points
from pyg_basis.cli._pyarrow import require_pyarrow


def test_installed() -> None:
    require_pyarrow()


def test_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("points.parquet").touch()
    match = r"\.parquet files need pyarrow, which is not installed: pip install pyarrow"
    with pytest.raises(ImportError, match=match):
        read_points(Path("points.parquet"))
    with (
        pytest.raises(ImportError, match=match),
        new_file(Path("new.parquet"), "--output", [".parquet"], force=False),
    ):
        pytest.fail("work was done")
