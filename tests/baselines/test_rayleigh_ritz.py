from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.baselines._rayleigh_ritz import rayleigh_ritz
from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian

N, K = 80, 4


def operator_of(kind: Any = "sym") -> Laplacian:
    x = torch.rand(N, 2, generator=torch.Generator().manual_seed(0)).double()
    return laplacian(affinity(knn_graph(x, 8)), kind)


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def mixing(scales: list[float], seed: int = 0) -> Tensor:
    """An invertible matrix with these singular values."""
    left, right = (
        torch.linalg.qr(random(len(scales), len(scales), seed=s)).Q
        for s in (seed, seed + 1)
    )
    return left * torch.tensor(scales, dtype=torch.float64) @ right


def same_up_to_sign(rows: Tensor, expected: Tensor, atol: float) -> None:
    signs = (rows * expected).sum(dim=0).sign()
    torch.testing.assert_close(rows * signs, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("kind", ["sym", "comb"])
@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1e-3)]
)
def test_mixed_eigenvectors_are_found(kind: Any, dtype: Any, atol: float) -> None:
    operator = operator_of(kind)
    values, vectors = torch.linalg.eigh(operator.matrix.to_dense())
    exact = vectors[:, :K] * N**0.5
    rows = (exact @ mixing([0.1, 1, 5, 20])).to(dtype)
    matrix, found = rayleigh_ritz(rows, operator)
    assert matrix.dtype == found.dtype == dtype
    torch.testing.assert_close(found.double(), values[:K], atol=atol / 10, rtol=0)
    same_up_to_sign((rows @ matrix).double(), exact, atol)


@pytest.mark.parametrize("kind", ["sym", "comb"])
def test_any_rows(kind: Any) -> None:
    # Against the generalised problem, as SciPy solves it.
    scipy_linalg = pytest.importorskip("scipy.linalg")
    operator, z = operator_of(kind), random(N, K)
    matrix, found = rayleigh_ritz(z, operator)
    dense = operator.matrix.to_dense()
    values, vectors = scipy_linalg.eigh((z.T @ dense @ z).numpy(), (z.T @ z).numpy())
    np.testing.assert_allclose(found.numpy(), values, rtol=1e-9)
    y = z @ matrix
    same_up_to_sign(y, z @ torch.from_numpy(vectors) * N**0.5, 1e-9)
    torch.testing.assert_close(y.T @ y / N, torch.eye(K).double())
    torch.testing.assert_close(y.T @ dense @ y / N, torch.diag(found))
    exact = torch.linalg.eigvalsh(dense)
    assert (found >= exact[:K]).all() and (found <= exact[-K:]).all()


@pytest.mark.parametrize("kind", ["sym", "comb"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rows_of_a_lower_rank(kind: Any, dtype: Any) -> None:
    operator = operator_of(kind)
    values, vectors = torch.linalg.eigh(operator.matrix.to_dense())
    exact = vectors[:, :2] * N**0.5
    rows = (exact @ random(2, K)).to(dtype)
    matrix, found = rayleigh_ritz(rows, operator)
    embedding = (rows @ matrix).double()
    same_up_to_sign(embedding[:, :2], exact, 1e-3)
    assert embedding[:, 2:].abs().max() == 0
    torch.testing.assert_close(found[:2].double(), values[:2], atol=1e-5, rtol=0)
    # What is not there comes after all there could be.
    assert (found[2:] > values[-1]).all() and torch.isfinite(found).all()


@pytest.mark.parametrize("rows", [torch.zeros(N, K), torch.ones(N, K)])
def test_rows_that_are_equal(rows: Tensor) -> None:
    matrix, values = rayleigh_ritz(rows, operator_of("comb"))
    embedding = rows @ matrix
    expected = [float(rows[0, 0]), 0, 0, 0]
    assert embedding.abs().mean(dim=0).tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.isfinite(values).all()
    if rows[0, 0] > 0:
        assert float(values[0]) == pytest.approx(0, abs=1e-6)


@given(
    scales=st.lists(st.floats(0.1, 10), min_size=K, max_size=K),
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["sym", "comb"]),
)
def test_invertible_mixing_changes_nothing(
    scales: list[float], seed: int, kind: str
) -> None:
    operator, z = operator_of(kind), random(N, K)
    mixed = z @ mixing(scales, seed)
    (first, values), (second, others) = (
        rayleigh_ritz(rows, operator) for rows in (z, mixed)
    )
    torch.testing.assert_close(others, values, atol=1e-8, rtol=1e-8)
    same_up_to_sign(mixed @ second, z @ first, 1e-5)


def test_rows_that_are_trained_get_no_gradient() -> None:
    rows = random(N, K).requires_grad_()
    matrix, values = rayleigh_ritz(rows, operator_of())
    assert not matrix.requires_grad and not values.requires_grad
