from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pyg_basis.cli._pyarrow import require_pyarrow


@contextmanager
def new_file(
    path: Path, option: str, suffixes: Collection[str], force: bool
) -> Iterator[Path]:
    """Where to write a file, which is moved to its path when all has gone well; if
    not, nothing of it is left. What stands in its way is told on entry, so enter
    before any work.

    Raises:
        FileExistsError: If there is such a file, and it is not to be replaced.
        ImportError: If the kind of file needs a package that is not installed.
        ValueError: If the suffix is of no known kind, or there is no such folder.
    """
    _check(path, option, suffixes, force)
    # In the same folder, as only there a file is moved in one step.
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.replace(path)


def _check(path: Path, option: str, suffixes: Collection[str], force: bool) -> None:
    name = f"{option}={str(path)!r}"
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{name} has the suffix {path.suffix!r}: use {' or '.join(suffixes)}"
        )
    if path.suffix.lower() == ".parquet":
        require_pyarrow()
    if not path.parent.is_dir():
        raise ValueError(
            f"{name} is in a folder that does not exist: make {str(path.parent)!r} "
            f"first"
        )
    if path.is_dir():
        raise ValueError(f"{name} is a folder: name a file")
    if path.exists() and not force:
        raise FileExistsError(
            f"{name} exists: choose another name, or replace it with --force"
        )
