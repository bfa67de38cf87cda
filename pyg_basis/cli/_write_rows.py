from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Shape(NamedTuple):
    """What is known of a result before its rows are: what it is called, how many
    rows it has, and the names of its columns."""

    name: str
    num_rows: int
    columns: Sequence[str]


Blocks = Iterator[NDArray[Any]]


def write_rows(path: Path, blocks: Blocks, shape: Shape) -> None:
    """Writes blocks of rows, ``[m, K]`` or ``[m]``, as the suffix says. An .npy or
    .csv file grows block by block, the other kinds are written from memory."""
    WRITERS[path.suffix.lower()](path, blocks, shape)


def _write_npy(path: Path, blocks: Blocks, shape: Shape) -> None:
    start = 0
    for block in blocks:
        if start == 0:
            rows = np.lib.format.open_memmap(
                path, "w+", block.dtype, (shape.num_rows, *block.shape[1:])
            )
        rows[start : start + len(block)] = block
        start += len(block)
    rows.flush()


def _write_csv(path: Path, blocks: Blocks, shape: Shape) -> None:
    # As many digits as give the same number when they are read.
    formats = {"i4": "%d", "f4": "%.9g", "f8": "%.17g"}
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(shape.columns) + "\n")
        for block in blocks:
            np.savetxt(file, block, formats[block.dtype.str[1:]], delimiter=",")


def _write_npz(path: Path, blocks: Blocks, shape: Shape) -> None:
    arrays: dict[str, Any] = {shape.name: np.concatenate(list(blocks))}
    np.savez(path, **arrays)


def _write_parquet(path: Path, blocks: Blocks, shape: Shape) -> None:
    from pyarrow import parquet, table

    rows = np.concatenate(list(blocks)).reshape(shape.num_rows, -1)
    parquet.write_table(table(dict(zip(shape.columns, rows.T, strict=True))), path)


WRITERS: dict[str, Callable[[Path, Blocks, Shape], None]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
