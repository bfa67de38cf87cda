import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from pyg_basis.eigen import ChebyshevSubspace, SymmetricOperator
from pyg_basis.eigen._hubs_first import hubs_first, reordered
from pyg_basis.graph import laplacian

SIZES = (60, 70, 80, 90, 100)


def _stars() -> Data:
    """Stars of these sizes. The hub of each, its last node, is tied to the next hub."""
    hub = torch.tensor(SIZES).cumsum(0) - 1
    leaf_to_hub = torch.stack(
        [torch.arange(sum(SIZES)), torch.repeat_interleave(hub, torch.tensor(SIZES))]
    )
    edges = torch.cat([leaf_to_hub, torch.stack([hub[:-1], hub[1:]])], dim=1)
    edges = edges[:, edges[0] != edges[1]]
    return Data(edge_index=to_undirected(edges), num_nodes=sum(SIZES))


def test_hubs_come_first_and_the_matrix_is_the_same() -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(_stars()))
    order = hubs_first(operator.matrix)
    matrix = reordered(operator.matrix, order)
    assert sorted(order[:5].tolist()) == [59, 129, 209, 299, 399]
    assert sorted(order.tolist()) == list(range(400))
    expected = operator.matrix.to_dense()[order][:, order]
    assert torch.equal(matrix.to_dense(), expected)
    assert matrix.col_indices().dtype == operator.matrix.col_indices().dtype


def test_without_hubs_nothing_is_moved(neighbors) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(neighbors(200)))
    assert hubs_first(operator.matrix) is None
    hub = SymmetricOperator.from_laplacian(laplacian(_stars())).to_dense()
    assert hubs_first(hub) is None


def test_solver_gives_rows_in_the_order_of_the_nodes(subspace_error) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(_stars()))
    values, vectors = torch.linalg.eigh(operator.to_dense())
    pairs = ChebyshevSubspace().solve(operator, 5, tol=1e-9)
    assert pairs.solver == "chebyshev"
    assert torch.allclose(pairs.values, values[:5], atol=1e-8)
    assert subspace_error(pairs.vectors, vectors[:, :5]) < 1e-6
