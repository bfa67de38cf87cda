from typing import Any

import torch
from torch import Tensor


def check_points(x: Any, num_features: int | None = None) -> None:
    r"""Raises a :class:`ValueError` unless :obj:`x` is a dense matrix of real numbers,
    :obj:`[n, d]`, with :obj:`num_features` columns."""
    is_tensor = isinstance(x, Tensor)
    if not is_tensor or x.layout != torch.strided or x.is_complex():
        given = f"{x.dtype} of {x.layout}" if is_tensor else type(x).__name__
        raise ValueError(
            f"x must be a dense tensor of real numbers, got {given}: convert it with "
            f"torch.as_tensor(x).float(), or x.to_dense()"
        )
    if x.dim() != 2 or x.size(1) != (num_features or max(x.size(1), 1)):
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected [nodes, "
            f"{num_features or 'features'}]: pass one row of features a node"
        )
