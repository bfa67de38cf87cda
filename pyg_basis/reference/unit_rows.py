from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pyg_basis._constraints import StrOptions

Metric = Literal["euclidean", "cosine"]
METRIC = [StrOptions(set(get_args(Metric)))]

# Bound of the rounding error of a norm, in units of the machine epsilon and of the
# square root of the number of its summands.
ROUNDING = 4


def unit_rows(x: Tensor, numbers: Sequence[int] | np.ndarray | None = None) -> Tensor:
    r"""Divides rows :obj:`[n, d]` by their Euclidean norms, for
    :obj:`metric="cosine"`. Then :math:`|x - y|^2 = 2 - 2 \cos(x, y)`.

    Rows whose norm is 1 up to the rounding of their own precision are left bitwise
    unchanged, so the division is idempotent. Rows in half precision become single
    precision.

    Args:
        x (Tensor): The rows.
        numbers (sequence of int, optional): Row numbers for error messages; by default
            they count from 0.

    Raises:
        ValueError: If a row is zero.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    # Squares of rows scaled to maximum 1 neither overflow nor all underflow.
    largest = x.detach().abs().amax(dim=1, keepdim=True)
    is_zero = largest == 0
    # Traced code cannot depend on values: rows of zeros become NaN there.
    is_traced = torch.compiler.is_compiling()
    if not is_traced and is_zero.any():
        row = int(is_zero.flatten().nonzero()[0])
        raise ValueError(
            f"metric='cosine' needs rows with a direction, and row "
            f"{row if numbers is None else int(numbers[row])} of the features is zero: "
            f"leave out such rows, or use metric='euclidean'"
        )
    norm = torch.linalg.vector_norm(x / largest, dim=1, keepdim=True)
    rounding = ROUNDING * torch.finfo(x.dtype).eps * x.size(1) ** 0.5
    is_unit = (largest * norm - 1).abs() <= rounding
    if not is_traced and is_unit.all():
        return x
    return x / largest.masked_fill(is_unit, 1) / norm.masked_fill(is_unit, 1)
