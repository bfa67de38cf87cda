import torch

from pyg_basis.eigen import Dense, SymmetricOperator
from pyg_basis.eigen._trivial_first import trivial_first
from pyg_basis.graph import laplacian


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


def test_single_precision_null_space(union, neighbors) -> None:
    graph = union(neighbors(60), neighbors(80, seed=1))
    graph.edge_weight = graph.edge_weight.float()
    operator = SymmetricOperator.from_laplacian(laplacian(graph))
    pairs = Dense().solve(operator, 4)
    turned = trivial_first(pairs, operator, torch.finfo(torch.float32).eps, 1e-6)
    assert torch.equal(turned.vectors[:, 0], operator.null_vector)
    assert turned.residuals.max() < 1e-6
