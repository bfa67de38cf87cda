import numpy as np
import pytest
import torch

from pyg_basis.eigen import Lanczos, SymmetricOperator
from pyg_basis.graph import laplacian


def _multiple(multiplicity: int, n: int = 200) -> SymmetricOperator:
    """Eigenvalues 0, 1 (several times), then 2 and more, in a random basis."""
    values = torch.linspace(2, 3, n, dtype=torch.float64)
    values[0], values[1 : 1 + multiplicity] = 0, 1
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(n, n, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(random).Q
    matrix = basis @ (values.unsqueeze(1) * basis.t())
    return SymmetricOperator.from_tensor((matrix + matrix.t()) / 2)


@pytest.mark.parametrize("multiplicity", [1, 2, 5, 9])
def test_finds_all_copies_of_a_multiple_eigenvalue(multiplicity) -> None:
    pairs = Lanczos().solve(_multiple(multiplicity), multiplicity + 1)
    assert pairs.solver == "lanczos"
    assert pairs.converged
    assert pairs.values.tolist() == pytest.approx([0] + [1] * multiplicity, abs=1e-8)


@pytest.mark.parametrize("k", [2, 3, 8])
def test_null_space_of_identical_components(union, ring, k) -> None:
    graph = union(*(ring(40) for _ in range(3)))
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    pairs = Lanczos().solve(operator, k)
    step = 1 - np.cos(2 * np.pi / 40)
    expected = ([0] * 3 + [step] * 6)[:k]
    assert pairs.solver == "lanczos"
    assert pairs.values.tolist() == pytest.approx(expected, abs=1e-10)


def test_null_space_takes_no_iterations(union, ring) -> None:
    graph = union(*(ring(40) for _ in range(5)))
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    pairs = Lanczos().solve(operator, 5)
    assert pairs.iterations == 0
    assert pairs.residuals.max() < 1e-14


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e-30])
def test_multiple_of_the_identity(scale) -> None:
    operator = SymmetricOperator.from_tensor(scale * torch.eye(50))
    pairs = Lanczos().solve(operator, 4)
    assert pairs.converged
    assert pairs.values.tolist() == pytest.approx([scale] * 4, rel=1e-6)
    assert torch.linalg.matrix_rank(pairs.vectors) == 4


def test_rounded_laplacian_at_a_tight_tolerance(neighbors) -> None:
    # The null vectors of the exact matrix are not those of the rounded one.
    graph = neighbors(200)
    graph.edge_weight = graph.edge_weight.float()
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    pairs = Lanczos().solve(operator, 4, tol=1e-10)
    assert pairs.solver == "lanczos"
    assert pairs.converged


def test_unconverged_result_is_whole_and_says_so(path) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(2000)))
    pairs = Lanczos(max_iter=1).solve(operator, 6)
    assert not pairs.converged
    assert pairs.solver == "lanczos"
    assert pairs.vectors.shape == (2000, 6)
    assert pairs.vectors.isfinite().all()


def test_small_operators_go_to_the_dense_solver(path) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(30)))
    assert Lanczos().solve(operator, 11).solver == "dense"


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="max_iter=0 must be at least 1"):
        Lanczos(max_iter=0)
