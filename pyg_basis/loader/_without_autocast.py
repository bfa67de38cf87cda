from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    r"""Computes in the precision of the tensors, also where :class:`torch.autocast`
    would round the factors of every product to the three digits of bfloat16."""
    # Where nothing is computed ("meta") there is no autocast to turn off.
    if not torch.amp.is_autocast_available(device.type):
        yield
        return
    with torch.autocast(device.type, enabled=False):
        yield
