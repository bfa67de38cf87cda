import dataclasses

import pytest
import torch
from torch_geometric.data import Data

from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian

KINDS = ["sym", "rw", "comb"]


def random_graph() -> Data:
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).double()
    return affinity(knn_graph(x, 5))


@pytest.fixture(params=KINDS)
def operator(request: pytest.FixtureRequest) -> Laplacian:
    """A kNN graph with an isolated node, in each kind."""
    graph = random_graph()
    graph = Data(
        edge_index=graph.edge_index, edge_weight=graph.edge_weight, num_nodes=41
    )
    return laplacian(graph, request.param)


def test_repr() -> None:
    graph = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3)
    assert repr(laplacian(graph)) == ("Laplacian(kind='sym', num_nodes=3, num_edges=2)")


def test_symmetric_is_what_is_decomposed(operator: Laplacian) -> None:
    symmetric = operator.symmetric()
    assert symmetric.layout == torch.sparse_csr
    dense = symmetric.to_dense()
    torch.testing.assert_close(dense, dense.t(), rtol=1e-14, atol=0)
    if operator.kind != "rw":
        assert symmetric is operator.matrix
    else:
        root = torch.where(operator.degree > 0, operator.degree, 1.0).sqrt()
        expected = root[:, None] * operator.matrix.to_dense() / root
        torch.testing.assert_close(dense, expected, rtol=1e-14, atol=0)


def test_rw_has_the_symmetric_matrix_of_sym() -> None:
    graph = random_graph()
    torch.testing.assert_close(
        laplacian(graph, "rw").symmetric().to_dense(),
        laplacian(graph, "sym").matrix.to_dense(),
        rtol=1e-14,
        atol=1e-16,
    )


def test_eigenvectors_of_rw_come_from_the_symmetric_matrix() -> None:
    graph = random_graph()
    operator = laplacian(graph, "rw")
    values, vectors = torch.linalg.eigh(operator.symmetric().to_dense())
    vectors = vectors / operator.degree.sqrt()[:, None]
    product = operator.matrix.to_dense() @ vectors
    torch.testing.assert_close(product, vectors * values, rtol=0, atol=1e-12)


def test_trivial_is_a_unit_null_vector(operator: Laplacian) -> None:
    vector = operator.trivial()
    assert torch.linalg.vector_norm(vector).item() == pytest.approx(1, abs=1e-14)
    assert (operator.symmetric() @ vector).abs().max() < 1e-14
    reference = (
        torch.ones_like(vector) if operator.kind == "comb" else operator.degree.sqrt()
    )
    torch.testing.assert_close(vector, reference / torch.linalg.norm(reference))


@pytest.mark.parametrize("kind", KINDS)
def test_components(kind) -> None:
    edge_index = torch.tensor([[0, 2, 1, 4], [2, 0, 4, 1]])  # and node 3 alone
    components = laplacian(Data(edge_index=edge_index, num_nodes=5), kind).components
    assert components.tolist() == [0, 1, 0, 2, 1]
    connected = laplacian(Data(edge_index=edge_index[:, :2] // 2, num_nodes=2), kind)
    assert connected.components.tolist() == [0, 0]


def test_norm_bound(operator: Laplacian) -> None:
    norm = float(torch.linalg.matrix_norm(operator.symmetric().to_dense(), 2))
    assert norm <= operator.norm_bound <= 4 * norm


def test_frozen(operator: Laplacian) -> None:
    assert operator.num_nodes == 41
    with pytest.raises(dataclasses.FrozenInstanceError):
        operator.kind = "comb"  # type: ignore[misc]
