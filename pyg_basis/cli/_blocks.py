from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

# Blocks that BASiS.transform makes itself: rows come out as in one call, to the bit.
from pyg_basis.estimators._source import BLOCK_ROWS


def blocks(rows: Any, what: str, quiet: bool) -> Iterator[Any]:
    """The rows of an array or a tensor in order, some thousands at a time, with a
    progress bar on stderr unless it is to be quiet."""
    with tqdm(
        total=len(rows), desc=what, unit=" points", disable=quiet, mininterval=1
    ) as progress:
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS]
            yield block
            progress.update(len(block))


def as_array(block: Any) -> NDArray[Any]:
    """The block as an array that NumPy can compute with."""
    if not isinstance(block, Tensor):
        return np.asarray(block)
    return (block.float() if block.dtype == torch.bfloat16 else block).numpy()
