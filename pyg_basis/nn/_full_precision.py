from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from torch import nn

from pyg_basis.loader._without_autocast import without_autocast

M = TypeVar("M", bound=nn.Module)
P = ParamSpec("P")
T = TypeVar("T")


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
