import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align import LeastSquares, MomentPreserving
from pyg_basis.align.moment_preserving import canonical_correlations
from tests.align.rows import normal, orthogonal


def moments(rows: Tensor) -> Tensor:
    return rows.T @ rows / len(rows)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_bases_of_one_space_are_carried_onto_each_other(seed: int, k: int) -> None:
    source, mixing = normal(seed, (40, k), (k, k))
    mixing = mixing + 3 * torch.eye(k).double()
    found = MomentPreserving().fit(source, source @ mixing)
    assert torch.allclose(found.linear, mixing, rtol=0, atol=1e-6)
    assert found.residual < 1e-6
    assert found.rank == k
    assert not found.shift.any()


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_moments_are_the_targets_and_no_rotation_is_closer(seed: int, k: int) -> None:
    source, target = normal(seed, (40, k), (40, k))
    mapped = MomentPreserving().fit(source, target).apply(source)
    assert torch.allclose(moments(mapped), moments(target), rtol=0, atol=1e-8)
    # In whitened coordinates every such map is a rotation: no other is closer.
    values, vectors = torch.linalg.eigh(moments(target))
    inverse = (vectors * values.rsqrt()) @ vectors.T
    best = ((mapped - target) @ inverse).square().sum()
    turn = orthogonal(seed + 1, k)
    for other in (turn, -turn):
        error = (mapped @ inverse @ other - target @ inverse).square().sum()
        assert error >= best - 1e-9


def test_what_is_not_shared_is_turned_and_not_shrunk() -> None:
    # Three columns of six orthonormal ones; the last is replaced by another.
    basis = torch.linalg.qr(normal(1, (60, 6))[0]).Q * 60**0.5
    target, source = basis[:, :3], basis[:, [0, 1, 3]]
    mapped = MomentPreserving().fit(source, target).apply(source)
    assert torch.allclose(mapped[:, :2], target[:, :2], rtol=0, atol=1e-9)
    assert torch.allclose(mapped[:, 2].abs(), source[:, 2].abs(), rtol=0, atol=1e-9)
    shrunk = LeastSquares().fit(source, target).apply(source)
    assert shrunk[:, 2].abs().max() < 0.2 * mapped[:, 2].abs().max()


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_rank_deficient_rows_are_finite(value: float) -> None:
    (rows,) = normal(14, (30, 3))
    constant = torch.full((30, 3), value, dtype=torch.double)
    for source, target in ((constant, rows), (rows, constant), (constant, constant)):
        found = MomentPreserving().fit(source, target)
        assert torch.isfinite(found.apply(source)).all()
        assert found.rank == (3 if source is rows else int(value > 0))


def test_correlations_of_known_angles() -> None:
    basis = torch.linalg.qr(normal(3, (50, 4))[0]).Q
    angle = torch.tensor(0.3).double()
    turned = angle.cos() * basis[:, 1] + angle.sin() * basis[:, 2]
    source = basis[:, :2] @ torch.tensor([[2.0, 1], [0, 3]]).double()
    target = torch.stack([basis[:, 0], turned], dim=1)
    found = canonical_correlations(source, target)
    expected = torch.stack([torch.ones(()).double(), angle.cos()])
    assert torch.allclose(found, expected, rtol=0, atol=1e-9)
    nothing = canonical_correlations(basis[:, :2], basis[:, 2:])
    assert nothing.abs().max() < 1e-9
