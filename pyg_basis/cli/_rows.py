from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_basis.cli._parquet import write_parquet


def write_rows(
    path: Path,
    name: str,
    blocks: Iterable[Any],
    num_rows: int,
    columns: Sequence[str],
    kept: Iterable[Any] | None = None,
) -> None:
    """Writes blocks of rows, ``[m, K]`` or ``[m]``. Files of .npy and .parquet are
    written block by block, other types from memory. The columns to keep, as record
    batches, are for .parquet."""
    suffix = path.suffix.lower()
    with open(path, "wb") as file:
        if suffix == ".npy":
            for block in blocks:
                if file.tell() == 0:
                    header = np.lib.format.header_data_from_array_1_0(block)
                    header["shape"] = (num_rows, *block.shape[1:])
                    np.lib.format.write_array_header_1_0(file, header)
                block.tofile(file)
            return
        if suffix == ".parquet":
            write_parquet(file, blocks, columns, kept)
            return
        rows = np.concatenate(list(blocks))
        if suffix == ".npz":
            arrays: dict[str, Any] = {name: rows}
            np.savez(file, **arrays)
            return
        import pandas as pd

        table = pd.DataFrame(rows, columns=list(columns))
        table.to_csv(file, sep="\t" if suffix == ".tsv" else ",", index=False)
