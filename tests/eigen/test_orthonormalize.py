import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.eigen._orthonormalize import orthonormalize


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@given(st.integers(0, 1000), st.integers(1, 8), st.floats(-12, 0))
def test_orthonormal_for_any_conditioning(seed, columns, exponent) -> None:
    basis = torch.linalg.qr(_random(50, columns, seed=seed)).Q
    mixing = torch.logspace(exponent, 0, columns, dtype=torch.float64)
    block = basis * mixing @ _random(columns, columns, seed=seed + 1)
    result = orthonormalize(block)
    gram = result.t() @ result
    assert torch.allclose(gram, torch.eye(result.shape[1]).double(), atol=1e-12)


def test_spans_the_block_and_nothing_of_the_other() -> None:
    other = torch.linalg.qr(_random(60, 5)).Q
    block = _random(60, 4, seed=1)
    result = orthonormalize(block, other)
    assert result.shape == (60, 4)
    assert (other.t() @ result).abs().max() < 1e-14
    both = torch.cat([other, result], dim=1)
    assert torch.allclose(both @ (both.t() @ block), block)


def test_nearly_in_the_span_of_the_other() -> None:
    other = torch.linalg.qr(_random(60, 5)).Q
    block = other @ _random(5, 3, seed=1) + 1e-9 * _random(60, 3, seed=2)
    result = orthonormalize(block, other)
    assert result.shape == (60, 3)
    assert (other.t() @ result).abs().max() < 1e-13


def test_drops_what_is_dependent() -> None:
    block = _random(30, 3)
    block = torch.cat([block, block @ _random(3, 2, seed=1), torch.zeros(30, 1)], dim=1)
    assert orthonormalize(block).shape == (30, 3)
    assert orthonormalize(torch.zeros(30, 2).double()).shape == (30, 0)
    other = torch.linalg.qr(_random(30, 4)).Q
    assert orthonormalize(other[:, :2], other).shape == (30, 0)


def test_scale_of_columns_does_not_matter() -> None:
    block = _random(30, 3)
    scaled = block * torch.tensor([1e-250, 1.0, 1e250], dtype=torch.float64)
    result = orthonormalize(scaled)
    assert result.shape == (30, 3)
    assert torch.allclose(result @ (result.t() @ block), block)
