import numpy as np
import pytest
import torch

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
    assert np.abs(operator.to_scipy() @ basis).max() < 1e-13
    # The heaviest component comes first, and no more are given than asked for.
    assert np.flatnonzero(null_space.basis(1)).tolist() == list(range(12, 72))


@pytest.mark.parametrize("is_connected", [True, False])
def test_projection(union, path, is_connected) -> None:
    graph = path(50) if is_connected else union(path(20), path(30))
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    null_space = NullSpace.of(operator, tol=1e-6)
    block = torch.randn(50, 3, dtype=torch.float64)
    basis = torch.from_numpy(null_space.basis(50))
    expected = block - basis @ (basis.t() @ block)
    vector = null_space.project_out(block[:, 0].numpy())
    assert np.allclose(vector, expected[:, 0])
    single = block.float()
    assert null_space.project_out_(block) is block
    assert torch.allclose(block, expected)
    assert torch.allclose(null_space.project_out_(single), expected.float(), atol=1e-6)


def test_in_another_order(union, path) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(union(path(20), path(30))))
    null_space = NullSpace.of(operator, tol=1e-6)
    order = np.random.default_rng(0).permutation(50)
    reordered = null_space.reordered(order)
    assert np.array_equal(reordered.basis(2), null_space.basis(2)[order])


def test_nothing_is_known_of_plain_or_rounded_operators(neighbors) -> None:
    graph = neighbors(60)
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    plain = SymmetricOperator.from_tensor(operator.matrix)
    null_space = NullSpace.of(plain, tol=1e-6)
    assert null_space.dimension == 0
    assert null_space.basis(3).shape == (60, 0)
    assert null_space.project_out(np.ones(60)).tolist() == [1.0] * 60
    block = torch.rand(60, 2)
    assert torch.equal(null_space.project_out_(block.clone()), block)
    graph.edge_weight = graph.edge_weight.float()
    rounded = SymmetricOperator.from_laplacian(laplacian(graph))
    assert NullSpace.of(rounded, tol=1e-6).dimension == 1
    assert NullSpace.of(rounded, tol=1e-9).dimension == 0
