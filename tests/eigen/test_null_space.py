import numpy as np
import pytest

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.graph import laplacian


@pytest.mark.parametrize("kind", ["sym", "rw", "comb"])
def test_basis_is_the_null_space(union, path, neighbors, isolated, kind) -> None:
    graph = union(path(10), isolated(2), neighbors(60))
    operator = SymmetricOperator.from_laplacian(laplacian(graph, kind))
    null_space = NullSpace.of(operator, tol=1e-6)
    assert null_space.dimension == 4
    basis = null_space.basis(4)
    assert np.allclose(basis.T @ basis, np.eye(4), atol=1e-14)
    assert (
        np.abs(operator.matrix.numpy(force=True) @ basis).max() < 1e-13
        if (operator.matrix.layout == "strided")
        else np.abs(operator.to_scipy() @ basis).max() < 1e-13
    )
    # The heaviest component comes first, and no more are given than asked for.
    assert np.flatnonzero(null_space.basis(1)).tolist() == list(range(12, 72))


@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_projection(union, path, shape) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    for graph in (path(50), union(path(20), path(30))):
        operator = SymmetricOperator.from_laplacian(laplacian(graph))
        null_space = NullSpace.of(operator, tol=1e-6)
        basis = null_space.basis(50)
        expected = x - basis @ (basis.T @ x)
        assert np.allclose(null_space.project_out(x), expected)
        single = null_space.project_out(x.astype(np.float32))
        assert single.dtype == np.float32
        assert np.allclose(single, expected, atol=1e-6)


def test_nothing_is_known_of_plain_or_rounded_operators(neighbors) -> None:
    graph = neighbors(60)
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    plain = SymmetricOperator.from_tensor(operator.matrix)
    null_space = NullSpace.of(plain, tol=1e-6)
    assert null_space.dimension == 0
    assert null_space.basis(3).shape == (60, 0)
    assert null_space.project_out(np.ones(60)).tolist() == [1.0] * 60
    graph.edge_weight = graph.edge_weight.float()
    rounded = SymmetricOperator.from_laplacian(laplacian(graph))
    assert NullSpace.of(rounded, tol=1e-6).dimension == 1
    assert NullSpace.of(rounded, tol=1e-9).dimension == 0
