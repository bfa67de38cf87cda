import pytest
import torch

from pyg_basis.eigen import LOBPCG, Dense, SymmetricOperator
from pyg_basis.graph import laplacian

K = 6


@pytest.fixture(scope="module")
def operator(neighbors) -> SymmetricOperator:
    return SymmetricOperator.from_laplacian(laplacian(neighbors(400)))


@pytest.fixture(scope="module")
def answer(operator):
    return Dense().solve(operator, 40)


def test_start_at_the_answer_only_waits_for_the_guards(operator, answer) -> None:
    pairs = LOBPCG().solve(operator, 4, answer.vectors[:, :4])
    assert pairs.iterations <= 2
    assert pairs.converged


def test_start_close_to_the_answer_saves_iterations(operator, answer) -> None:
    solver = LOBPCG(num_filters=0)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400, K, generator=generator, dtype=torch.float64)
    start = answer.vectors[:, :K] + 1e-6 * noise
    cold, warm = solver.solve(operator, K), solver.solve(operator, K, start)
    assert cold.converged
    assert warm.converged
    assert warm.iterations <= cold.iterations / 2
    assert torch.allclose(warm.values, answer.values[:K], atol=1e-9)


@pytest.mark.parametrize("num_filters", [0, 3])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x * torch.nan,
        lambda x: x.index_fill(1, torch.tensor([0, 3]), torch.inf),
        lambda x: x[:, :1].expand(-1, K),  # rank 1
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
def test_any_start_gives_the_answer(operator, answer, spoil, num_filters) -> None:
    start = spoil(answer.vectors[:, :K])
    pairs = LOBPCG(num_filters=num_filters).solve(operator, K, start, tol=1e-8)
    assert pairs.converged
    assert pairs.solver == "lobpcg"
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


@pytest.mark.parametrize("num_filters", [0, 3])
def test_start_orthogonal_to_the_answer(operator, answer, num_filters) -> None:
    wrong = answer.vectors[:, 20 : 20 + K]
    pairs = LOBPCG(num_filters=num_filters).solve(operator, K, wrong, tol=1e-8)
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


def test_start_that_lacks_the_second_eigenvector_of_a_path(path) -> None:
    # The gaps are so small that a guard takes long to find what is missing.
    operator = SymmetricOperator.from_laplacian(laplacian(path(300)))
    vectors = Dense().solve(operator, K + 1)
    pairs = LOBPCG().solve(operator, K, vectors.vectors[:, [0, *range(2, K + 1)]])
    assert pairs.converged
    assert torch.allclose(pairs.values, vectors.values[:K], atol=1e-8)


@pytest.mark.parametrize("num_guards", [1, 2, 20])
def test_number_of_guards(operator, answer, num_guards) -> None:
    pairs = LOBPCG(num_guards=num_guards).solve(operator, K, tol=1e-8)
    assert pairs.solver == "lobpcg"
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


def test_unconverged_result_says_so(path) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(1000)))
    pairs = LOBPCG(max_iter=5).solve(operator, K)
    assert pairs.iterations == 5
    assert not pairs.converged
    assert pairs.vectors.isfinite().all()


def test_residuals_are_those_of_the_vectors(operator) -> None:
    pairs = LOBPCG().solve(operator, K)
    product = operator.matrix @ pairs.vectors - pairs.vectors * pairs.values
    assert torch.allclose(product.norm(dim=0) / 2, pairs.residuals, atol=1e-14)


def test_tight_tolerance_is_reached(operator) -> None:
    # Directions that are roundoff must not spoil the basis near the end.
    pairs = LOBPCG(num_filters=0).solve(operator, K, tol=1e-13)
    assert pairs.converged


def test_small_operators_go_to_the_dense_solver(path) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(59)))
    assert LOBPCG().solve(operator, K).solver == "dense"


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_guards", 0), ("max_iter", 0), ("num_filters", -1), ("filter_degree", 0)],
)
def test_settings_out_of_range(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be at least"):
        LOBPCG(**{name: value})
