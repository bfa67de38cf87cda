from pathlib import Path
from typing import Any

import numpy as np

from pyg_basis.cli._files import TABLES
from pyg_basis.data._open_features import open_mapped


def read_contents(path: Path, key: str | None = None) -> Any:
    """A data frame, an array of an archive, or what is in a mapped file."""
    suffix = path.suffix.lower()
    if suffix not in (".npz", *TABLES):
        return open_mapped(path)
    try:
        return _read_archive(path, key) if suffix == ".npz" else _read_table(path)
    except Exception as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}") from error


def _read_archive(path: Path, key: str | None) -> Any:
    with open(path, "rb") as file, np.lib.npyio.NpzFile(file) as archive:
        if key is None and len(archive) == 1:
            (key,) = archive
        if key not in archive:
            names = ", ".join(archive)
            raise ValueError(f"--key={key!r} is none of its arrays, use one of {names}")
        return archive[key]


def _read_table(path: Path) -> Any:
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path, engine="pyarrow")
    else:
        table = pd.read_csv(path)
        # pandas takes cells that no name is left for as an index.
        if not table.index.equals(pd.RangeIndex(len(table))):
            raise ValueError("lines have more cells than the header line")
    names = table.columns.astype(str)
    # Without a header line the first point would be lost. pandas itself writes the
    # names 0, 1, ..., and reads the same name twice as a, a.1.
    numbers = pd.to_numeric(names.str.replace(r"\.\d+$", "", regex=True), "coerce")
    if numbers.notna().all() and list(names) != [str(i) for i in range(len(names))]:
        raise ValueError("it has no names of columns, add a header line")
    return table.set_axis(names, axis=1)
