"""Keeps lower precision and compilation away from what cannot bear them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)
P = ParamSpec("P")
T = TypeVar("T")


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


def full_precision(
    method: Callable[Concatenate[M, P], T],
) -> Callable[Concatenate[M, P], T]:
    r"""Runs a module's method in the precision of its buffers, also under
    :class:`torch.autocast`."""

    @wraps(method)
    def in_full(module: M, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with without_autocast(next(module.buffers()).device):
            return method(module, *args, **kwargs)

    return in_full


def uncompiled(method: Callable[P, T]) -> Callable[P, T]:
    r"""Keeps :func:`torch.compile` out of a method. Searches and eigensolves call
    NumPy and SciPy and branch on what they find: traced, they fall into dozens of
    graphs, most of them anew for every batch size, and gain nothing."""
    as_written: Callable[P, T] = torch.compiler.disable(method)
    return as_written
