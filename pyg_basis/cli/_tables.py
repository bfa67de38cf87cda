from pathlib import Path

from pyg_basis.cli._csv_table import CsvTable
from pyg_basis.cli._parquet_table import ParquetTable

Table = CsvTable | ParquetTable

TABLES: dict[str, type[CsvTable] | type[ParquetTable]] = {
    ".csv": CsvTable,
    ".parquet": ParquetTable,
}


def open_table(path: Path) -> Table | None:
    """The table in a file, ``None`` for files of another kind.

    Raises:
        ImportError: If its kind needs a package that is not installed.
        ValueError: If it cannot be read as its suffix says.
    """
    kind = TABLES.get(path.suffix.lower())
    return None if kind is None else kind(path)
