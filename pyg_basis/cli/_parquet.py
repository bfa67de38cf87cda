from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyg_basis.cli._numbers import as_numbers

# Rows read at a time, a multiple of the block size of BASiS.transform.
BLOCK_ROWS = 8192
# Rows per row group written: less than ten megabytes for ten columns, and enough for
# fast reading.
GROUP_ROWS = 16 * BLOCK_ROWS
# Bytes of each column read at a time: otherwise whole row groups are read.
BUFFER_SIZE = 2**16


class ParquetRows(NamedTuple):
    """Some columns of a Parquet file as numbers. Only some thousand rows are in memory
    at a time."""

    path: Path
    names: list[str]
    shape: tuple[int, int]
    dtype: type[np.floating[Any]]

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yields the rows in order, in blocks of some thousand."""
        for batch in read_batches(self.path, self.names):
            yield as_numbers(batch.to_pandas(), self.names, self.path, self.dtype)


def parquet_rows(path: Path, names: list[str], table: Any) -> ParquetRows:
    """Returns the columns of these names, with the types of an empty table. Rows are in
    single precision if all columns are."""
    import pyarrow.parquet as pq

    is_single = all(table[name].dtype in (np.float16, np.float32) for name in names)
    shape = pq.read_metadata(path).num_rows, len(names)
    return ParquetRows(path, names, shape, np.float32 if is_single else np.float64)


def read_batches(path: Path, names: list[str]) -> Iterator[Any]:
    """Yields record batches of these columns, in order; an empty one if there are no
    rows. Only some pages of each column are in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # By default, the whole file would be prefetched and kept.
        file = pq.ParquetFile(path, buffer_size=BUFFER_SIZE, pre_buffer=False)
        with file:
            if file.metadata.num_rows == 0:
                schema = pa.schema([file.schema_arrow.field(name) for name in names])
                yield pa.RecordBatch.from_pylist([], schema)
            else:
                yield from file.iter_batches(BLOCK_ROWS, columns=names)
    except Exception as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}") from error


def write_parquet(
    file: IO[bytes],
    blocks: Iterable[NDArray[Any]],
    columns: Sequence[str],
    kept: Iterable[Any] | None = None,
) -> None:
    """Writes blocks of rows, one row group at a time. Record batches with the same
    numbers of rows become columns to their left."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def as_batch(rows: NDArray[Any], others: Any) -> Any:
        names = [] if others is None else others.schema.names
        arrays = [] if others is None else others.columns
        numbers = rows.reshape(len(rows), len(columns)).T
        return pa.record_batch([*arrays, *numbers], [*names, *columns])

    batches = map(as_batch, blocks, repeat(None) if kept is None else kept)
    first = next(batches)
    with pq.ParquetWriter(file, first.schema) as writer:
        waiting = [first]
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
