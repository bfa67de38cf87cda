import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align import LeastSquares
from pyg_basis.align.least_squares import relative_residual, spread

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 6)


def normal(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.double) for s in shapes]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("widths", [(1, 1), (3, 3), (10, 10), (2, 5), (5, 2)])
def test_recovers_a_known_map(widths, seed) -> None:
    k_source, k_target = widths
    source, linear, shift = normal(seed, (40, k_source), widths, (k_target,))
    found = LeastSquares().fit(source, source @ linear + shift)
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-12)
    assert torch.allclose(found.shift, shift, rtol=0, atol=1e-12)
    assert found.residual < 1e-14
    assert found.inlier_share == 1
    assert found.rank == k_source
    assert found.method == "lstsq"


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_recovers_columns_of_very_unequal_scale(factor) -> None:
    source, linear = normal(0, (60, 3), (3, 3))
    source[:, 1] *= factor
    found = LeastSquares().fit(source, source @ linear)
    assert found.rank == 3
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-6)


def test_as_few_anchors_as_a_map_needs() -> None:
    source, linear, shift = normal(4, (4, 3), (3, 3), (3,))
    found = LeastSquares().fit(source, source @ linear + shift)
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-10)


def test_agrees_with_torch_lstsq_on_noisy_anchors() -> None:
    source, target = normal(7, (50, 4), (50, 3))
    homogeneous = torch.cat([source, torch.ones(50, 1).double()], dim=1)
    expected = torch.linalg.lstsq(homogeneous, target).solution
    found = LeastSquares().fit(source, target)
    assert torch.allclose(found.linear, expected[:4], rtol=0, atol=1e-12)
    assert torch.allclose(found.shift, expected[4], rtol=0, atol=1e-12)
    error = (homogeneous @ expected - target).square().sum(dim=1).mean().sqrt()
    width = (target - target.mean(0)).square().sum(dim=1).mean().sqrt()
    assert torch.isclose(found.residual, error / width, rtol=1e-12, atol=0)
    assert 0.5 < found.residual < 1


@given(seeds, sizes, sizes, st.floats(1e-4, 10))
def test_no_other_map_has_a_lower_error(seed, k_source, k_target, size) -> None:
    source, target, step, shift_step = normal(
        seed, (20, k_source), (20, k_target), (k_source, k_target), (k_target,)
    )
    found = LeastSquares().fit(source, target)

    def error(linear: Tensor, shift: Tensor) -> Tensor:
        return (source @ linear + shift - target).square().sum()

    other = error(found.linear + size * step, found.shift + size * shift_step)
    assert other > error(found.linear, found.shift)


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


@given(seeds)
def test_order_of_the_anchors_does_not_matter(seed) -> None:
    source, target = normal(seed, (20, 3), (20, 3))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    one = LeastSquares().fit(source, target)
    other = LeastSquares().fit(source[order], target[order])
    assert torch.allclose(one.linear, other.linear, rtol=0, atol=1e-12)


def test_rank_deficient_anchors_give_the_map_of_least_norm() -> None:
    basis, coordinates, target = normal(1, (2, 4), (30, 2), (30, 3))
    source = coordinates @ basis + 5.0
    found = LeastSquares().fit(source, target)
    assert found.rank == 2
    centred = source - source.mean(0)
    expected = torch.linalg.pinv(centred, rtol=1e-10) @ (target - target.mean(0))
    assert torch.allclose(found.linear, expected, rtol=0, atol=1e-10)
    # Directions without anchors are not used at all.
    unseen = torch.linalg.svd(basis).Vh[2:]
    assert (unseen @ found.linear).abs().max() < 1e-10
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


def test_singular_values_below_the_cutoff_count_as_zero() -> None:
    source, target = normal(3, (30, 2), (30, 2))
    source[:, 1] = source[:, 0] + 1e-4 * source[:, 1]
    assert LeastSquares().fit(source, target).rank == 2
    assert LeastSquares(relative_cutoff=1e-2).fit(source, target).rank == 1


def test_float32_comes_back_and_is_fitted_in_float64() -> None:
    source, linear, shift = normal(5, (40, 3), (3, 3), (3,))
    source, linear = (source + 1e3).float(), linear.float()
    target = source.double() @ linear.double() + shift
    found = LeastSquares().fit(source, target.float())
    for value in (found.linear, found.shift, found.residual, found.inlier_share):
        assert value.dtype == torch.float32
    # Offsets of 1000 would cost float32 three of its seven digits.
    expected = LeastSquares().fit(source.double(), target.float().double())
    assert torch.equal(found.linear, expected.linear.float())


def test_residual_of_a_constant_target() -> None:
    # 0.1 has no exact mean; the rounding of it is no spread.
    target = torch.full((30, 2), 0.1, dtype=torch.double)
    assert relative_residual(target, target) == 0
    assert relative_residual(target + 1, target) == 1
    assert relative_residual(target + 1, torch.zeros_like(target)) == 1


def test_spread_is_about_the_mean() -> None:
    target = torch.tensor([[1.0, 7.0], [3.0, 7.0]])
    assert torch.isclose(spread(target), torch.tensor(2.0).sqrt())
