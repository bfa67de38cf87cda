from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_basis.cli._pyarrow import require_pyarrow


class ParquetTable:
    """A .parquet file and the names of its columns.

    Raises:
        ImportError: If pyarrow is not installed.
        ValueError: If the file is of another kind.
    """

    def __init__(self, path: Path) -> None:
        require_pyarrow()
        from pyarrow import ArrowInvalid, parquet

        self.path = path
        try:
            self._schema = parquet.read_schema(path)
        except ArrowInvalid as error:
            raise ValueError(
                f"{str(path)!r} is no .parquet file ({error}): write it again"
            ) from error
        self.names: list[str] = self._schema.names

    @property
    def features(self) -> list[str]:
        """The names of the columns of numbers, without an index that pandas wrote.

        Raises:
            ValueError: If there are none.
        """
        index = (self._schema.pandas_metadata or {}).get("index_columns", [])
        features = [
            name for name in self.names if self._is_numeric(name) and name not in index
        ]
        if not features:
            raise ValueError(
                f"{str(self.path)!r} has no columns of numbers, only "
                f"{', '.join(self.names)}: write each feature as a column of numbers"
            )
        return features

    def numbers(self, names: Sequence[str]) -> NDArray[Any]:
        """The columns of these names.

        Raises:
            ValueError: If one is not of numbers.
        """
        for name in names:
            if not self._is_numeric(name):
                raise ValueError(
                    f"{str(self.path)!r}, column {name!r} is of type "
                    f"{self._schema.field(name).type}: choose columns of numbers with "
                    f"--columns"
                )
        table = self._read(names)
        return np.column_stack([table.column(name).to_numpy() for name in names])

    def column(self, name: str | None) -> NDArray[Any]:
        """The column of this name, or the only one.

        Raises:
            ValueError: If it is not named and there are others, or values are missing.
        """
        if name is None and len(self.names) != 1:
            raise ValueError(
                f"{str(self.path)!r} has {len(self.names)} columns: labels must be one"
            )
        name = self.names[0] if name is None else name
        column = self._read([name]).column(name)
        if column.null_count:
            raise ValueError(
                f"{str(self.path)!r}, column {name!r} lacks {column.null_count} "
                f"labels: every point must have one"
            )
        return np.array(column.to_pylist())

    def _is_numeric(self, name: str) -> bool:
        from pyarrow import types

        kind = self._schema.field(name).type
        return types.is_integer(kind) or types.is_floating(kind)

    def _read(self, names: Sequence[str]) -> Any:
        from pyarrow import parquet

        return parquet.read_table(self.path, columns=list(names))
