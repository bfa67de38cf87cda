import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from torch_geometric.data import Data

from pyg_basis.datasets import circle_eigenfunctions
from pyg_basis.graph import GivenGraph, density_normalized, knn_graph, laplacian
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding


def points(num_points: int, seed: int = 0) -> torch.Tensor:
    """Of the unit circle, with density 1 + .9 cos."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 4 * num_points)
    kept = rng.uniform(0, 1.9, len(angle)) < 1 + 0.9 * np.cos(angle)
    angle = angle[kept][:num_points]
    assert len(angle) == num_points
    return torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], axis=1))


def matrix(n: int = 30, seed: int = 0) -> csr_matrix:
    weight = np.random.default_rng(seed).random((n, n))
    weight *= weight > 0.5
    return csr_matrix(weight + weight.T)


@given(alpha=st.floats(0, 1), scale=st.sampled_from([1e-150, 1.0, 1e150]))
def test_weights_are_divided_by_powers_of_degrees(alpha: float, scale: float) -> None:
    weight = matrix()
    found = density_normalized(weight * scale, alpha).toarray()
    degree = weight.toarray().sum(axis=1) / weight.toarray().sum(axis=1).max()
    expected = weight.toarray() / np.outer(degree, degree) ** alpha
    np.testing.assert_allclose(found, scale * expected, rtol=1e-12)
    assert (found == found.T).all()


def test_weights_at_the_ends_of_the_range() -> None:
    weight = csr_matrix(np.array([[0, 1e-300, 0], [1e-300, 0, 1e300], [0, 1e300, 0]]))
    found = density_normalized(weight, 1.0)
    assert np.isfinite(found.toarray().sum(axis=1)).all() and (found.data > 0).all()


@pytest.mark.parametrize("kind", ["sym", "rw", "comb"])
def test_laplacians_of_normalized_weights(kind) -> None:
    graph = nx.karate_club_graph()
    weight = nx.to_scipy_sparse_array(graph, format="csr", dtype=float)
    normalized = density_normalized(csr_matrix(weight), 0.5)
    expected = laplacian(nx.from_scipy_sparse_array(normalized), kind)
    for found in (
        laplacian(graph, kind, 0.5),
        GivenGraph.from_data(graph, 0.5).laplacian(kind),
    ):
        torch.testing.assert_close(found.degree, expected.degree)
        torch.testing.assert_close(found.matrix.to_dense(), expected.matrix.to_dense())


def test_the_density_is_taken_out() -> None:
    x = points(3000)
    bandwidth = 0.5 * float(knn_graph(x, 400).edge_distance.median())
    distances = []
    for alpha in (0.0, 0.5, 1.0):
        embedding = ExactEmbedding(
            5, 400, bandwidth=bandwidth, drop_first=False, alpha=alpha
        )
        vectors = embedding(x).vectors
        distances.append(grassmann_distance(vectors, circle_eigenfunctions(x, 5)))
    assert distances[0] > 2 * distances[1] > 20 * distances[2]
    assert distances[2] < 0.02


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "1", None])
def test_what_is_refused(alpha) -> None:
    path = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    with pytest.raises(ValueError, match=r"'alpha' .* Got"):
        laplacian(path, alpha=alpha)
    with pytest.raises(ValueError, match=r"'alpha' .* Got"):
        ExactEmbedding(2, alpha=alpha)
