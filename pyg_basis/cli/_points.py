from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyg_basis import BASiS
from pyg_basis.cli._archive import read_archive
from pyg_basis.cli._blocks import as_array, blocks
from pyg_basis.cli._existing_file import existing_file
from pyg_basis.cli._tables import TABLES, open_table
from pyg_basis.loader import FeatureSource

MAPPED = (".npy", ".pt")
SUFFIXES = (*MAPPED, ".npz", *TABLES)


class Points(NamedTuple):
    """The rows of a file, an array or a tensor, and the names of its columns where
    it has them."""

    path: Path
    rows: Any
    names: Sequence[str] = ()

    @property
    def source(self) -> Any:
        """What an estimator takes: the path of a file that it maps into memory, as
        its workers do too, and of which it learns the edges if there are some; else
        the rows."""
        return self.path if self.path.suffix.lower() in MAPPED else self.rows

    def finite_blocks(self, what: str, quiet: bool) -> Iterator[Any]:
        """The rows in order, some thousands at a time.

        Raises:
            ValueError: If a value is not finite.
        """
        start = 0
        for block in blocks(self.rows, what, quiet):
            is_bad = ~np.isfinite(as_array(block))
            if is_bad.any():
                row, column = np.argwhere(is_bad)[0]
                name = f" ({self.names[column]!r})" if self.names else ""
                raise ValueError(
                    f"{str(self.path)!r}, row {start + row}, column {column}{name}, "
                    f"both counted from 0, is {as_array(block)[row, column]}: leave "
                    f"such rows out or replace the values"
                )
            start += len(block)
            yield block

    def check_finite(self) -> None:
        """Raises a ValueError if a value is not finite."""
        for _ in self.finite_blocks("check", quiet=True):
            pass

    def name_features_of(self, basis: BASiS) -> None:
        """Leaves the names of the columns with an estimator fitted on them, as fitting
        a data frame does."""
        if self.names:
            basis.feature_names_in_ = np.array(self.names, dtype=object)


def read_points(
    path: Path,
    key: str | None = None,
    columns: str | None = None,
    basis: BASiS | None = None,
    left_out: str | None = None,
) -> Points:
    """The points in a file; .npy and .pt are mapped into memory and not read.

    Args:
        path: A file of one of the ``SUFFIXES``.
        key: The name of the array in an .npz file.
        columns: The names of the columns of a table, with commas between them.
        basis: What the points are for. If none are chosen, the columns it was fitted
            on are taken from a table with names.
        left_out: A column that is no feature, unless it is chosen.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If its kind needs a package that is not installed.
        ValueError: If it holds no matrix of real numbers, or not what is chosen, or
            the points are of another width than those the basis was fitted on.
    """
    suffix = existing_file(path, SUFFIXES).suffix.lower()
    for option, value, kinds in (("key", key, (".npz",)), ("columns", columns, TABLES)):
        if value is not None and suffix not in kinds:
            raise ValueError(
                f"--{option}={value!r} is for {' and '.join(kinds)} files, not for "
                f"{str(path)!r}: leave it out"
            )
    names: Sequence[str] = ()
    fitted_on = getattr(basis, "feature_names_in_", None)
    data: Any = path
    if suffix == ".npz":
        data = read_archive(path, key)
    elif (table := open_table(path)) is not None:
        if columns is not None:
            names = columns.split(",")
        elif fitted_on is not None and table.names:
            names = list(fitted_on)
        else:
            names = [name for name in table.features if name != left_out]
        _check_names(names, table.names, path)
        data = table.numbers(names)
    rows = FeatureSource(data).data
    if 0 in rows.shape:
        raise ValueError(
            f"{str(path)!r} has the shape {list(rows.shape)}: at least one point and "
            f"one feature are needed"
        )
    if basis is not None and rows.shape[1] != basis.n_features_in_:
        raise ValueError(
            f"{str(path)!r} has {rows.shape[1]} features, but the model was fitted on "
            f"{basis.n_features_in_}: give points described as those"
        )
    return Points(path, rows, names)


def _check_names(names: Sequence[str], known: Sequence[str], path: Path) -> None:
    for name in names:
        if name not in known:
            has = ", ".join(known) if known else "no names of columns"
            raise ValueError(
                f"{str(path)!r} has no column {name!r}, it has {has}: choose columns "
                f"with --columns"
            )
