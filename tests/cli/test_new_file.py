import os
import stat
from pathlib import Path

import pytest

from pyg_basis.cli._new_file import new_file


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with new_file(path, "--output", [".npy"], force=False) as temporary:
        assert temporary.suffix == ".npy" and temporary.parent.parent == tmp_path
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert os.listdir(tmp_path) == ["a.npy"]
    # As readable as any new file, unlike temporary ones.
    (tmp_path / "other").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(
        (tmp_path / "other").stat().st_mode
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_left_of_a_failure(
    tmp_path: Path, error: type[BaseException], is_replaced: bool
) -> None:
    path = tmp_path / "a.npy"
    if is_replaced:
        path.write_text("before")
    with (
        pytest.raises(error),
        new_file(path, "--output", [".npy"], force=True) as temporary,
    ):
        temporary.write_text("half")
        temporary.with_name("beside").write_text("more")
        raise error
    assert os.listdir(tmp_path) == ["a.npy"] * is_replaced
    assert not is_replaced or path.read_text() == "before"


def test_replaced_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_text("before")
    match = r"--save='.*a\.npy' exists: choose another name, or replace it with --force"
    with (
        pytest.raises(FileExistsError, match=match),
        new_file(path, "--save", [".npy"], force=False),
    ):
        pytest.fail("work was done")
    with new_file(path, "--save", [".npy"], force=True) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("a.txt", r"--output='a\.txt' has the suffix '\.txt': use \.npy or \.csv"),
        ("a", r"has the suffix '': use \.npy or \.csv"),
        ("b/c/a.npy", r"in a folder that does not exist: make 'b/c' first"),
        ("folder.npy", r"is a folder: name a file"),
    ],
)
def test_what_stands_in_the_way_is_told_first(
    folder: Path, name: str, match: str
) -> None:
    Path("folder.npy").mkdir()
    with (
        pytest.raises(ValueError, match=match),
        new_file(Path(name), "--output", [".npy", ".csv"], force=True),
    ):
        pytest.fail("work was done")
