import logging
from argparse import Namespace
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from reprlib import repr as repr_some
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pyg_basis.cli._contents import read_contents
from pyg_basis.cli._files import PER_POINT, ROWS, TABLES, check_input
from pyg_basis.cli._numbers import as_numbers
from pyg_basis.cli._parquet import BLOCK_ROWS as PARQUET_ROWS
from pyg_basis.cli._parquet import ParquetRows, parquet_rows
from pyg_basis.data._open_features import feature_matrix

# The block size of BASiS.transform: rows are bitwise equal to those of one call.
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS

logger = logging.getLogger("pyg_basis")


class Points(NamedTuple):
    """The file; its rows, an array or ParquetRows; the source for a fit, which is the
    path of a mapped file (its edges are used, too), a data frame (its names are kept),
    or the rows; for a table, the names of the columns used, and all of it; and the
    labels and the weights."""

    path: Path
    rows: Any
    source: Any
    names: list[str]
    table: Any
    labels: NDArray[Any] | None
    weights: NDArray[Any] | None

    def blocks(self, what: str = "", quiet: bool = True) -> Iterator[NDArray[Any]]:
        """Yields the rows in order, in blocks of some thousand; an empty block if there
        are none."""
        rows, step = self.rows, BLOCK_ROWS
        starts = range(0, max(len(rows), 1), step)
        blocks: Iterator[Any] = (rows[i : i + step] for i in starts)
        if isinstance(rows, ParquetRows):
            blocks, step = rows.blocks(), PARQUET_ROWS
        num_blocks = ceil(len(rows) / step)
        yield from tqdm(blocks, what, num_blocks, unit=" blocks", disable=quiet)

    def finite_blocks(
        self, what: str = "", quiet: bool = True
    ) -> Iterator[NDArray[Any]]:
        """Yields the same blocks. Raises a ValueError at the first nonfinite number."""
        start = 0
        for block in self.blocks(what, quiet):
            is_finite = np.isfinite(block)
            if not is_finite.all():
                row, column = np.argwhere(~is_finite)[0]
                name = f" ({self.names[column]!r})" if self.names else ""
                raise ValueError(
                    f"{str(self.path)!r}, row {start + row}, column {column}{name}, "
                    f"both counted from 0, is {block[row, column]}: leave such rows "
                    f"out or replace the values"
                )
            start += len(block)
            yield block


def read_points(arguments: Namespace, basis: Any = None) -> Points:
    """Returns the points in a file, as the options choose them; of a table without
    ``--columns``, the features that the basis was fitted on. Raises a ValueError if
    there are none, except in one of many parts, or if one is not finite, except for
    ``info``, which reports it, and ``transform``, which checks blocks as it reads
    them."""
    path, suffix = arguments.points, arguments.points.suffix.lower()
    is_stream = arguments.command == "transform" and suffix == ".parquet"
    contents, names, table = read_contents(path, arguments.key, is_stream), [], None
    if suffix in TABLES:
        table, names = contents, _features(contents, arguments, basis)
        contents = table[names].astype(float)
    source = path if suffix in (".npy", ".pt") else contents
    rows: Any
    if is_stream:
        rows = parquet_rows(path, names, table)
    else:
        rows = contents if table is None else contents.to_numpy()
        rows = feature_matrix(rows, repr(str(path)))
        if isinstance(rows, Tensor):  # NumPy has no bfloat16
            rows = (rows.float() if rows.dtype == torch.bfloat16 else rows).numpy()
    others = [_per_point(name, arguments, table, len(rows)) for name in PER_POINT]
    points = Points(path, rows, source, names, table, *others)
    if arguments.command == "info":
        return points
    is_part = getattr(arguments, "output_dir", None) is not None
    if 0 in (rows.shape[1:] if is_part else rows.shape):
        raise ValueError(f"{str(path)!r} has the shape {list(rows.shape)}: add numbers")
    if arguments.command != "transform":
        for _ in points.finite_blocks():
            pass
    return points


def _features(table: Any, arguments: Namespace, basis: Any) -> list[str]:
    """Returns the names of the columns to use."""
    path, drop, is_info = arguments.points, arguments.drop, arguments.command == "info"
    keep = getattr(arguments, "keep", [])
    chosen = arguments.columns or getattr(basis, "feature_names_in_", None)
    names: Any = table if chosen is None else chosen
    if chosen is None:
        # Text in a .csv file may be mistyped numbers: do not omit it silently.
        if is_info or path.suffix.lower() == ".parquet":
            names = table.select_dtypes(["number", "bool"], exclude="timedelta")
        # pandas calls a column without a name, such as an index, Unnamed.
        others = {*keep, *(getattr(arguments, name, None) for name in PER_POINT)}
        names = [n for n in names if n not in others and not n.startswith("Unnamed: ")]
    for name in (*names, *drop, *keep):
        if name not in table:
            raise ValueError(
                f"{str(path)!r} has no column {name!r}, only "
                f"{repr_some(list(table))}: choose with --columns"
            )
    names = [name for name in names if name not in drop]
    as_numbers(table, names, path)
    if chosen is None and not is_info:
        shown = f"{len(names)} of {len(table.columns)} columns: {repr_some(names)}"
        logger.info(f"{path}: features are {shown}")
    return names


def _per_point(
    option: str, arguments: Namespace, table: Any, num_rows: int
) -> NDArray[Any] | None:
    """Returns the values of an option for each point: a column of its table, or a
    file."""
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
    # If values are missing, there are too few.
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
