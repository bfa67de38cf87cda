import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align import Orthogonal
from tests.align.rows import normal, orthogonal


def rotation(seed: int, k: int, determinant: int) -> Tensor:
    """A random orthogonal matrix of determinant 1 or -1."""
    q = orthogonal(seed, k)
    q[:, 0] *= determinant * torch.linalg.det(q).sign()
    return q


@pytest.mark.parametrize("determinant", [1, -1])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_recovers_rotations_and_reflections_with_shift(k, determinant) -> None:
    q = rotation(k, k, determinant)
    source, shift = normal(11, (30, k), (k,))
    source = source + 4.0
    found = Orthogonal().fit(source, source @ q + shift)
    assert torch.allclose(found.linear, q, rtol=0, atol=1e-10)
    assert torch.allclose(found.shift, shift, rtol=0, atol=1e-9)
    assert found.residual < 1e-12
    assert found.rank == k
    assert found.inlier_share == 1


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_is_the_best_of_the_orthogonal_maps(seed, k) -> None:
    source, target = normal(seed, (20, k), (20, k))
    found = Orthogonal().fit(source, target)
    gram = found.linear.T @ found.linear
    assert torch.allclose(gram, torch.eye(k).double(), rtol=0, atol=1e-12)
    best = (found.apply(source) - target).square().sum()
    centered, target = source - source.mean(0), target - target.mean(0)
    for determinant in (1, -1):
        q = rotation(seed + 1, k, determinant)
        assert (centered @ q - target).square().sum() >= best - 1e-9


def test_distances_are_kept_where_least_squares_would_stretch() -> None:
    (source,) = normal(13, (30, 3))
    found = Orthogonal().fit(source, 7 * source)
    assert torch.allclose(found.linear, torch.eye(3).double(), atol=1e-12)
    assert torch.isclose(found.residual, torch.tensor(6 / 7).double())


@pytest.mark.parametrize("num_anchors", [7, 40, 250])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_constant_anchors_and_targets_are_finite(scale, num_anchors) -> None:
    (rows,) = normal(14, (num_anchors, 4))
    # Their means differ from the values in the last bits, which is no spread.
    constant = scale * torch.tensor([0.1, 0.7, 0.33, 1e3 / 3], dtype=torch.double)
    constant = constant.expand(num_anchors, 4)
    for source, target in ((constant, rows), (rows, constant), (constant, constant)):
        found = Orthogonal().fit(source, target)
        assert found.rank == 0
        gram = found.linear.T @ found.linear
        assert torch.allclose(gram, torch.eye(4).double(), rtol=0, atol=1e-12)
        assert torch.allclose(found.apply(source).mean(0), target.mean(0))
        assert 0 <= found.residual <= 1 + 1e-12


def test_rank_of_anchors_on_a_line() -> None:
    (source,) = normal(15, (30, 1))
    assert Orthogonal().fit(source.expand(-1, 3), source.expand(-1, 3)).rank == 1
