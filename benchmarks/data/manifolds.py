"""Sphere and torus in more dimensions than they need, their first eigenfunctions, and
files of their points."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_basis.datasets import circle_eigenfunctions, sphere, sphere_eigenfunctions

DIMENSION = 16
# Rows of a file that are drawn at a time.
BLOCK = 1_000_000


class Manifold(NamedTuple):
    """Random points of a manifold, and its eigenfunctions at them up to a level."""

    draw: Callable[..., Tensor]
    functions: Callable[[Tensor, int], Tensor]
    dimension: int

    def points(self, num_points: int, seed: int) -> Tensor:
        return turned(self.draw(num_points, seed))

    def eigenfunctions(self, points: Tensor, level: int) -> Tensor:
        return self.functions(points @ directions(self.dimension).T, level)


def turned(x: Tensor, seed: int = 0) -> Tensor:
    """Points in 16 dimensions: the same distances, no axis special."""
    return x @ directions(x.size(1), seed)


def directions(num_directions: int, seed: int = 0) -> Tensor:
    """Some that are orthonormal, in 16 dimensions."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(DIMENSION, DIMENSION, generator=generator)
    return torch.linalg.qr(square).Q[:num_directions]


def torus(num_points: int, seed: int) -> Tensor:
    """Points of the product of four circles in 8 dimensions, whose coordinates are its
    first eight eigenfunctions."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(num_points, 4, generator=generator)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def torus_eigenfunctions(x: Tensor, highest: int = 2) -> Tensor:
    """Products of one eigenfunction of each circle, up to an eigenvalue: the highest
    sum of their squared frequencies. 1, 2 and 4 give 9, 33 and 89 columns."""
    most = 2 * int(highest**0.5) + 1  # of a circle: one constant, two a frequency
    circles = [circle_eigenfunctions(x[:, [i, 4 + i]], most) for i in range(4)]
    chosen = {
        columns: sum(((column + 1) // 2) ** 2 for column in columns)
        for columns in product(range(most), repeat=4)
    }
    ordered = sorted(chosen, key=lambda columns: chosen[columns])
    return torch.stack(
        [
            torch.stack([c[:, i] for c, i in zip(circles, columns, strict=True)]).prod(
                0
            )
            for columns in ordered
            if chosen[columns] <= highest
        ],
        dim=1,
    )


MANIFOLDS = {
    "sphere": Manifold(sphere, sphere_eigenfunctions, 3),
    "torus": Manifold(torus, torus_eigenfunctions, 8),
}


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
