from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    r"""Computes in the precision of the tensors, also where :class:`torch.autocast`
    would round the factors of every product to the three digits of bfloat16."""
    # Where nothing is computed there is no autocast to turn off. (Asking torch.amp
    # whether there is breaks compiled graphs, up to torch 2.11 at least.)
    if device.type == "meta":
        yield
        return
    with torch.autocast(device.type, enabled=False):
        yield
