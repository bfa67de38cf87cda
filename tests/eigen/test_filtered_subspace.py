import pytest
import torch

from pyg_basis.eigen import FilterWindow, SymmetricOperator
from pyg_basis.eigen.filtered_subspace import filtered_subspace
from pyg_basis.graph import laplacian
from tests.no_host_reads import NoHostReads

K = 4  # as many as there are clusters: a gap follows


@pytest.fixture(scope="module")
def operator(neighbors) -> SymmetricOperator:
    return SymmetricOperator.from_laplacian(laplacian(neighbors(300)))


@pytest.fixture(scope="module")
def matrix(operator) -> torch.Tensor:
    return operator.to_dense() / operator.norm_bound


@pytest.fixture(scope="module")
def answer(matrix) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.linalg.eigh(matrix)


@pytest.fixture(scope="module")
def window(operator, answer) -> FilterWindow:
    window = FilterWindow.of(operator, answer[0][:17] * operator.norm_bound, K)
    assert window is not None
    return window


def noise(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float(torch.linalg.matrix_norm(exact - found @ (found.t() @ exact), 2))


@pytest.mark.parametrize("width", [2, K, K + 3])
def test_start_near_the_answer(matrix, answer, window, width) -> None:
    values, vectors = answer
    start = vectors[:, :width] + 0.01 * noise(300, width)
    found = filtered_subspace(matrix, K, window, start)
    assert bool(found.converged)
    assert error(found.vectors, vectors[:, :K]) < 1e-6
    assert torch.allclose(found.values[:K], values[:K], rtol=0, atol=1e-12)
    assert found.values[K] >= values[K] - 1e-12
    assert torch.allclose(
        found.vectors.t() @ found.vectors, torch.eye(K).double(), atol=1e-12
    )


@pytest.mark.parametrize(
    "start",
    [
        torch.full((300, K), torch.nan).double(),
        torch.zeros(300, K).double(),
        torch.ones(300, K).double(),
        noise(300, K),
    ],
)
def test_any_start_is_judged_truly(matrix, answer, window, start) -> None:
    found = filtered_subspace(matrix, K, window, start)
    assert found.vectors.isfinite().all()
    off = error(found.vectors, answer[1][:, :K])
    assert not bool(found.converged) or off < 1e-5


def test_start_of_other_eigenvectors_does_not_pass(matrix, answer, window) -> None:
    found = filtered_subspace(matrix, K, window, answer[1][:, 40 : 40 + K])
    off = error(found.vectors, answer[1][:, :K])
    assert not bool(found.converged) or off < 1e-5


def test_not_finite_is_not_converged(matrix, answer, window) -> None:
    broken = matrix.clone()
    broken[3, 5] = broken[5, 3] = torch.nan
    try:
        found = filtered_subspace(broken, K, window, answer[1][:, :K])
    except torch.linalg.LinAlgError:
        return  # torch says so itself where it can
    assert not bool(found.converged)


def test_the_host_reads_nothing(matrix, answer, window) -> None:
    with NoHostReads():
        filtered_subspace(matrix, K, window, answer[1][:, :K])


def test_seeded(matrix, answer, window) -> None:
    start = answer[1][:, :K] + 0.1 * noise(300, K)
    one = filtered_subspace(matrix, K, window, start, seed=3)
    same = filtered_subspace(matrix, K, window, start, seed=3)
    assert torch.equal(one.vectors, same.vectors)


@pytest.mark.parametrize(
    ("wanted", "missing", "crowd", "cut"),
    [(0.1, 0.102, 0.11, 0.2), (0.02, 0.0202, 0.0203, 0.1)],
)
def test_a_crowd_below_the_cut_is_not_believed(wanted, missing, crowd, cut) -> None:
    values = torch.linspace(0.24, 1.9, 512, dtype=torch.float64)
    values[:10] = torch.linspace(0, wanted, 10, dtype=torch.float64)
    values[10], values[11:51], values[-1] = missing, crowd, 2.0
    start = torch.eye(512, dtype=torch.float64)[:, [*range(9), *range(10, 17)]]
    window = FilterWindow(wanted / 2, cut / 2, 1.0, 6)
    found = filtered_subspace(torch.diag(values) / 2, 10, window, start)
    exact = torch.eye(512, dtype=torch.float64)[:, :10]
    assert not bool(found.converged) or error(found.vectors, exact) < 1e-5
