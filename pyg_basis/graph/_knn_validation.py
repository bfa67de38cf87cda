import operator

import torch
from torch import Tensor


def checked_neighbors(x: Tensor, k: int) -> int:
    r"""``k`` as an int, if features ``x`` :math:`[n, d]` are fit for a graph of that
    many neighbors."""
    if not isinstance(x, Tensor):
        raise ValueError(
            f"x must be a torch.Tensor of shape [n, d], got {type(x).__name__}: "
            "convert it with torch.as_tensor(x)"
        )
    if x.dim() != 2 or x.size(1) == 0:
        raise ValueError(
            f"x must have shape [n, d], one row a node and d >= 1, got "
            f"{tuple(x.shape)}: flatten each node's features with x.flatten(1), or "
            "add a column axis with x.unsqueeze(1)"
        )
    if not x.is_floating_point():
        raise ValueError(
            f"x must be floating point, got {x.dtype}: convert it with x.float()"
        )
    try:
        if isinstance(k, bool):
            raise TypeError
        k = operator.index(k)
    except TypeError:
        raise ValueError(
            f"k must be an integer, got {k!r}: pass the number of neighbors, for "
            "example k=50"
        ) from None
    if k < 1:
        raise ValueError(
            f"k must be at least 1, got {k}: pass the number of neighbors of a "
            "node, for example k=50"
        )
    n = x.size(0)
    if k >= n:
        raise ValueError(
            f"fewer nodes than neighbors: k={k} needs at least {k + 1} nodes (a "
            f"node is not its own neighbor), but x has {x.size(0)} rows: pass "
            f"k <= {max(n - 1, 0)} or more nodes"
        )
    if not bool(torch.isfinite(x).all()):
        rows = int((~torch.isfinite(x)).any(dim=1).sum())
        raise ValueError(
            f"x must be finite, got NaN or infinite features in {rows} of "
            f"{x.size(0)} rows: drop those rows or replace the values, for example "
            "with torch.nan_to_num(x)"
        )
    return k
