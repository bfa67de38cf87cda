import pytest
import torch

from pyg_basis.eigen import ChebyshevSubspace, SymmetricOperator
from pyg_basis.eigen.chebyshev import _Search
from pyg_basis.graph import laplacian


def _operator(graph) -> SymmetricOperator:
    return SymmetricOperator.from_laplacian(laplacian(graph))


def test_single_precision_is_enough_for_a_loose_tolerance(
    neighbors, reference, subspace_error, monkeypatch
) -> None:
    precisions = []
    refine = _Search.refine

    def noted(search, dtype, goal, max_products):
        precisions.append(dtype)
        return refine(search, dtype, goal, max_products)

    monkeypatch.setattr(_Search, "refine", noted)
    graph = neighbors(600)
    loose = ChebyshevSubspace().solve(_operator(graph), 4, tol=1e-5)
    assert precisions == [torch.float32]
    assert loose.converged
    assert loose.residuals.max() <= 1e-5
    tight = ChebyshevSubspace().solve(_operator(graph), 4, tol=1e-10)
    assert precisions[1:] == [torch.float32, torch.float64]
    assert tight.converged
    assert tight.residuals.max() <= 1e-10
    exact = reference(graph, "sym", 4)[1]
    assert subspace_error(tight.vectors, exact) < 1e-7
    assert subspace_error(loose.vectors, exact) < 1e-3


@pytest.mark.parametrize("tol", [1e-5, 1e-10])
def test_vectors_are_orthonormal_in_double_precision(neighbors, tol) -> None:
    pairs = ChebyshevSubspace().solve(_operator(neighbors(600)), 5, tol=tol)
    eye = torch.eye(5, dtype=torch.float64)
    assert torch.allclose(pairs.vectors.t() @ pairs.vectors, eye, atol=1e-12)


def test_copies_of_an_eigenvalue_are_all_found(ring) -> None:
    # Every eigenvalue of a ring but the first is double.
    pairs = ChebyshevSubspace().solve(_operator(ring(400)), 9, tol=1e-8)
    turn = 2 * torch.pi / 400 * torch.tensor([0, 1, 1, 2, 2, 3, 3, 4, 4]).double()
    assert pairs.solver == "chebyshev"
    assert pairs.converged
    assert torch.allclose(pairs.values, 1 - turn.cos(), atol=1e-10)


def test_null_space_alone_takes_no_product(union, ring) -> None:
    operator = _operator(union(*(ring(40) for _ in range(5))))
    pairs = ChebyshevSubspace().solve(operator, 5)
    assert pairs.iterations == 0
    assert pairs.residuals.max() < 1e-14


def test_the_seed_decides_and_repeats(neighbors) -> None:
    operator = _operator(neighbors(600))
    first, again, other = (
        ChebyshevSubspace().solve(operator, 4, tol=1e-5, seed=seed)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.vectors, again.vectors)
    assert not torch.equal(first.vectors, other.vectors)


def test_what_gets_nowhere_is_given_up_and_says_so(path) -> None:
    # The gaps of a long path are far below what a filter can tell apart.
    pairs = ChebyshevSubspace().solve(_operator(path(20_000)), 6)
    assert not pairs.converged
    assert pairs.vectors.shape == (20_000, 6)
    assert pairs.vectors.isfinite().all()
    assert pairs.iterations < 2000


def test_max_products_end_the_work(neighbors) -> None:
    pairs = ChebyshevSubspace(max_products=20).solve(
        _operator(neighbors(600)), 4, tol=1e-9
    )
    assert not pairs.converged
    assert pairs.iterations < 40


def test_small_operators_go_to_the_dense_solver(path) -> None:
    assert ChebyshevSubspace().solve(_operator(path(70)), 4).solver == "dense"


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="max_products=0 must be at least 1"):
        ChebyshevSubspace(max_products=0)
