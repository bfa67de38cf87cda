from pathlib import Path

import numpy as np
import pytest

from pyg_basis.cli._archive import read_archive


def test_the_only_array_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, rows=np.arange(6.0))
    for key in (None, "rows"):
        assert read_archive(path, key).tolist() == [0, 1, 2, 3, 4, 5]


def test_one_of_several_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez_compressed(path, first=np.zeros(2), second=np.ones(2))
    assert read_archive(path, "second").tolist() == [1, 1]
    for key in (None, "third"):
        with pytest.raises(ValueError, match=r"--key=.*choose one of first, second"):
            read_archive(path, key)


def test_damaged(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK garbage")
    with pytest.raises(ValueError, match=r"bad\.npz' is no \.npz file, or is damaged"):
        read_archive(path, None)
    np.savez(path, objects=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_archive(path, None)
