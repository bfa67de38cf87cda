import os
import stat
from pathlib import Path

import pytest

from pyg_basis._atomic_file import atomic_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with atomic_file(path) as temporary:
        assert temporary.suffix == ".npy"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.npy"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_earlier_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.npy"
    path.write_text("before")
    with pytest.raises(error), atomic_file(str(path)) as temporary:
        temporary.write_text("half")
        temporary.with_name("beside").write_text("more")
        raise error
    assert os.listdir(tmp_path) == ["a.npy"]
    assert path.read_text() == "before"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions(tmp_path: Path) -> None:
    path, other = tmp_path / "a.npy", tmp_path / "other"
    other.touch()
    with atomic_file(path) as temporary:
        temporary.touch()
    assert mode(path) == mode(other)  # unlike those of temporary files
    path.chmod(0o640)
    with atomic_file(path) as temporary:
        temporary.touch()
    assert mode(path) == 0o640
