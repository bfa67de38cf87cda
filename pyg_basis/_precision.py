"""Protects methods from lower precision and from compilation."""

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
    r"""Computes in the precision of the tensors, even if :class:`torch.autocast`
    would round the factors of every product to the three digits of bfloat16."""
    # On meta, nothing is computed, so autocast is irrelevant. (Asking torch.amp for it
    # breaks compiled graphs, at least up to torch 2.11.)
    if device.type == "meta":
        yield
        return
    with torch.autocast(device.type, enabled=False):
        yield


def full_precision(
    method: Callable[Concatenate[M, P], T],
) -> Callable[Concatenate[M, P], T]:
    r"""Runs a module's method in the precision of its buffers, even under
    :class:`torch.autocast`."""

    @wraps(method)
    def in_full(module: M, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with without_autocast(next(module.buffers()).device):
            return method(module, *args, **kwargs)

    return in_full


def uncompiled(method: Callable[P, T]) -> Callable[P, T]:
    r"""Excludes a method from :func:`torch.compile`. Searches and eigensolves call
    NumPy and SciPy and branch on values: traced, they would break into dozens of
    graphs, most of them recompiled for every batch size, without any benefit."""
    as_written: Callable[P, T] = torch.compiler.disable(method)
    return as_written
