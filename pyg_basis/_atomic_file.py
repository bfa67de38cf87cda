from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copymode
from tempfile import TemporaryDirectory


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same name, and moves what was written there to
    ``path`` at the end. After an error nothing of it is left, and an earlier file
    stays as it was.

    A file that is replaced keeps its permissions. A new one gets the usual ones.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    path = Path(path)
    # In the same folder: only within one file system does a file move in one step.
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        if path.exists():
            copymode(path, temporary)
        temporary.replace(path)
