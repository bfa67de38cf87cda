import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.eigen import _orthonormal_basis
from pyg_basis.eigen._orthonormal_basis import orthonormal_basis

EPS = torch.finfo(torch.float64).eps


def _block(n: int, p: int, closeness: float, seed: int = 0) -> torch.Tensor:
    """Columns of very different lengths, the more alike the nearer to 1."""
    generator = torch.Generator().manual_seed(seed)
    one, rest = (
        torch.randn(n, columns, generator=generator, dtype=torch.float64)
        for columns in (1, p)
    )
    block = closeness * one + (1 - closeness) * rest
    return block * 10.0 ** torch.linspace(-8, 8, p, dtype=torch.float64)


@given(
    n=st.integers(20, 60),
    p=st.integers(1, 12),
    closeness=st.sampled_from([0.0, 0.5, 0.9, 1 - 1e-7]),
    seed=st.integers(0, 100),
)
def test_orthonormal_and_of_the_same_span(n, p, closeness, seed) -> None:
    block = _block(n, p, closeness, seed)
    basis = orthonormal_basis(block)
    assert basis.is_contiguous()
    eye = torch.eye(p, dtype=torch.float64)
    assert (basis.t() @ basis - eye).abs().max() < 100 * EPS
    left = block - basis @ (basis.t() @ block)
    assert (left.norm(dim=0) < 1e3 * EPS * block.norm(dim=0)).all()


@pytest.mark.parametrize(
    ("closeness", "is_householder"), [(0.0, False), (0.9, False), (1 - 1e-4, True)]
)
def test_only_columns_nearly_parallel_take_householder(
    closeness, is_householder, monkeypatch
) -> None:
    called = []
    householder = torch.linalg.qr

    def noted(block):
        called.append(block)
        return householder(block)

    monkeypatch.setattr(_orthonormal_basis.torch.linalg, "qr", noted)
    orthonormal_basis(_block(200, 6, closeness))
    assert bool(called) == is_householder


@pytest.mark.parametrize("spoil", ["zero", "copy"])
def test_dependent_columns_still_give_orthonormal_ones(spoil) -> None:
    block = _block(50, 4, 0.0)
    block[:, 2] = 0 if spoil == "zero" else block[:, 1]
    basis = orthonormal_basis(block)
    eye = torch.eye(4, dtype=torch.float64)
    assert (basis.t() @ basis - eye).abs().max() < 100 * EPS


@pytest.mark.parametrize("closeness", [0.0, 0.9, 1 - 1e-4])
def test_spare_memory_changes_nothing(closeness) -> None:
    block = _block(200, 6, closeness)
    expected = orthonormal_basis(block)
    spare = torch.full_like(block, torch.nan)
    assert torch.equal(orthonormal_basis(block.clone(), spare), expected)
