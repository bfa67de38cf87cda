import numpy as np
import pytest
import scipy.linalg
import torch

from pyg_basis.eigen import Dense, SymmetricOperator
from pyg_basis.graph import laplacian


@pytest.mark.parametrize("k", [1, 7, 119, 120])
def test_part_of_the_spectrum(ring, k) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(ring(120)))
    pairs = Dense().solve(operator, k)
    values = np.linalg.eigvalsh(operator.to_dense().numpy())
    assert np.allclose(pairs.values, values[:k])
    assert torch.allclose(
        pairs.vectors.t() @ pairs.vectors, torch.eye(k).double(), atol=1e-12
    )
    assert pairs.converged
    assert pairs.residuals.max() < 1e-14


def test_operator_is_left_as_it_was() -> None:
    matrix = torch.diag(torch.arange(6.0, dtype=torch.float64))
    before = matrix.clone()
    Dense().solve(SymmetricOperator.from_tensor(matrix), 2)
    assert torch.equal(matrix, before)


def test_failure_of_inverse_iteration(ring, monkeypatch) -> None:
    whole = scipy.linalg.eigh

    def fails(array, subset_by_index=None, **options):
        if subset_by_index is not None:
            raise np.linalg.LinAlgError("Internal Error.")
        return whole(array, **options)

    operator = SymmetricOperator.from_laplacian(laplacian(ring(50)))
    expected = Dense().solve(operator, 5).values
    monkeypatch.setattr(scipy.linalg, "eigh", fails)
    pairs = Dense().solve(operator, 5)
    assert pairs.converged
    assert torch.allclose(pairs.values, expected)
