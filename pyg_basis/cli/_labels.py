from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_basis.cli._archive import read_archive
from pyg_basis.cli._existing_file import existing_file
from pyg_basis.cli._points import Points, read_points
from pyg_basis.cli._tables import TABLES, open_table

SUFFIXES = (".npy", ".npz", *TABLES)


def read_labelled(
    path: Path, key: str | None, columns: str | None, labels: str | None
) -> tuple[Points, NDArray[Any] | None]:
    """The points in a file, and their labels ``[n]`` if any are named: those of a
    column of the file, which is no feature then, or of a file with nothing else.

    Raises:
        FileNotFoundError: If there is no such file, or no such column and no file.
        ImportError: If the kind of file needs a package that is not installed.
        ValueError: Those of :func:`read_points`, or if there is not one label a point.
    """
    if labels is None:
        return read_points(path, key, columns), None
    table = open_table(path) if path.is_file() else None
    if table is not None and labels in table.names:
        points = read_points(path, key, columns, left_out=labels)
        found = table.column(labels)
    else:
        points = read_points(path, key, columns)
        found = _read_file(labels, path)
    if found.shape != (len(points.rows),):
        raise ValueError(
            f"--labels={labels!r} has the shape {list(found.shape)}, but there are "
            f"{len(points.rows)} points: give one label a point (in a .csv, a first "
            f"line without a number is the header)"
        )
    return points, found


def _read_file(labels: str, points: Path) -> NDArray[Any]:
    path = Path(labels)
    if not path.is_file():
        raise FileNotFoundError(
            f"--labels={labels!r} is neither a column of {str(points)!r} nor a file: "
            f"check the name"
        )
    table = open_table(existing_file(path, SUFFIXES))
    if table is not None:
        return table.column(None)
    if path.suffix.lower() == ".npz":
        return read_archive(path, None)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise ValueError(
            f"{labels!r} is no array of labels that numpy.save wrote ({error}): write "
            f"it again"
        ) from error
