from collections.abc import Collection
from pathlib import Path


def existing_file(path: Path, suffixes: Collection[str]) -> Path:
    """The path, if a file is there that can be read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its suffix is of no known kind.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{str(path)!r} is no file: check the path")
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{str(path)!r} has the suffix {path.suffix!r}: use {' or '.join(suffixes)}"
        )
    return path
