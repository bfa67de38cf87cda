import pytest
import torch

from pyg_basis.eigen._validation import check_k, check_solver, checked_matrix


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ([[1.0]], "operator must be a Laplacian or a tensor"),
        (torch.ones(2, 3), "must be a square matrix"),
        (torch.ones(0, 0), "at least one row"),
        (torch.ones(2, 2, dtype=torch.complex64), "must be real"),
        (torch.tensor([[torch.nan]]), "NaN or infinite"),
        (torch.tensor([[torch.inf]]).to_sparse(), "NaN or infinite"),
    ],
)
def test_operators_that_cannot_be_used(operator, text):
    with pytest.raises(ValueError, match=text):
        checked_matrix(operator)


@pytest.mark.parametrize("k", [0, -1, 5, 2.0, True, "3"])
def test_numbers_of_eigenpairs_that_cannot_be_had(k):
    check_k(4, 4)
    with pytest.raises(ValueError, match=r"from 1 to n, so ask for fewer"):
        check_k(k, 4)


def test_solvers_that_are_unknown():
    check_solver("dense", ["auto", "dense"])
    with pytest.raises(ValueError, match=r"solver='cg' is unknown: pass one of 'auto'"):
        check_solver("cg", ["auto", "dense"])
    with pytest.raises(ValueError, match="neither a name nor an object"):
        check_solver(3, ["auto"])
