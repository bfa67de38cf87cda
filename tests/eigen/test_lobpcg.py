import networkx as nx
import numpy as np
import pytest
import torch

from pyg_basis.eigen import LOBPCG, Dense, Eigenpairs, SymmetricOperator
from tests.eigen.graphs import neighbors, operator_of

K = 6


@pytest.fixture(scope="module")
def operator() -> SymmetricOperator:
    return operator_of(neighbors(400))


@pytest.fixture(scope="module")
def answer(operator: SymmetricOperator) -> Eigenpairs:
    return Dense().solve(operator, 40)


@pytest.mark.parametrize("noise", [0, 1e-6])
def test_start_close_to_the_answer_saves_iterations(operator, answer, noise) -> None:
    # The trivial vector, which is known, must not take the place of a guard.
    generator = torch.Generator().manual_seed(0)
    start = answer.vectors[:, : K + 6]
    start = start + noise * torch.randn(start.shape, generator=generator)
    cold, warm = (LOBPCG(start=x0).solve(operator, K) for x0 in (None, start))
    assert cold.converged and warm.converged
    assert warm.iterations <= cold.iterations / 4
    assert torch.allclose(warm.values, answer.values[:K], atol=1e-9)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x * torch.nan,
        lambda x: x.index_fill(1, torch.tensor([0, 3]), torch.inf),
        lambda x: x[:, :1].expand(-1, K),  # rank 1, in the null space
        lambda x: x[:, 1:2].expand(-1, K),
        lambda x: torch.zeros_like(x),
        lambda x: x[:, :2],
        lambda x: x * 1e-200,
        lambda x: x * 1e200,
        lambda x: torch.full_like(x, 1.7e308),
        lambda x: x.float(),
        lambda x: torch.cat([x, x.flip(0), x.roll(7, 0), x.roll(50, 0)], dim=1),
        lambda x: torch.eye(400).double(),
    ],
)
def test_any_start_gives_the_answer(operator, answer, spoil) -> None:
    solver = LOBPCG(start=spoil(answer.vectors[:, :K]))
    pairs = solver.solve(operator, K, tol=1e-8)
    assert pairs.converged
    assert pairs.solver == "lobpcg"
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


def test_start_orthogonal_to_the_answer(operator, answer) -> None:
    solver = LOBPCG(start=answer.vectors[:, 20 : 20 + K])
    pairs = solver.solve(operator, K, tol=1e-8)
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


def test_start_that_lacks_the_second_eigenvector_of_a_path() -> None:
    # The gaps are so small that a guard takes long to find what is missing.
    operator = operator_of(nx.path_graph(300))
    exact = Dense().solve(operator, K + 1)
    solver = LOBPCG(start=exact.vectors[:, [0, *range(2, K + 1)]])
    pairs = solver.solve(operator, K)
    assert pairs.converged
    assert torch.allclose(pairs.values, exact.values[:K], atol=1e-8)


@pytest.mark.parametrize("num_guards", [1, 2, 20])
def test_number_of_guards(operator, answer, num_guards) -> None:
    pairs = LOBPCG(num_guards=num_guards).solve(operator, K, tol=1e-8)
    assert pairs.solver == "lobpcg"
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


@pytest.mark.parametrize(
    "start", [torch.zeros(10), torch.eye(10).to_sparse(), np.eye(10), "x"]
)
def test_start_that_is_no_block_of_columns(start) -> None:
    with pytest.raises(ValueError, match=r"start must .*\[n, p\].*columns"):
        LOBPCG(start=start)


def test_start_of_another_operator(operator) -> None:
    with pytest.raises(ValueError, match=r"\[400, p\], got \[399, 2\]"):
        LOBPCG(start=torch.zeros(399, 2)).solve(operator, K)
