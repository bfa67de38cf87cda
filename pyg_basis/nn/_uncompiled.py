from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def uncompiled(method: Callable[P, T]) -> Callable[P, T]:
    r"""Keeps :func:`torch.compile` out of a method. Searches and eigensolves call
    NumPy and SciPy and branch on what they find: traced, they fall into dozens of
    graphs, most of them anew for every batch size, and gain nothing."""
    as_written: Callable[P, T] = torch.compiler.disable(method)
    return as_written
