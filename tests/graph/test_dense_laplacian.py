import pytest
import torch

from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.graph.dense_laplacian import dense_laplacian
from tests.no_host_reads import NoHostReads


def points(n: int, d: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["sym", "comb"])
@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.35])
@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize("d", [1, 4, 70])
def test_equals_the_sparse_one(kind, bandwidth, offset, d) -> None:
    x = points(90, d) / d**0.5 + offset
    found, are_certain = dense_laplacian(x, 7, bandwidth, kind)
    assert are_certain
    expected = laplacian(affinity(knn_graph(x, 7), bandwidth), kind)
    assert torch.allclose(found.matrix, expected.matrix.to_dense(), rtol=1e-9)
    assert torch.allclose(found.degree, expected.degree, rtol=1e-9)
    assert torch.equal(found.matrix, found.matrix.t())
    assert found.kind == kind


@pytest.mark.parametrize("far", [1e6, 1e12])
def test_an_outlier_takes_no_digits_from_the_others(far) -> None:
    x = points(90)
    x[13] = far
    # Near pairs, whose distance the form |a|^2 + |b|^2 - 2ab loses first.
    x[40:60] = x[20:40] + 1e-6 * points(20)
    found, are_certain = dense_laplacian(x, 7)
    assert are_certain
    expected = laplacian(affinity(knn_graph(x, 7)))
    assert torch.allclose(found.matrix, expected.matrix.to_dense(), rtol=1e-6)


@pytest.mark.parametrize("bandwidth", ["self_tuning", "global"])
def test_duplicates(bandwidth) -> None:
    # More copies of a point than it has neighbours: its bandwidth is 0.
    x = torch.cat([points(40), points(1).expand(12, -1)])
    found, are_certain = dense_laplacian(x, 5, bandwidth)
    assert are_certain
    assert found.matrix.isfinite().all()
    assert (found.degree > 0).all()
    all_equal, _ = dense_laplacian(torch.ones(20, 3), 5, bandwidth)
    assert all_equal.matrix.isfinite().all()


@pytest.mark.parametrize("apart, is_fine", [(1e3, True), (1e6, False)])
def test_neighbours_that_roundoff_chose_are_not_certain(apart, is_fine) -> None:
    # Two clusters so far apart that the product's form has no digits left for either.
    x = 1e-3 * points(400)
    x[::2, 0] += apart
    found, are_certain = dense_laplacian(x, 7)
    expected = laplacian(affinity(knn_graph(x, 7)))
    is_right = torch.allclose(found.matrix, expected.matrix.to_dense(), rtol=1e-6)
    assert bool(are_certain) is is_right is is_fine


def test_ties_are_certain() -> None:
    lattice = torch.cartesian_prod(torch.arange(9.0), torch.arange(9.0))
    assert dense_laplacian(lattice, 7)[1]
    assert dense_laplacian(torch.eye(40), 7)[1]
    assert dense_laplacian(points(30).repeat(4, 1), 3)[1]


def test_the_host_reads_nothing() -> None:
    with NoHostReads():
        dense_laplacian(points(50), 5)
        dense_laplacian(points(50), 5, "global", "comb")


def test_unknown_bandwidth() -> None:
    with pytest.raises(ValueError, match="bandwidth must be"):
        dense_laplacian(points(20), 5, "wide")
