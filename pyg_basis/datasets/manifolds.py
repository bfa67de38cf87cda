r"""Manifolds with closed-form Laplacian eigenfunctions."""

import math

import numpy as np
import torch
from scipy.special import eval_gegenbauer
from torch import Tensor

from pyg_basis._constraints import SEED, at_least, check_arguments

CONSTRAINTS = {
    "num_points": [at_least(1)],
    "num_functions": [at_least(1)],
    "degree": [at_least(0)],
    "seed": [SEED],
}


def circle(num_points: int, seed: int = 0) -> Tensor:
    r"""Uniform random points on the unit circle.

    Args:
        num_points (int): Number of points n, at least 1.
        seed (int, optional): Seed of the points. (default: :obj:`0`)

    Returns:
        Tensor: Points of norm 1, :obj:`[n, 2]` float32.

    Raises:
        ValueError: If :obj:`num_points` or :obj:`seed` is out of range.
    """
    return _uniform_sphere(num_points, 2, seed)


def sphere(num_points: int, seed: int = 0) -> Tensor:
    r"""Uniform random points on the unit sphere.

    Args:
        num_points (int): Number of points n, at least 1.
        seed (int, optional): Seed of the points. (default: :obj:`0`)

    Returns:
        Tensor: Points of norm 1, :obj:`[n, 3]` float32.

    Raises:
        ValueError: If :obj:`num_points` or :obj:`seed` is out of range.
    """
    return _uniform_sphere(num_points, 3, seed)


def circle_eigenfunctions(x: Tensor, num_functions: int) -> Tensor:
    r"""The first Laplacian eigenfunctions of the circle at given points.

    In order, :math:`1, \sqrt2\cos t, \sqrt2\sin t, \sqrt2\cos 2t,
    \sqrt2\sin 2t, \dots`, with eigenvalues 0, 1, 1, 4, 4, ... Only odd
    :obj:`num_functions` span a space that a graph can reproduce: even ones split a pair
    of equal eigenvalues.

    Args:
        x (Tensor): Nonzero points, :obj:`[n, 2]`; only their angle t counts.
        num_functions (int): Number of functions K, at least 1.

    Returns:
        Tensor: Values :obj:`[n, K]` in the dtype and on the device of :obj:`x`, with
        mean square 1 per column under the uniform measure.

    Raises:
        ValueError: If :obj:`x` is not a finite float tensor of nonzero points
            :obj:`[n, 2]`, or :obj:`num_functions` is below 1.
    """
    unit = _unit_points(x, 2)
    check_arguments(CONSTRAINTS, "circle_eigenfunctions", num_functions=num_functions)
    angle = torch.atan2(unit[:, 1], unit[:, 0])
    columns = [torch.ones_like(angle)]
    for index in range(1, num_functions):
        wave = torch.cos if index % 2 == 1 else torch.sin
        columns.append(math.sqrt(2.0) * wave((index + 1) // 2 * angle))
    return torch.stack(columns, dim=1).to(x.dtype)


def sphere_eigenfunctions(x: Tensor, degree: int = 2) -> Tensor:
    r"""The real spherical harmonics up to a degree at given points.

    They are sorted by degree :math:`\ell = 0, 1, \dots` and then by order
    :math:`m = -\ell, \dots, \ell`. Degree :math:`\ell` has :math:`2\ell + 1` functions
    of eigenvalue :math:`\ell(\ell + 1)`. They are the polynomials

    .. math::
        N_\ell^m \, \frac{d^m P_\ell}{dz^m}(z) \cdot
        \begin{cases} \mathrm{Re} \\ \mathrm{Im} \end{cases} (x + iy)^m,

    for degree 1 :math:`\sqrt3\,(y, z, x)`, without division near the poles.

    Args:
        x (Tensor): Nonzero points, :obj:`[n, 3]`; only their direction counts.
        degree (int, optional): Highest degree, at least 0; 2 gives 9 columns.
            (default: :obj:`2`)

    Returns:
        Tensor: Values :obj:`[n, (degree + 1)^2]` in the dtype and on the device of
        :obj:`x`, with mean square 1 per column under the uniform measure.

    Raises:
        ValueError: If :obj:`x` is not a finite float tensor of nonzero points
            :obj:`[n, 3]`, or :obj:`degree` is negative.
    """
    unit = _unit_points(x, 3)
    check_arguments(CONSTRAINTS, "sphere_eigenfunctions", degree=degree)
    x_unit, y_unit, z = unit.detach().cpu().numpy().T
    columns = []
    for ell in range(degree + 1):
        for m in range(-ell, ell + 1):
            order = abs(m)
            # The derivatives of Legendre polynomials are Gegenbauer polynomials.
            legendre = eval_gegenbauer(ell - order, order + 0.5, z)
            plane = (x_unit + 1j * y_unit) ** order
            # Mean square 1 under the uniform measure (4 pi times the usual square).
            square = (2 * ell + 1) * (2 if order else 1)
            ratio = math.factorial(ell - order) / math.factorial(ell + order)
            scale = math.sqrt(square * ratio) * math.prod(range(1, 2 * order, 2))
            columns.append(scale * legendre * (plane.imag if m < 0 else plane.real))
    return torch.from_numpy(np.stack(columns, axis=1)).to(x)


def _uniform_sphere(num_points: int, dim: int, seed: int) -> Tensor:
    r"""Uniform points :obj:`[num_points, dim]` on a sphere: normalized Gaussians."""
    check_arguments(
        CONSTRAINTS, ("circle", "sphere")[dim - 2], num_points=num_points, seed=seed
    )
    generator = torch.Generator().manual_seed(int(seed))
    x = torch.randn(num_points, dim, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=1).float()


def _unit_points(x: Tensor, dim: int) -> Tensor:
    r"""Checks points :obj:`[n, dim]` and returns their directions in float64."""
    if x.dim() != 2 or x.size(1) != dim or not x.is_floating_point():
        raise ValueError(
            f"x must be a float tensor of points [n, {dim}], got shape "
            f"{tuple(x.shape)} and dtype {x.dtype}; pass one point a row."
        )
    points = x.double()
    norm: Tensor = torch.linalg.vector_norm(points, dim=1, keepdim=True)
    if not bool((torch.isfinite(norm) & (norm > 0)).all()):
        raise ValueError(
            "x must hold finite points other than zero, got NaN, infinite or zero "
            "rows, which have no direction; drop these rows first."
        )
    return torch.div(points, norm)
