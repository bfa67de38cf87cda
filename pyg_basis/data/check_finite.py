import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def check_finite(rows: Tensor, numbers: NDArray[np.int64] | None = None) -> None:
    r"""Raises a ValueError if some of the rows :obj:`[n, d]` of :obj:`X` are not
    finite. It names one of them, if their numbers :obj:`[n]` are given."""
    is_finite = torch.isfinite(rows).all(dim=1)
    if is_finite.all():
        return
    where = "in a sample of its points"
    if numbers is not None:
        where = f"as in row {numbers[int(is_finite.int().argmin())]} (counted from 0)"
    raise ValueError(
        f"X holds NaN or infinite values, {where}: leave such rows out, as by "
        f"X[np.isfinite(X).all(axis=1)], or fill them in, as by "
        f"sklearn.impute.SimpleImputer"
    )
