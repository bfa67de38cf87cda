import torch
from torch import Tensor


def drop_self(index: Tensor) -> Tensor:
    r"""Take each node out of its own row: :math:`[n, c + 1]` to :math:`[n, c]`.

    Rows come nearest first. With duplicates a node need not be first in its own
    row, nor in it at all; then the farthest entry goes instead, so that every row
    loses exactly one.
    """
    n, width = index.shape
    node = torch.arange(n, device=index.device).unsqueeze(1)
    drop = index == node
    drop[:, -1] |= ~drop.any(dim=1)
    return index[~drop].view(n, width - 1)
