import pytest
import torch

from pyg_basis.eigen import (
    LOBPCG,
    ChebyshevSubspace,
    Dense,
    Lanczos,
    SymmetricOperator,
)
from pyg_basis.eigen._solver_chain import DENSE_UP_TO, solver_chain


def _operator(n: int) -> SymmetricOperator:
    empty = torch.empty(0)
    crow = torch.zeros(n + 1, dtype=torch.int64)
    matrix = torch.sparse_csr_tensor(
        crow, empty.long(), empty.double(), (n, n), check_invariants=False
    )
    return SymmetricOperator(matrix, 1.0)


@pytest.mark.parametrize(
    ("n", "solver", "has_start", "expected"),
    [
        (100, "auto", False, [Dense]),
        (100, "auto", True, [Dense]),
        (512, "auto", False, [Lanczos, Dense]),
        (512, "auto", True, [Lanczos, Dense]),
        (5000, "auto", True, [LOBPCG, Lanczos, Dense]),
        (DENSE_UP_TO + 1, "auto", True, [LOBPCG, Lanczos]),
        (DENSE_UP_TO + 1, "auto", False, [Lanczos]),
        (DENSE_UP_TO + 1, "dense", False, [Dense]),
        (100, "lobpcg", False, [LOBPCG, Lanczos, Dense]),
        (100, "lanczos", False, [Lanczos, Dense]),
    ],
)
def test_choice(n, solver, has_start, expected) -> None:
    chain = solver_chain(solver, _operator(n), has_start, tol=1e-6)
    assert [type(solver) for solver in chain] == expected


def test_objects_come_first() -> None:
    own = LOBPCG(max_iter=7)
    chain = solver_chain(own, _operator(100), False, tol=1e-6)
    assert chain[0] is own
    assert [type(solver) for solver in chain] == [LOBPCG, Lanczos, Dense]


@pytest.mark.parametrize(
    ("n", "has_start", "expected"),
    [
        (512, False, [Lanczos, Dense]),
        (2000, False, [ChebyshevSubspace, Lanczos, Dense]),
        (DENSE_UP_TO + 1, False, [ChebyshevSubspace, Lanczos]),
        (5000, True, [LOBPCG, Lanczos, Dense]),
    ],
)
def test_single_precision_where_the_tolerance_allows(n, has_start, expected) -> None:
    chain = solver_chain("auto", _operator(n), has_start, tol=1e-5)
    assert [type(solver) for solver in chain] == expected
