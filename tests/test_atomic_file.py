import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyg_basis._atomic_file import atomic_file
from tests.disks import full_disk


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with atomic_file(path) as temporary:
        assert temporary.suffix == ".npy"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.npy"]


def test_the_longest_names(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".npy")
    write(path, "whole")
    assert path.read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_earlier_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.npy"
    path.write_text("before")
    with pytest.raises(error), atomic_file(str(path)) as temporary:
        temporary.write_text("half")
        temporary.with_name("extra").write_text("more")
        raise error
    assert os.listdir(tmp_path) == ["a.npy"]
    assert path.read_text() == "before"


def test_readers_meet_whole_files_of_several_writers(tmp_path: Path) -> None:
    path, own = tmp_path / "a.npy", [f"a.npy{end}" for end in (".part", ".tmp", "~")]
    for name in own:
        (tmp_path / name).write_text("the user's")
    texts = ["0" * 10**6, "1" * 10**6]
    write(path, texts[0])
    errors: list[Exception] = []

    def save(text: str) -> None:
        try:
            for _ in range(30):
                write(path, text)
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=save, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in texts
    assert not errors
    assert sorted(os.listdir(tmp_path)) == sorted(["a.npy", *own])


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    mask = os.umask(0o027)
    try:
        write(path, "new")
    finally:
        os.umask(mask)
    assert mode(path) == 0o640  # unlike those of temporary files
    for kept in (0o604, 0o400):
        path.chmod(kept)
        write(path, "replaced")
        assert mode(path) == kept


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("exists", [True, False])
def test_of_a_link_the_target_is_written(tmp_path: Path, exists: bool) -> None:
    link, target = tmp_path / "link.npy", tmp_path / "folder" / "target"
    target.parent.mkdir()
    link.symlink_to(Path("folder") / "target")
    if exists:
        target.touch(0o600)
    write(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert not exists or mode(target) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["folder", "link.npy"]
    assert os.listdir(target.parent) == ["target"]


# --- what cannot be written


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Not root, who may write everywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="POSIX errors")
def test_errors_name_the_path_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(tmp_path))
    for name, error in {
        "none/a.npy": FileNotFoundError,
        "file/a.npy": NotADirectoryError,
        "folder": IsADirectoryError,
        "pipe": OSError,
        "loop": OSError,
    }.items():
        raised = pytest.raises(error, match=rf": '{tmp_path / name}'$")
        with raised, atomic_file(tmp_path / name):
            pytest.fail("the work has begun")
    tmp_path.chmod(0o555)
    raised = pytest.raises(PermissionError, match=r": '.*/a\.npy'$")
    with ordinary_user(), raised, atomic_file(tmp_path / "a.npy"):
        pytest.fail("the work has begun")
    tmp_path.chmod(0o755)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_text("before")
    with full_disk(), pytest.raises(OSError, match=rf"File too large: '{path}'$"):
        write(path, "0" * 10**6)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.npy"]


def test_errors_about_other_files_are_left_alone(tmp_path: Path) -> None:
    raised = pytest.raises(FileNotFoundError, match=r"other\.npy'$")
    with raised, atomic_file(tmp_path / "a.npy"):
        (tmp_path / "other.npy").read_text()


def test_what_a_killed_process_left_goes_with_the_next_file(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from pyg_basis._atomic_file import atomic_file\n"
        "with atomic_file('file') as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    with (
        atomic_file(tmp_path / "file") as first,
        atomic_file(tmp_path / "file") as second,
    ):
        assert not left.exists()
        first.write_text("first")  # what others are writing stays
        second.write_text("second")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
