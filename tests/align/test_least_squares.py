import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.align import LeastSquares
from tests.align.rows import normal

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 6)


@pytest.mark.parametrize("num_anchors", [11, 40])
@pytest.mark.parametrize("widths", [(1, 1), (10, 10), (2, 5), (5, 2)])
def test_recovers_a_known_map(widths, num_anchors) -> None:
    source, linear, shift = normal(0, (num_anchors, widths[0]), widths, widths[1:])
    found = LeastSquares().fit(source, source @ linear + shift)
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-10)
    assert torch.allclose(found.shift, shift, rtol=0, atol=1e-10)
    assert found.residual < 1e-12
    assert found.inlier_share == 1
    assert found.rank == widths[0]


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_recovers_columns_of_very_unequal_scale(factor) -> None:
    source, linear = normal(0, (60, 3), (3, 3))
    source[:, 1] *= factor
    found = LeastSquares().fit(source, source @ linear)
    assert found.rank == 3
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-6)


def test_agrees_with_torch_lstsq_on_noisy_anchors() -> None:
    source, target = normal(7, (50, 4), (50, 3))
    homogeneous = torch.cat([source, torch.ones(50, 1).double()], dim=1)
    expected = torch.linalg.lstsq(homogeneous, target).solution
    found = LeastSquares().fit(source, target)
    assert torch.allclose(found.linear, expected[:4], rtol=0, atol=1e-12)
    assert torch.allclose(found.shift, expected[4], rtol=0, atol=1e-12)
    error = (homogeneous @ expected - target).norm()
    width = (target - target.mean(0)).norm()
    assert torch.isclose(found.residual, error / width, rtol=1e-12, atol=0)


@given(seeds, sizes)
def test_equivariance(seed, k) -> None:
    # Moving the source changes the map, not what it gives; moving the target
    # moves what it gives.
    source, target, move, offset = normal(seed, (20, k), (20, k), (k, k), (k,))
    move += 3 * k * torch.eye(k)  # well conditioned
    expected = LeastSquares().fit(source, target).apply(source)
    moved = source @ move + offset
    found = LeastSquares().fit(moved, target).apply(moved)
    assert torch.allclose(found, expected, rtol=0, atol=1e-9)
    found = LeastSquares().fit(source, target @ move + offset).apply(source)
    assert torch.allclose(found, expected @ move + offset, rtol=0, atol=1e-9)


def test_rank_deficient_anchors_give_the_map_of_least_norm() -> None:
    basis, coordinates, target = normal(1, (2, 4), (30, 2), (30, 3))
    source = coordinates @ basis + 5.0
    found = LeastSquares().fit(source, target)
    assert found.rank == 2
    centered = source - source.mean(0)
    expected = torch.linalg.pinv(centered, rtol=1e-10) @ (target - target.mean(0))
    assert torch.allclose(found.linear, expected, rtol=0, atol=1e-10)
    # The fit is as good as in the coordinates the anchors do span.
    direct = LeastSquares().fit(coordinates, target)
    assert torch.isclose(found.residual, direct.residual, rtol=1e-10, atol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -3.3e-12])
def test_constant_anchors_are_mapped_to_the_mean(value) -> None:
    (target,) = normal(2, (30, 3))
    found = LeastSquares().fit(torch.full((30, 2), value, dtype=torch.double), target)
    assert found.rank == 0
    assert (found.linear == 0).all()
    assert torch.allclose(found.shift, target.mean(0))
    assert torch.isclose(found.residual, torch.ones(()).double())


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_no_spread(dtype, offset) -> None:
    # In single precision the third column is the sum of the others to 1e-7 only:
    # taken for spread, that would be a map of entries around 1e7.
    source, target = normal(8, (250, 3), (250, 3))
    source[:, 2] = source[:, 0] + source[:, 1]
    found = LeastSquares().fit((source + offset).to(dtype), target)
    assert found.rank == 2
    assert found.linear.abs().max() < 1


def test_little_spread_in_single_precision_is_kept() -> None:
    source, linear = normal(9, (250, 3), (3, 3))
    source[:, 2] *= 1e-3
    found = LeastSquares().fit(source.float(), source @ linear)
    assert found.rank == 3
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-3)


def test_residual_of_a_constant_target() -> None:
    # 0.1 has no exact mean; the rounding of it is no spread.
    (source,) = normal(4, (30, 2))
    target = torch.full((30, 2), 0.1, dtype=torch.double)
    assert LeastSquares().fit(source, target).residual == 0
