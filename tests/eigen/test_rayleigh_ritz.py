import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.eigen.rayleigh_ritz import ritz_of_moments, ritz_pairs

EPS = torch.finfo(torch.float64).eps


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def symmetric(n: int) -> Tensor:
    return random(n, n) + random(n, n).t()


def test_pairs_of_an_invariant_space_are_eigenpairs() -> None:
    matrix = symmetric(30)
    values, vectors = torch.linalg.eigh(matrix)
    for given_matrix in (matrix, matrix.to_sparse_csr()):
        ritz = ritz_pairs(given_matrix, vectors[:, :6] @ random(6, 6))
        assert torch.allclose(ritz.values, values[:6])
        assert torch.allclose(ritz.image, matrix @ ritz.x)
        assert torch.allclose(ritz.image, ritz.x * ritz.values)


@given(
    n=st.integers(20, 60),
    p=st.integers(1, 12),
    # Columns that take one pass of Cholesky QR, two, and Householder's.
    closeness=st.sampled_from([0.0, 0.5, 0.9, 1 - 1e-7]),
    seed=st.integers(0, 100),
)
def test_vectors_are_orthonormal_and_of_the_same_span(n, p, closeness, seed) -> None:
    block = closeness * random(n, 1, seed=seed) + (1 - closeness) * random(n, p)
    block = block * 10.0 ** torch.linspace(-8, 8, p, dtype=torch.float64)
    spare = torch.full_like(block, torch.nan)
    expected = ritz_pairs(symmetric(n), block.clone())
    ritz = ritz_pairs(symmetric(n), block.clone(), spare)
    assert all(map(torch.equal, ritz, expected))
    eye = torch.eye(p, dtype=torch.float64)
    assert (ritz.x.t() @ ritz.x - eye).abs().max() < 100 * EPS
    left = block - ritz.x @ (ritz.x.t() @ block)
    assert (left.norm(dim=0) < 1e3 * EPS * block.norm(dim=0)).all()


@pytest.mark.parametrize("spoil", ["zero", "copy"])
def test_dependent_columns_still_give_orthonormal_ones(spoil: str) -> None:
    block = random(50, 4)
    block[:, 2] = 0 if spoil == "zero" else block[:, 1]
    x = ritz_pairs(symmetric(50), block).x
    assert (x.t() @ x - torch.eye(4)).abs().max() < 100 * EPS


def test_moments_of_dependent_functions() -> None:
    functions = random(40, 3)
    matrix, mass = symmetric(40), torch.diag(random(40).abs() + 1)
    stiffness, moments = (functions.t() @ m @ functions for m in (matrix, mass))
    expected = scipy.linalg.eigh(stiffness.numpy(), moments.numpy())[0]
    # Of five functions two are sums of the others.
    more = torch.cat([functions, functions @ random(3, 2, seed=1)], dim=1)
    stiffness, moments = (more.t() @ m @ more for m in (matrix, mass))
    values, vectors = ritz_of_moments(stiffness, moments, 1e-12)
    assert values.tolist() == pytest.approx(expected.tolist(), abs=1e-9)
    eye = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(vectors.t() @ moments @ vectors, eye, atol=1e-9)
