r"""The toy sets of Fig. 1: planar components that no straight line separates.

All have the signature ``name(num_points=9000, noise=..., seed=0)``: the number of
points, at least one per component; the standard deviation of Gaussian noise; the seed
of all random choices. All return shuffled points :obj:`[n, 2]` (float32) and component
numbers :obj:`[n]` (int64), and raise a :class:`ValueError` if an argument is out of
range.

They are designed for kNN graphs of random batches of 256 points. Random points on a
thin curve often leave gaps wider than their neighborhoods, so the bands are as thick as
the gaps between them allow. Of 200 such batches, with k = 10, at most 1.5 % join two
components and at most 2.5 % split one; with k = 8 it is 0.5 % and up to 13 %, with
k = 12 up to 7.5 % and 0.5 %.
"""

import math
from collections.abc import Callable
from numbers import Real

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from pyg_basis._constraints import SEED, at_least, check_arguments

ToySet = Callable[..., tuple[Tensor, Tensor]]


def three_moons(
    num_points: int = 9000, noise: float = 0.07, seed: int = 0
) -> tuple[Tensor, Tensor]:
    r"""Three half circles of radius 1, each reaching into the opening of the next."""

    def moon(index: int, t: Tensor) -> Tensor:
        # A pinwheel: centers on a circle of radius 0.8, each moon rotated by 120
        # degrees. Three moons in a row cannot interlock with gaps that wide.
        turn = 2.0 * math.pi * index / 3.0
        center = 0.8 * _on_circle(torch.tensor(turn, dtype=t.dtype))
        return center + _on_circle(math.pi * t + turn - 0.6)

    return _sample(moon, 3, num_points, noise, seed)


def two_moons(
    num_points: int = 9000, noise: float = 0.07, seed: int = 0
) -> tuple[Tensor, Tensor]:
    r"""Two half circles of radius 1, each reaching into the opening of the other."""

    def moon(index: int, t: Tensor) -> Tensor:
        sign = 1 - 2 * index
        offset = torch.tensor([-0.5, -0.05], dtype=t.dtype)
        return sign * (offset + _on_circle(math.pi * t))

    return _sample(moon, 2, num_points, noise, seed)


def circles(
    num_points: int = 9000, noise: float = 0.04, seed: int = 0
) -> tuple[Tensor, Tensor]:
    r"""Two concentric circles of radius 0.3 and 1."""

    def ring(index: int, t: Tensor) -> Tensor:
        return (0.3, 1.0)[index] * _on_circle(2.0 * math.pi * t)

    return _sample(ring, 2, num_points, noise, seed)


def spirals(
    num_points: int = 9000, noise: float = 0.05, seed: int = 0
) -> tuple[Tensor, Tensor]:
    r"""Two interleaved Archimedean spirals of 0.6 turns and outer radius 1."""
    # Points by arc length, denser near both ends: there, all neighbors are on one side,
    # so a neighborhood reaches twice as far and could include the other arm.
    grid = torch.linspace(0.0, 1.0, 4001, dtype=torch.float64)
    radius = 0.25 + 0.75 * grid
    speed = torch.sqrt(0.75**2 + (2.0 * math.pi * _TURNS * radius) ** 2)
    length = torch.cumulative_trapezoid(speed, grid)
    length = torch.cat([torch.zeros(1, dtype=grid.dtype), length])
    density = speed * (1.0 + (2.0 * length / length[-1] - 1.0) ** 4)
    share = torch.cat(
        [torch.zeros(1, dtype=grid.dtype), torch.cumulative_trapezoid(density, grid)]
    )
    share = share / share[-1]

    def arm(index: int, t: Tensor) -> Tensor:
        right = torch.searchsorted(share, t).clamp(1, len(grid) - 1)
        step = (t - share[right - 1]) / (share[right] - share[right - 1])
        position = (right - 1 + step) / (len(grid) - 1)
        angle = 2.0 * math.pi * _TURNS * position + math.pi * index
        return (0.25 + 0.75 * position).unsqueeze(1) * _on_circle(angle)

    return _sample(arm, 2, num_points, noise, seed)


def blobs(
    num_points: int = 9000, noise: float = 0.12, seed: int = 0
) -> tuple[Tensor, Tensor]:
    r"""Five Gaussian blobs: four at the corners of a square of side 2, one in its
    center."""

    def center(index: int, t: Tensor) -> Tensor:
        corners = ((0.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
        return torch.tensor(corners[index], dtype=t.dtype).expand(len(t), 2)

    return _sample(center, 5, num_points, noise, seed)


TOYS: dict[str, ToySet] = {
    "three_moons": three_moons,
    "two_moons": two_moons,
    "circles": circles,
    "spirals": spirals,
    "blobs": blobs,
}
r"""All toy sets by name."""

_TURNS = 0.6


def _on_circle(angle: Tensor) -> Tensor:
    r"""Points :obj:`[..., 2]` of the unit circle at given angles :obj:`[...]`."""
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def _sample(
    curve: Callable[[int, Tensor], Tensor],
    num_components: int,
    num_points: int,
    noise: float,
    seed: int,
) -> tuple[Tensor, Tensor]:
    r"""Draws noisy, shuffled points of :obj:`curve(component, t)`, t uniform in [0, 1).

    Components have equal numbers of points. If :obj:`num_points` is not divisible, the
    first ones have one more.
    """
    constraints = {
        "num_points": [at_least(num_components)],
        "noise": [Interval(Real, 0, math.inf, closed="left")],
        "seed": [SEED],
    }
    check_arguments(constraints, "toys", num_points=num_points, noise=noise, seed=seed)
    generator = torch.Generator().manual_seed(int(seed))
    parts, labels = [], []
    for index in range(num_components):
        size = (num_points - index + num_components - 1) // num_components
        t = torch.rand(size, generator=generator, dtype=torch.float64)
        parts.append(curve(index, t))
        labels.append(torch.full((size,), index))
    x = torch.cat(parts)
    x = x + noise * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    order = torch.randperm(num_points, generator=generator)
    return x[order].float(), torch.cat(labels)[order]
