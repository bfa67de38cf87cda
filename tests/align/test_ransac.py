import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_basis.align import RANSAC, LeastSquares, fit_affine
from tests.align.rows import normal


def with_outliers(
    seed: int,
    k: int = 3,
    num_anchors: int = 200,
    share: float = 0.3,
    noise: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Source, target, the map ``(linear, shift)`` and the mask of good anchors."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.double)

    source, linear, shift = normal(num_anchors, k), normal(k, k), normal(k)
    target = source @ linear + shift + noise * normal(num_anchors, k)
    order = torch.randperm(num_anchors, generator=generator)
    good = torch.ones(num_anchors, dtype=torch.bool)
    good[order[: round(share * num_anchors)]] = False
    # Gross: each in a direction of its own, far beyond the spread of the rest.
    error = torch.nn.functional.normalize(normal(num_anchors, k), dim=1)
    target[~good] += (
        10 * k**0.5 * error[~good] * (1 + normal(num_anchors, 1)[~good] ** 2)
    )
    return source, target, linear, shift, good


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [3, 10])
def test_recovers_a_known_map_from_gross_outliers(k, seed) -> None:
    source, target, linear, shift, good = with_outliers(seed, k)
    # Least squares is far off, or this would show nothing.
    assert (LeastSquares().fit(source, target).linear - linear).abs().max() > 0.1
    found = fit_affine(source, target, RANSAC(seed=seed))
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-6)
    assert torch.allclose(found.shift, shift, rtol=0, atol=1e-6)
    assert float(found.inlier_share) == pytest.approx(0.7)
    assert torch.equal(found.inliers, good)
    assert found.residual < 1e-10
    assert found.method == "ransac"


@pytest.mark.parametrize("k", [3, 10])
def test_noisy_anchors_are_averaged(k) -> None:
    # The refit leaves the least squares answer of the good anchors, not the
    # noisier map through k + 1 of them.
    source, target, _, _, good = with_outliers(1, k, noise=0.02)
    found = RANSAC().fit(source, target)
    expected = LeastSquares().fit(source[good], target[good])
    assert torch.allclose(found.linear, expected.linear, rtol=0, atol=1e-12)
    assert torch.isclose(found.residual, expected.residual, rtol=1e-9, atol=0)
    assert float(found.inlier_share) == pytest.approx(0.7)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_tolerance_is_relative_to_the_spread_of_the_target(factor) -> None:
    source, target, *_ = with_outliers(2, noise=0.3)
    one = RANSAC(tolerance=0.02).fit(source, target)
    other = RANSAC(tolerance=0.02).fit(source, factor * target + 5)
    assert 0.1 < one.inlier_share < 0.7
    assert torch.equal(one.inlier_share, other.inlier_share)
    assert torch.allclose(factor * one.linear, other.linear, rtol=1e-6)


@pytest.mark.parametrize("size", [1.0, 10.0, 1e4, 1e8])
@pytest.mark.parametrize("seed", range(6))
def test_gross_outliers_within_the_tolerance_are_dropped(seed, size) -> None:
    # Outliers widen the spread; some lie within a share of it by chance.
    source, target, linear, shift, good = with_outliers(seed)
    generator = torch.Generator().manual_seed(seed)
    error = torch.randn(200, 3, generator=generator, dtype=torch.double)
    target = source @ linear + shift + 4 * size * error * ~good[:, None]
    found = RANSAC(seed=seed).fit(source, target)
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-6)
    assert torch.allclose(found.shift, shift, rtol=0, atol=1e-6)
    assert float(found.inlier_share) == pytest.approx(0.7)


@pytest.mark.parametrize("k", [1, 3])
def test_normal_errors_are_kept(k) -> None:
    source, target, *_ = with_outliers(9, k, num_anchors=1000, share=0.0, noise=0.01)
    assert RANSAC().fit(source, target).inlier_share > 0.985


