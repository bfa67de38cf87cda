import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_basis.datasets import (
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)


@pytest.mark.parametrize("manifold, dim", [(circle, 2), (sphere, 3)])
def test_points_are_uniform_on_the_manifold(manifold, dim):
    state = torch.get_rng_state()
    x = manifold(20_000, seed=1)
    assert x.shape == (20_000, dim) and x.dtype == torch.float32
    torch.testing.assert_close(x.norm(dim=1), torch.ones(20_000))
    assert float(x.mean(dim=0).abs().max()) < 0.02
    covariance = x.T @ x / len(x)
    torch.testing.assert_close(covariance, torch.eye(dim) / dim, atol=0.01, rtol=0)
    assert torch.equal(x, manifold(20_000, seed=1))
    assert not torch.equal(x, manifold(20_000, seed=2))
    assert torch.equal(torch.get_rng_state(), state)


def test_circle_eigenfunctions_on_a_regular_grid_are_orthonormal():
    t = torch.arange(360, dtype=torch.float64) * 2 * math.pi / 360
    values = circle_eigenfunctions(torch.stack([t.cos(), t.sin()], dim=1), 7)
    gram = values.T @ values / len(t)
    torch.testing.assert_close(gram, torch.eye(7, dtype=torch.float64))
    root = math.sqrt(2)
    expected = [torch.ones_like(t), root * t.cos(), root * t.sin()]
    expected += [root * (2 * t).cos(), root * (2 * t).sin()]
    torch.testing.assert_close(values[:, :5], torch.stack(expected, dim=1))


def test_sphere_eigenfunctions_of_degree_two_are_the_known_polynomials():
    points = sphere(500, seed=3).double()
    x, y, z = points.T
    root = math.sqrt
    expected = [
        torch.ones_like(x),
        root(3) * y,
        root(3) * z,
        root(3) * x,
        root(15) * x * y,
        root(15) * y * z,
        root(5) / 2 * (3 * z**2 - 1),
        root(15) * x * z,
        root(15) / 2 * (x**2 - y**2),
    ]
    # float32 points have norm 1 only to 1e-7.
    torch.testing.assert_close(
        sphere_eigenfunctions(points), torch.stack(expected, dim=1), atol=1e-6, rtol=0
    )


def test_sphere_eigenfunctions_are_orthonormal():
    # Exact quadrature: Gauss-Legendre in z, a regular grid in the angle.
    nodes, weights = np.polynomial.legendre.leggauss(12)
    z = torch.from_numpy(nodes).repeat_interleave(24)
    t = torch.arange(24, dtype=torch.float64).repeat(12) * 2 * math.pi / 24
    r = (1 - z**2).sqrt()
    points = torch.stack([r * t.cos(), r * t.sin(), z], dim=1)
    values = sphere_eigenfunctions(points, degree=5)
    weight = torch.from_numpy(weights).repeat_interleave(24) / 48
    gram = values.T @ (weight[:, None] * values)
    torch.testing.assert_close(gram, torch.eye(36, dtype=torch.float64))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), degree=st.integers(0, 6))
def test_addition_theorem(seed, degree):
    # Within a degree the squares sum to 2 l + 1 everywhere, poles included.
    points = torch.cat([sphere(20, seed=seed), torch.tensor([[0.0, 0.0, 1.0]])])
    squares = sphere_eigenfunctions(points.double(), degree).square()
    for ell in range(degree + 1):
        total = squares[:, ell**2 : (ell + 1) ** 2].sum(dim=1)
        torch.testing.assert_close(total, torch.full_like(total, 2 * ell + 1))


def test_only_the_direction_counts_and_the_dtype_stays():
    x = sphere(50, seed=0)
    values = sphere_eigenfunctions(x)
    assert values.shape == (50, 9) and values.dtype == torch.float32
    torch.testing.assert_close(sphere_eigenfunctions(3 * x), values)
    y = circle(50, seed=0)
    assert circle_eigenfunctions(y, 5).dtype == torch.float32
    torch.testing.assert_close(
        circle_eigenfunctions(0.5 * y, 5), circle_eigenfunctions(y, 5)
    )


@pytest.mark.parametrize("seed", [-1, 2**63, 0.0, "0", None])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(ValueError, match=r"'seed' parameter of circle .* Got"):
        circle(5, seed=seed)


def test_a_seed_may_come_from_numpy():
    assert torch.equal(sphere(5, seed=np.int64(3)), sphere(5, seed=3))


def test_bad_input():
    for manifold in (circle, sphere):
        with pytest.raises(ValueError, match=r"'num_points' .* Got 0"):
            manifold(0)
    with pytest.raises(ValueError, match=r"'num_functions' .* Got 0"):
        circle_eigenfunctions(circle(5), 0)
    with pytest.raises(ValueError, match=r"'degree' .* Got -1"):
        sphere_eigenfunctions(sphere(5), -1)
    with pytest.raises(ValueError, match=r"x must be .*\[n, 3\].*\(5, 2\)"):
        sphere_eigenfunctions(circle(5))
    with pytest.raises(ValueError, match=r"x must be .*int64"):
        circle_eigenfunctions(torch.ones(5, 2, dtype=torch.int64), 3)
    for bad in (0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"x must hold finite .*drop"):
            circle_eigenfunctions(torch.full((4, 2), bad), 3)
