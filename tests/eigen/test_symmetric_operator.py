import numpy as np
import pytest
import torch

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.graph import laplacian


@pytest.mark.parametrize("kind", ["sym", "rw", "comb"])
def test_norm_bound_of_laplacians(neighbors, kind) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(neighbors(60), kind))
    norm = np.linalg.norm(operator.to_dense().numpy(), 2)
    assert norm <= operator.norm_bound <= 4 * norm
    assert operator.num_nodes == 60
    assert operator.matrix.dtype == torch.float64
    assert (operator.matrix @ operator.null_vector).abs().max() < 1e-14


@pytest.mark.parametrize("layout", ["strided", "sparse_csr", "sparse_coo"])
def test_plain_matrix(layout) -> None:
    matrix = torch.tensor([[1.0, -2.0], [-2.0, 1.0]])
    given = (
        matrix
        if layout == "strided"
        else matrix.to_sparse(layout=getattr(torch, layout))
    )
    operator = SymmetricOperator.from_tensor(given)
    assert operator.norm_bound == 3
    assert operator.null_vector is None
    assert torch.equal(operator.to_dense(), matrix.double())
    scipy = operator.to_scipy()
    assert np.array_equal(scipy @ np.eye(2), matrix.numpy())


def test_norm_bound_of_zero_is_replaced(isolated) -> None:
    assert SymmetricOperator.from_tensor(torch.zeros(3, 3)).norm_bound == 1
    empty = laplacian(isolated(3), "comb")
    assert SymmetricOperator.from_laplacian(empty).norm_bound == 1


def test_asymmetry_of_rounding_is_allowed() -> None:
    matrix = torch.ones(3, 3)
    matrix[0, 1] += 2e-7
    assert SymmetricOperator.from_tensor(matrix).num_nodes == 3
    with pytest.raises(ValueError, match="must be symmetric"):
        SymmetricOperator.from_tensor(matrix.double())


def test_rayleigh_ritz_within_an_invariant_basis() -> None:
    operator = SymmetricOperator.from_tensor(torch.diag(torch.arange(5.0)))
    basis = torch.eye(5, dtype=torch.float64)[:, [3, 1, 4]] @ torch.tensor(
        [[1.0, 2, 0], [0, 1, 5], [3, 0, 1]], dtype=torch.float64
    )
    pairs = operator.rayleigh_ritz(basis, 2, 1e-6, 7, "name")
    assert pairs.values.tolist() == pytest.approx([1, 3])
    assert pairs.converged
    assert (pairs.iterations, pairs.solver) == (7, "name")
    outside = torch.full((5, 1), 5**-0.5, dtype=torch.float64)
    pairs = operator.rayleigh_ritz(outside, 1, 1e-6, 7, "name")
    assert pairs.values.item() == pytest.approx(2)
    # |A v - 2 v| = sqrt(4 + 1 + 0 + 1 + 4) / sqrt(5), relative to the norm 4.
    assert pairs.residuals.item() == pytest.approx(2**0.5 / 4)
    assert not pairs.converged


def test_sparse_indices_are_short(neighbors) -> None:
    source = laplacian(neighbors(100))
    operator = SymmetricOperator.from_laplacian(source)
    matrix = operator.matrix
    assert matrix.crow_indices().dtype == matrix.col_indices().dtype == torch.int32
    assert torch.equal(matrix.to_dense(), source.matrix.to_dense())
    assert operator.laplacian is source
