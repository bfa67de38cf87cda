import pytest
import torch

from pyg_basis.eigen import Dense, SymmetricOperator, eigenpairs
from pyg_basis.eigen._trivial_first import trivial_first, turned_to_trivial
from pyg_basis.graph import laplacian
from tests.no_host_reads import NoHostReads


def test_connected_graphs_stay_as_they_are(ring) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(ring(30)))
    pairs = Dense().solve(operator, 5)
    assert trivial_first(pairs, operator, 1e-15, 1e-6) is pairs


def test_span_and_order_are_kept(union, ring) -> None:
    operator = SymmetricOperator.from_laplacian(
        laplacian(union(ring(30), ring(20), ring(25)))
    )
    pairs = Dense().solve(operator, 7)
    turned = trivial_first(pairs, operator, 1e-15, 1e-6)
    assert torch.equal(turned.vectors[:, 0], operator.null_vector)
    assert torch.equal(turned.vectors[:, 3:], pairs.vectors[:, 3:])
    gram = turned.vectors.t() @ pairs.vectors
    assert torch.allclose(gram @ gram.t(), torch.eye(7).double(), atol=1e-12)
    assert (turned.values.diff() >= 0).all()
    assert turned.residuals.max() < 1e-14


@pytest.mark.parametrize("solver", ["dense", "lanczos", "lobpcg", "chebyshev"])
def test_a_single_vector_of_several_components(union, ring, solver) -> None:
    graph = laplacian(union(ring(30), ring(20), ring(25)))
    found = eigenpairs(graph, 1, solver).vectors[:, 0]
    assert torch.allclose(found, graph.trivial(), atol=1e-6)


def test_single_precision_null_space(union, neighbors) -> None:
    graph = union(neighbors(60), neighbors(80, seed=1))
    graph.edge_weight = graph.edge_weight.float()
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    pairs = Dense().solve(operator, 4)
    turned = trivial_first(pairs, operator, torch.finfo(torch.float32).eps, 1e-6)
    assert torch.equal(turned.vectors[:, 0], operator.null_vector)
    assert turned.residuals.max() < 1e-6


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sizes", [(75,), (30, 20, 25)])
def test_without_reading_anything(union, ring, sizes, sign) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(union(*map(ring, sizes))))
    pairs = Dense().solve(operator, 7)
    is_null = pairs.values < 1e-9
    assert is_null.sum() == len(sizes)
    with NoHostReads():
        turned = turned_to_trivial(sign * pairs.vectors, is_null, operator.null_vector)
    assert torch.equal(turned[:, 0], operator.null_vector)
    beyond = turned[:, len(sizes) :] - sign * pairs.vectors[:, len(sizes) :]
    assert beyond.abs().max() < 1e-12
    gram = turned.t() @ pairs.vectors
    assert torch.allclose(gram @ gram.t(), torch.eye(7).double(), atol=1e-12)
    image = operator.matrix @ turned
    assert (image - turned * pairs.values).norm(dim=0).max() < 1e-12


def test_orthonormal_where_the_null_space_has_more_room(union, ring) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(union(*[ring(9)] * 5)))
    basis = torch.linalg.qr(Dense().solve(operator, 5).vectors).Q
    is_null = torch.ones(3, dtype=torch.bool)
    turned = turned_to_trivial(basis[:, 1:4], is_null, operator.null_vector)
    assert torch.equal(turned[:, 0], operator.null_vector)
    assert torch.allclose(turned.t() @ turned, torch.eye(3).double(), atol=1e-12)
    assert (operator.matrix @ turned).norm() < 1e-12
