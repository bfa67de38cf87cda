from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pyg_basis.cli._contents import read_contents
from pyg_basis.cli._files import ROWS, TABLES, check_input
from pyg_basis.data._open_features import feature_matrix

# Blocks that BASiS.transform makes itself: rows come out as in one call, to the bit.
from pyg_basis.estimators._source import BLOCK_ROWS


class Points(NamedTuple):
    """The rows of a file, the names of their columns and their labels, if there are
    some; and what an estimator is fitted to: the path of a mapped file, whose edges
    are learned too, a data frame, whose names it keeps, or the rows."""

    rows: NDArray[Any]
    source: Any
    names: list[str]
    labels: NDArray[Any] | None

    def blocks(self, what: str = "", quiet: bool = True) -> Iterator[NDArray[Any]]:
        """The rows in order, some thousands at a time."""
        starts = range(0, len(self.rows), BLOCK_ROWS)
        for start in tqdm(starts, what, unit=" blocks", disable=quiet):
            yield self.rows[start : start + BLOCK_ROWS]


def read_points(
    arguments: Namespace, basis: Any = None, must_be_finite: bool = True
) -> Points:
    """The points in a file, with what ``--key``, ``--columns`` and ``--labels`` choose;
    of a table without ``--columns``, what the basis was fitted on."""
    path, suffix = arguments.points, arguments.points.suffix.lower()
    for option, kinds in (("key", [".npz"]), ("columns", TABLES)):
        if getattr(arguments, option) is not None and suffix not in kinds:
            raise ValueError(f"--{option} is for {' and '.join(kinds)}: leave it out")
    contents, names, table = read_contents(path, arguments.key), [], None
    if suffix in TABLES:
        table, names = contents, _features(contents, arguments, basis)
        contents = table[names].astype(float)
    source = path if suffix in (".npy", ".pt") else contents
    rows = contents if table is None else contents.to_numpy()
    rows = feature_matrix(rows, repr(str(path)))
    if isinstance(rows, Tensor):  # NumPy has no bfloat16
        rows = (rows.float() if rows.dtype == torch.bfloat16 else rows).numpy()
    if 0 in rows.shape:
        raise ValueError(f"{str(path)!r} has the shape {list(rows.shape)}: add points")
    points = Points(rows, source, names, _labels(arguments, table, len(rows)))
    if must_be_finite:
        _check_finite(points, path)
    return points


def _check_finite(points: Points, path: Path) -> None:
    for i, block in enumerate(points.blocks()):
        for row, column in np.argwhere(~np.isfinite(block))[:1]:
            name = f" ({points.names[column]!r})" if points.names else ""
            raise ValueError(
                f"{str(path)!r}, row {i * BLOCK_ROWS + row}, column {column}{name}, "
                f"both counted from 0, is {block[row, column]}: leave such rows out or "
                f"replace the values"
            )


def _features(table: Any, arguments: Namespace, basis: Any) -> list[str]:
    """The names of the columns that are taken. pandas names those without a name, such
    as an index that was written, Unnamed."""
    numeric = table.select_dtypes("number").columns
    numeric = [name for name in numeric if not name.startswith("Unnamed: ")]
    if arguments.columns is not None:
        names = arguments.columns.split(",")
    elif hasattr(basis, "feature_names_in_"):
        names = list(basis.feature_names_in_)
    else:
        is_csv = arguments.points.suffix.lower() == ".csv"
        names = list(table) if is_csv else numeric
        names = [n for n in names if n != getattr(arguments, "labels", None)]
    for name in names:
        if name not in numeric:
            raise ValueError(
                f"{str(arguments.points)!r} has no column of numbers {name!r}, only "
                f"{', '.join(numeric) or 'others'}: choose with --columns"
            )
    return names


def _labels(arguments: Namespace, table: Any, num_rows: int) -> NDArray[Any] | None:
    name = getattr(arguments, "labels", None)
    if name is None:
        return None
    if table is not None and name in table:
        labels = table[name]
    elif Path(name).is_file():
        check_input(Path(name), ROWS)
        labels = read_contents(Path(name))
    else:
        place = f"a column of {str(arguments.points)!r} nor a file"
        raise FileNotFoundError(f"--labels={name!r} is neither {place}: check the name")
    if not isinstance(labels, np.ndarray):
        labels = labels.dropna().squeeze().to_numpy()  # too few where some are missing
    if labels.shape != (num_rows,):
        raise ValueError(
            f"--labels={name!r} has the shape {list(labels.shape)}, but there are "
            f"{num_rows} points: give one label a point"
        )
    return labels
