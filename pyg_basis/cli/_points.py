import logging
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as repr_some
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pyg_basis.cli._contents import read_contents
from pyg_basis.cli._files import BESIDE, ROWS, TABLES, check_input
from pyg_basis.data._open_features import feature_matrix

# Blocks that BASiS.transform makes itself: rows come out as in one call, to the bit.
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS

logger = logging.getLogger("pyg_basis")


class Points(NamedTuple):
    """The rows of a file; what an estimator is fitted to: the path of a mapped file,
    whose edges are learned too, a data frame, whose names it keeps, or the rows; of a
    table the names of the columns that are taken, and all of it; and the labels and the
    weights."""

    rows: NDArray[Any]
    source: Any
    names: list[str]
    table: Any
    labels: NDArray[Any] | None
    weights: NDArray[Any] | None

    def blocks(self, what: str = "", quiet: bool = True) -> Iterator[NDArray[Any]]:
        """The rows in order, some thousands at a time."""
        starts = range(0, len(self.rows), BLOCK_ROWS)
        for start in tqdm(starts, what, unit=" blocks", disable=quiet):
            yield self.rows[start : start + BLOCK_ROWS]


def read_points(arguments: Namespace, basis: Any = None) -> Points:
    """The points in a file, with what the options choose; of a table without
    ``--columns``, what the basis was fitted on. Raises a ValueError if there are none,
    or one is not finite, but for ``info``, which reports it."""
    path, suffix = arguments.points, arguments.points.suffix.lower()
    contents, names, table = read_contents(path, arguments.key), [], None
    if suffix in TABLES:
        table, names = contents, _features(contents, arguments, basis)
        contents = table[names].astype(float)
    source = path if suffix in (".npy", ".pt") else contents
    rows = contents if table is None else contents.to_numpy()
    rows = feature_matrix(rows, repr(str(path)))
    if isinstance(rows, Tensor):  # NumPy has no bfloat16
        rows = (rows.float() if rows.dtype == torch.bfloat16 else rows).numpy()
    others = [_beside(name, arguments, table, len(rows)) for name in BESIDE]
    points = Points(rows, source, names, table, *others)
    if arguments.command == "info":
        return points
    if 0 in rows.shape:
        raise ValueError(f"{str(path)!r} has the shape {list(rows.shape)}: add numbers")
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
    """The names of the columns that are taken."""
    path, drop, is_info = arguments.points, arguments.drop, arguments.command == "info"
    chosen = arguments.columns or getattr(basis, "feature_names_in_", None)
    names: Any = table if chosen is None else chosen
    if chosen is None:
        # Text in a .csv file may be mistyped numbers, which are not left out unseen.
        if is_info or path.suffix.lower() == ".parquet":
            names = table.select_dtypes(["number", "bool"], exclude="timedelta")
        # pandas calls a column without a name, such as an index, Unnamed.
        others = {getattr(arguments, name, None) for name in BESIDE}
        names = [n for n in names if n not in others and not n.startswith("Unnamed: ")]
    for name in (*names, *drop):
        if name not in table:
            raise ValueError(
                f"{str(path)!r} has no column {name!r}, only "
                f"{repr_some(list(table))}: choose with --columns"
            )
    names = [name for name in names if name not in drop]
    for name in names:
        try:
            table[name].astype(float)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{str(path)!r}, column {name!r}: {error}: correct it, leave it out "
                f"with --drop, or choose others with --columns"
            ) from error
    if chosen is None and not is_info:
        shown = f"{len(names)} of {len(table.columns)} columns: {repr_some(names)}"
        logger.info(f"{path}: features are {shown}")
    return names


def _beside(
    option: str, arguments: Namespace, table: Any, num_rows: int
) -> NDArray[Any] | None:
    """What an option gives for each point: a column of its table, or a file."""
    name = getattr(arguments, option, None)
    if name is None:
        return None
    if table is not None and name in table:
        values = table[name]
    elif Path(name).is_file():
        check_input(Path(name), ROWS)
        values = read_contents(Path(name))
    else:
        place = f"a column of {str(arguments.points)!r} nor a file"
        message = f"--{option}={name!r} is neither {place}: check the name"
        raise FileNotFoundError(message)
    # Where some are missing there are too few.
    values = np.asarray(values.dropna() if hasattr(values, "dropna") else values)
    if values.shape[1:] == (1,):
        values = values[:, 0]
    if values.dtype == object:
        values = np.array([str(value) for value in values])
    if values.shape != (num_rows,):
        raise ValueError(
            f"--{option}={name!r} has the shape {list(values.shape)}, but there are "
            f"{num_rows} points: give one {option[:-1]} a point"
        )
    return values
