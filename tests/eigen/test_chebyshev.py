import networkx as nx
import numpy as np
import pytest
import torch

from pyg_basis.eigen import ChebyshevSubspace, chebyshev
from pyg_basis.eigen.chebyshev import chebyshev_filter, log_growth
from tests.eigen.graphs import neighbors, operator_of


@pytest.mark.parametrize("degree", [1, 2, 5, 12])
def test_filter_is_the_scaled_chebyshev_polynomial(degree: int) -> None:
    values = torch.linspace(-0.5, 2, 40, dtype=torch.float64)
    block = torch.ones(40, 2, dtype=torch.float64)
    spare = torch.full_like(block, torch.nan)
    arguments = torch.diag(values), block, 0.1, 0.4, 2.0, degree, spare
    found, free = chebyshev_filter(*arguments)
    polynomial = np.polynomial.Chebyshev.basis(degree, domain=[0.4, 2.0])
    expected = polynomial(values.numpy()) / polynomial(0.1)
    assert np.allclose(found[:, 0], expected)
    assert torch.equal(found[:, 0], found[:, 1])
    assert {id(found), id(free)} == {id(block), id(spare)}
    # cosh(y) is exp(y) / 2 for large y.
    if degree == 12:
        growth = degree * log_growth(0.1, 0.4, 2.0)
        assert growth == pytest.approx(np.log(2 * abs(polynomial(0.1))), rel=1e-4)
        assert log_growth(0.5, 0.4, 2.0) == 0


def test_high_degrees_do_not_overflow() -> None:
    matrix = torch.diag(torch.linspace(0, 2, 30, dtype=torch.float64))
    block = torch.ones(30, 1, dtype=torch.float64)
    spare = torch.empty_like(block)
    found, _ = chebyshev_filter(matrix, block, 0.0, 1.0, 2.0, 2000, spare)
    assert found[0].item() == pytest.approx(1)
    assert found[15:].abs().max() < 1e-300


def test_single_precision_is_enough_for_a_loose_tolerance(monkeypatch) -> None:
    precisions = set()

    def noted(matrix, *arguments):
        precisions.add(matrix.dtype)
        return chebyshev_filter(matrix, *arguments)

    monkeypatch.setattr(chebyshev, "chebyshev_filter", noted)
    operator = operator_of(neighbors(600))
    for tol, expected in (
        (1e-5, {torch.float32}),
        (1e-10, {torch.float32, torch.float64}),
    ):
        pairs = ChebyshevSubspace().solve(operator, 5, tol=tol)
        assert precisions == expected
        assert pairs.converged and pairs.residuals.max() <= tol
        # In double precision either way.
        gram = pairs.vectors.t() @ pairs.vectors
        assert torch.allclose(gram, torch.eye(5).double(), atol=1e-12)
        precisions.clear()


def test_what_gets_nowhere_is_given_up() -> None:
    # The gaps of a long path are far below what a filter can tell apart.
    pairs = ChebyshevSubspace().solve(operator_of(nx.path_graph(20_000)), 6)
    assert not pairs.converged
    assert pairs.vectors.isfinite().all()
    assert pairs.iterations < 1500 < ChebyshevSubspace().max_products