@pytest.mark.parametrize("seed", range(3))
def test_anchors_that_alone_fix_a_direction_are_no_outliers(seed) -> None:
    # Few draws hold all of them, and maps through few anchors carry much noise.
    source, target, linear, *_ = with_outliers(
        seed, k=10, num_anchors=100, share=0.0, noise=0.15
    )
    target -= source[:, 5:] @ linear[5:]
    source[:, 5:] *= 1e-6
    source[:5, 5:] = 10 * torch.eye(5)
    target += source[:, 5:] @ linear[5:]
    found = RANSAC(seed=seed).fit(source, target)
    assert found.method == "ransac" and found.inliers[:5].all()
    assert (found.linear - linear).norm() < 0.1 * linear.norm()
    assert found.rank == 10


@pytest.mark.parametrize("method", ["ransac", RANSAC(num_trials=20, tolerance=1e-9)])
def test_least_squares_when_nothing_agrees(method) -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(30, 10, generator=generator)
    target = torch.randn(30, 10, generator=generator)
    match = (
        r"RANSAC\(num_trials=.*, tolerance=.* found no affine map on which more than "
        "11 of 30 anchors agree: least squares .* raise the tolerance or num_trials"
    )
    with pytest.warns(RuntimeWarning, match=match) as record:
        found = fit_affine(source, target, method)
    assert len(record) == 1
    expected = fit_affine(source, target, "lstsq")
    assert torch.equal(found.linear, expected.linear)
    assert torch.equal(found.shift, expected.shift)
    assert torch.equal(found.residual, expected.residual)
    assert found.inlier_share == 1
    assert found.method == "lstsq"
    assert expected.consensus and not found.consensus


def test_one_batch_of_many_does_not_warn() -> None:
    # A training counts the batches without a consensus, and warns once.
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(30, 10, generator=generator) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not RANSAC().fit(source, target).consensus


@pytest.mark.parametrize("k", [2, 4])
def test_duplicated_anchors(k) -> None:
    # Most draws hold a point twice and fix no map.
    source, target, linear, _, _ = with_outliers(5, k, num_anchors=20, share=0.1)
    found = RANSAC().fit(source.repeat(10, 1), target.repeat(10, 1))
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-6)
    assert float(found.inlier_share) == pytest.approx(0.9)


def test_constant_target() -> None:
    source, *_ = with_outliers(6)
    found = RANSAC().fit(source, torch.full_like(source, 0.1))
    assert found.linear.abs().max() < 1e-12
    assert torch.allclose(found.shift, torch.tensor(0.1).double())
    assert found.residual == 0


@pytest.mark.usefixtures("untouched_global_generators")
def test_one_seed_gives_one_map() -> None:
    source, target, *_ = with_outliers(7, noise=0.3)
    # With a tight tolerance the map depends on which hypothesis won.
    aligners = [RANSAC(20, 0.02, seed) for seed in (0, 0, 1)]
    one, same, other = (aligner.fit(source, target) for aligner in aligners)
    assert torch.equal(one.linear, same.linear)
    assert torch.equal(one.shift, same.shift)
    assert one.method == other.method == "ransac"
    assert not torch.equal(one.linear, other.linear)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"num_trials": 0}, r"'num_trials' .* int in the range \[1, 1000000\]. Got 0"),
        ({"num_trials": 2.5}, "'num_trials' .* Got 2.5"),
        ({"num_trials": 10**7}, "'num_trials' .* Got 10000000"),
        (
            {"tolerance": 0.0},
            "'tolerance' .* float in the range .*. Got 0.0",
        ),
        ({"tolerance": float("nan")}, "'tolerance' .* Got nan"),
        ({"tolerance": "wide"}, "'tolerance' .* Got 'wide'"),
        ({"seed": "first"}, "'seed' .* Got 'first'"),
    ],
)
def test_bad_settings(settings, match) -> None:
    with pytest.raises(ValueError, match=match):
        RANSAC(**settings)


def test_settings_of_any_type_of_number() -> None:
    (rows,) = normal(0, (9, 2))
    settings = RANSAC(True, 2**70, np.int64(2))
    torch.testing.assert_close(settings.fit(rows, rows).apply(rows), rows)
