import zipfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pyg_basis import BASiS
from pyg_basis.cli._files import ROWS, TABLES, existing_file
from pyg_basis.data import FeatureSource
from pyg_basis.data._open_features import open_mapped

# Blocks that BASiS.transform makes itself: rows come out as in one call, to the bit.
from pyg_basis.estimators._source import BLOCK_ROWS


class Points(NamedTuple):
    """The rows of a file, the names of their columns and their labels, if there are
    some; and what an estimator is fitted to: the path of a mapped file, whose edges
    are learned too, a data frame, whose names it keeps, or the rows."""

    path: Path
    rows: NDArray[Any]
    source: Any
    names: list[str]
    labels: NDArray[Any] | None = None

    def finite_blocks(self, what: str, quiet: bool) -> Iterator[NDArray[Any]]:
        """The rows in order, some thousands at a time. Raises a ValueError at a number
        that is not finite."""
        starts = range(0, len(self.rows), BLOCK_ROWS)
        for start in tqdm(starts, what, unit=" blocks", disable=quiet):
            block = self.rows[start : start + BLOCK_ROWS]
            if not np.isfinite(block).all():
                row, column = np.argwhere(~np.isfinite(block))[0]
                name = f" ({self.names[column]!r})" if self.names else ""
                raise ValueError(
                    f"{str(self.path)!r}, row {start + row}, column {column}{name}, "
                    f"both counted from 0, is {block[row, column]}: leave such rows "
                    f"out or replace the values"
                )
            yield block

    def check_finite(self) -> None:
        """Raises a ValueError if a number is not finite."""
        for _ in self.finite_blocks("check", quiet=True):
            pass


def read_points(arguments: Namespace, path: Path, basis: BASiS | None = None) -> Points:
    """The points in a file, with what ``--key``, ``--columns`` and ``--labels`` choose;
    of a table without ``--columns``, what the basis was fitted on."""
    existing_file(path, (".npy", ".pt", ".npz", *TABLES))
    suffix, labels = path.suffix.lower(), getattr(arguments, "labels", None)
    for option, kinds in (("key", [".npz"]), ("columns", TABLES)):
        value = getattr(arguments, option)
        if value is not None and suffix not in kinds:
            raise ValueError(
                f"--{option}={value!r} is for {' and '.join(kinds)} files, not for "
                f"{str(path)!r}: leave it out"
            )
    source: Any = path
    names: list[str] = []
    table: Any = ()
    if suffix in TABLES:
        table = _read_table(path)
        names = _features(table, arguments.columns, labels, basis, path)
        source = table[names].astype(float)
    elif suffix == ".npz":
        source = _read_archive(path, arguments.key)
    rows = source.to_numpy() if suffix in TABLES else FeatureSource(source).data
    if isinstance(rows, Tensor):  # of a mapped file; NumPy has no bfloat16
        rows = (rows.float() if rows.dtype == torch.bfloat16 else rows).numpy()
    if 0 in rows.shape:
        raise ValueError(f"{str(path)!r} has the shape {list(rows.shape)}: add points")
    if labels is None:
        return Points(path, rows, source, names)
    found = table[labels] if labels in table else _open_labels(Path(labels), path)
    # Where labels are missing there are too few.
    found = np.asarray(found.dropna() if hasattr(found, "dropna") else found)
    if found.shape != (len(rows),):
        raise ValueError(
            f"--labels={labels!r} has the shape {list(found.shape)}, but there are "
            f"{len(rows)} points: give one label a point"
        )
    return Points(path, rows, source, names, found)


def _open_labels(path: Path, points: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(
            f"--labels={str(path)!r} is neither a column of {str(points)!r} nor a "
            f"file: check the name"
        )
    existing_file(path, ROWS)
    if path.suffix.lower() in TABLES:
        return _read_table(path).squeeze("columns")
    is_archive = path.suffix.lower() == ".npz"
    return _read_archive(path, None) if is_archive else open_mapped(path)


def _read_archive(path: Path, key: str | None) -> NDArray[Any]:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{str(path)!r} is no .npz file: write it with numpy.savez")
    with np.load(path) as archive:
        names = archive.files
        key = names[0] if key is None and len(names) == 1 else key
        if key not in names:
            raise ValueError(
                f"--key={key!r} is none of the arrays in {str(path)!r}: choose one of "
                f"{', '.join(names)}"
            )
        return archive[key]


def _read_table(path: Path) -> Any:
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path, engine="pyarrow")
        else:
            table = pd.read_csv(path)
            # pandas takes cells that no name is left for as an index.
            if not table.index.equals(pd.RangeIndex(len(table))):
                raise ValueError("lines have more cells than the header line")
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be read as a table: {error}") from error
    names = table.columns.astype(str)
    # Without a header line the first point would be lost. pandas itself writes the
    # names 0, 1, ..., and reads the same name twice as a, a.1.
    numbers = pd.to_numeric(names.str.replace(r"\.\d+$", "", regex=True), "coerce")
    if numbers.notna().all() and list(names) != [str(i) for i in range(len(names))]:
        raise ValueError(f"{str(path)!r} has no names of columns: add a header line")
    return table.set_axis(names, axis=1)


def _features(
    table: Any, columns: str | None, labels: str | None, basis: Any, path: Path
) -> list[str]:
    """The names of the columns that are taken. pandas names those without a name, such
    as an index that was written, Unnamed."""
    numeric = table.select_dtypes("number").columns
    numeric = [name for name in numeric if not name.startswith("Unnamed: ")]
    names = numeric if path.suffix.lower() == ".parquet" else list(table)
    names = [name for name in names if name != labels]
    if columns is not None:
        names = columns.split(",")
    elif hasattr(basis, "feature_names_in_"):
        names = list(basis.feature_names_in_)
    for name in names:
        if name not in numeric:
            raise ValueError(
                f"{str(path)!r} has no column of numbers {name!r}, only "
                f"{', '.join(numeric) or 'others'}: choose with --columns"
            )
    return names
