from pathlib import Path

import pytest

from pyg_basis.cli._existing_file import existing_file


def test_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.NPY"
    with pytest.raises(FileNotFoundError, match=r"a\.NPY' is no file: check the path"):
        existing_file(path, [".npy"])
    with pytest.raises(FileNotFoundError, match="is no file"):
        existing_file(tmp_path, [".npy"])
    path.touch()
    assert existing_file(path, [".npy"]) == path
    match = r"has the suffix '\.NPY': use \.csv or \.pt"
    with pytest.raises(ValueError, match=match):
        existing_file(path, [".csv", ".pt"])
