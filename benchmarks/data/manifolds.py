"""Sphere and torus in more dimensions than they need, and files of their points."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DIMENSION = 16
# Rows of a file that are drawn at a time.
BLOCK = 1_000_000


def turned(x: Tensor, seed: int = 0) -> Tensor:
    """Points of the sphere in 16 dimensions: the same distances, no axis special."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(DIMENSION, DIMENSION, generator=generator)
    return x @ torch.linalg.qr(square).Q[:3]


def torus(num_points: int, seed: int) -> Tensor:
    """Points of the product of four circles in 8 dimensions, whose coordinates are its
    first eight eigenfunctions."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(num_points, 4, generator=generator)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def torus_eigenfunctions(x: Tensor) -> Tensor:
    """The constant, the coordinates, and the products of those of two circles."""
    circles = x.view(len(x), 2, 4).unbind(dim=2)
    waves = [2**0.5 * circle for circle in circles]
    columns = [torch.ones(len(x), 1), *waves]
    for first, second in combinations(waves, 2):
        columns.append((first[:, :, None] * second[:, None, :]).flatten(1))
    return torch.cat(columns, dim=1)


def write_points(
    path: Path, num_points: int, draw: Callable[[int, int], Tensor]
) -> None:
    """Writes blocks of points, each drawn with its number for a seed, to a file that
    can be mapped."""
    shape = (num_points, DIMENSION)
    points = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for start in range(0, num_points, BLOCK):
        stop = min(start + BLOCK, num_points)
        points[start:stop] = draw(stop - start, start // BLOCK).numpy()
