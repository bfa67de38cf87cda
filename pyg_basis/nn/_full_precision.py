from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)
P = ParamSpec("P")
T = TypeVar("T")


def full_precision(
    method: Callable[Concatenate[M, P], T],
) -> Callable[Concatenate[M, P], T]:
    r"""Runs a module's method in the precision of its buffers, also where
    :class:`torch.autocast` would round the factors of every product to the three
    digits of bfloat16."""

    @wraps(method)
    def without_autocast(module: M, /, *args: P.args, **kwargs: P.kwargs) -> T:
        device = next(module.buffers()).device.type
        # Where nothing is computed ("meta") there is no autocast to turn off.
        available = torch.amp.is_autocast_available(device)
        with torch.autocast(device, enabled=False) if available else nullcontext():
            return method(module, *args, **kwargs)

    return without_autocast
