from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pyg_basis._constraints import StrOptions

Metric = Literal["euclidean", "cosine"]
METRIC = [StrOptions(set(get_args(Metric)))]

# What rounding may add to a norm, in units of the machine epsilon and of the root of
# the number of squares that it is a sum of.
ROUNDING = 4


def unit_rows(x: Tensor, numbers: Sequence[int] | np.ndarray | None = None) -> Tensor:
    r"""Rows :obj:`[n, d]` divided by their Euclidean norms, as :obj:`metric="cosine"`
    takes them: :math:`|x - y|^2 = 2 - 2 \cos(x, y)` holds for them.

    Rows whose norm is 1 up to the rounding of their own precision are left as they are,
    to the last bit, so that dividing twice changes nothing. Rows in half precision
    become single ones.

    Args:
        x (Tensor): The rows.
        numbers (sequence of int, optional): What an error calls the rows; by default
            they are counted from 0.

    Raises:
        ValueError: If a row is zero.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    # Squares of what is divided by the largest entry neither overflow nor vanish.
    largest = x.detach().abs().amax(dim=1, keepdim=True)
    is_zero = largest == 0
    # Traced code cannot depend on values: there rows of zeros become NaN.
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
