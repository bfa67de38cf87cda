import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pyg_basis.cli._files import TABLES
from pyg_basis.data._open_features import open_mapped


def read_contents(path: Path, key: str | None = None, empty: bool = False) -> Any:
    """Returns a data frame, an array of an archive, or the content of a mapped file.
    For a Parquet file, an ``empty`` frame has the columns and types, but no rows."""
    suffix = path.suffix.lower()
    if suffix not in (".npz", *TABLES):
        return open_mapped(path)
    try:
        return (
            _read_archive(path, key) if suffix == ".npz" else _read_table(path, empty)
        )
    except Exception as error:
        remedy = ": save it as UTF-8" if isinstance(error, UnicodeError) else ""
        raise ValueError(f"{str(path)!r} cannot be read: {error}{remedy}") from error


def _read_archive(path: Path, key: str | None) -> Any:
    with open(path, "rb") as file, np.lib.npyio.NpzFile(file) as archive:
        if key is None and len(archive) == 1:
            (key,) = archive
        if key not in archive:
            names = ", ".join(archive) or "none"
            raise ValueError(f"choose one of its arrays ({names}) with --key")
        return archive[key]


def _read_table(path: Path, empty: bool) -> Any:
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        if empty:
            import pyarrow.parquet as pq

            table = pq.read_schema(path).empty_table().to_pandas()
        else:
            table = pd.read_parquet(path, engine="pyarrow")
        names = [str(name) for name in table.columns]
    else:
        names, separator = _read_header(path)
        # Without a header line, the first point would be lost. pandas itself writes
        # the names 0, 1, ...
        are_numbers = pd.to_numeric(pd.Series(names), errors="coerce").notna().all()
        if are_numbers and names != [str(i) for i in range(len(names))]:
            raise ValueError("it has no names of columns, add a header line")
        table = pd.read_csv(path, sep=separator)
        # pandas takes cells beyond the names as an index.
        if not table.index.equals(pd.RangeIndex(len(table))):
            raise ValueError("lines have more cells than the header line")
    for name, count in Counter(names).items():
        if count > 1 and name:
            raise ValueError(f"{count} columns have the name {name!r}, rename them")
    return table.set_axis([str(name) for name in table.columns], axis=1)


def _read_header(path: Path) -> tuple[list[str], str]:
    """Returns the names in the first nonblank line, and their separator: the one that
    gives the most names."""
    with open(path, encoding="utf-8-sig") as file:
        line = next((line for line in file if line.strip()), "")
    splits = [(next(csv.reader([line], delimiter=mark)), mark) for mark in ",;\t|"]
    return max(splits, key=lambda split: len(split[0]))
