from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.graph import laplacian
from tests.eigen.graphs import KINDS, neighbors


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_laplacian(kind: Any) -> None:
    graph = neighbors(60)
    graph.edge_weight = graph.edge_weight.float()
    operator = SymmetricOperator.of(laplacian(graph, kind))
    norm = np.linalg.norm(operator.matrix.to_dense().numpy(), 2)
    assert norm <= operator.norm_bound <= 4 * norm
    assert 0.5 < operator.norm_bound <= 1
    assert operator.num_nodes == 60
    assert operator.matrix.dtype == torch.float64
    assert operator.matrix.col_indices().dtype == torch.int32
    trivial = operator.null_space.trivial
    assert np.abs(operator.to_scipy() @ trivial).max() < 1e-6
    assert np.linalg.norm(trivial) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("layout", ["strided", "sparse_csr", "sparse_coo"])
def test_of_a_plain_matrix(layout: str) -> None:
    matrix = torch.tensor([[1.0, -2.0], [-2.0, 1.0]])
    sparse = layout != "strided"
    given = matrix.to_sparse(layout=getattr(torch, layout)) if sparse else matrix
    operator = SymmetricOperator.of(given)
    assert (operator.norm_bound, operator.exponent) == (0.75, 2)
    assert operator.null_space.dimension == 0
    assert torch.equal(4 * operator.matrix.to_dense(), matrix.double())
    assert np.array_equal(4 * operator.to_scipy() @ np.eye(2), matrix.numpy())


def test_norm_bound_of_zero_is_replaced() -> None:
    assert SymmetricOperator.of(torch.zeros(3, 3)).norm_bound == 1
    empty = laplacian(nx.empty_graph(3), "comb")
    assert SymmetricOperator.of(empty).norm_bound == 1


def test_asymmetry_of_rounding_is_allowed() -> None:
    matrix = torch.ones(3, 3)
    matrix[0, 1] += 2e-7
    assert SymmetricOperator.of(matrix).num_nodes == 3
    with pytest.raises(ValueError, match="must be symmetric"):
        SymmetricOperator.of(matrix.double())


def test_residuals_are_relative_to_the_norm() -> None:
    operator = SymmetricOperator.of(torch.diag(torch.arange(5.0)))
    basis = torch.full((5, 1), 5**-0.5, dtype=torch.float64)
    pairs = operator.rayleigh_ritz(basis, 1, 1e-6, 7, "name")
    assert (pairs.iterations, pairs.solver) == (7, "name")
    assert operator.unscaled(pairs.values).item() == pytest.approx(2)
    # |A v - 2 v| = sqrt(4 + 1 + 0 + 1 + 4) / sqrt(5), relative to the norm 4.
    assert pairs.residuals.item() == pytest.approx(2**0.5 / 4)
    assert not pairs.converged
    assert operator.rayleigh_ritz(basis, 1, 0.36, 7, "name").converged


@pytest.mark.parametrize("entry", [5e-324, 1e-310, 1e-200, 1.0, 1e200, 1.7e308])
def test_no_digit_is_lost_by_scaling(entry: float) -> None:
    matrix = torch.full((3, 3), entry, dtype=torch.float64)
    operator = SymmetricOperator.of(matrix)
    assert 0.5 < operator.norm_bound <= 1
    assert 0.1 < operator.matrix[0, 0] < 0.5
    assert torch.equal(operator.unscaled(operator.matrix), matrix)
