from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.graph import laplacian
from tests.eigen.graphs import KINDS, neighbors, operator_of, union


@pytest.mark.parametrize("kind", KINDS)
def test_basis_is_the_null_space_the_heaviest_component_first(kind: Any) -> None:
    graph = union(nx.path_graph(10), nx.empty_graph(2), neighbors(60))
    operator = SymmetricOperator.of(laplacian(graph, kind))
    null_space = operator.null_space
    basis = null_space.basis(9)
    assert basis.shape == (72, 4)
    assert np.allclose(basis.T @ basis, np.eye(4), atol=1e-14)
    assert np.abs(operator.to_scipy() @ basis).max() < 1e-13
    assert np.flatnonzero(null_space.basis(1)).tolist() == list(range(12, 72))


@pytest.mark.parametrize("num_components", [1, 2])
def test_projection(num_components: int) -> None:
    operator = operator_of(union(*[nx.path_graph(30)] * num_components))
    null_space = operator.null_space
    rows = 30 * num_components
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(rows, 3, generator=generator, dtype=torch.float64)
    basis = torch.from_numpy(null_space.basis(rows))
    expected = block - basis @ (basis.t() @ block)
    vector = null_space.project_out(block[:, 0].numpy())
    assert np.allclose(vector, expected[:, 0])
    single = null_space.project_out_(block.float())
    assert torch.allclose(single, expected.float(), atol=1e-6)
    assert null_space.project_out_(block) is block
    assert torch.allclose(block, expected)


def test_nothing_is_known_of_plain_operators() -> None:
    null_space = SymmetricOperator.of(operator_of(neighbors(60)).matrix).null_space
    assert null_space.dimension == 0
    assert null_space.basis(3).shape == (60, 0)
    assert null_space.project_out(np.ones(60)).tolist() == [1.0] * 60


@pytest.mark.parametrize("kind", KINDS)
def test_residual_shows_the_rounding_of_the_matrix(kind: Any) -> None:
    operator = laplacian(neighbors(60), kind)
    assert SymmetricOperator.of(operator).null_space.residual < 1e-13
    rounded = SymmetricOperator.of(operator.to(torch.empty(0)))
    assert 1e-9 < rounded.null_space.residual < 1e-5
    product = rounded.matrix @ torch.from_numpy(rounded.null_space.weights)
    assert rounded.null_space.residual == pytest.approx(product.norm().item())
