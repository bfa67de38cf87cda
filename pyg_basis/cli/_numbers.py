from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_numbers(
    table: Any, names: list[str], path: Path, dtype: type[np.floating[Any]] = np.float64
) -> NDArray[Any]:
    """Converts columns of a data frame to a matrix.

    Raises:
        ValueError: If a column is not numeric. The error names it and the file.
    """
    try:
        return table[names].astype(dtype).to_numpy()
    except (TypeError, ValueError):
        for name in names:
            _check_column(table[name], name, path)
        raise


def _check_column(column: Any, name: str, path: Path) -> None:
    try:
        column.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r}, column {name!r}: {error}: correct it, leave it out with "
            f"--drop, or choose others with --columns"
        ) from error
