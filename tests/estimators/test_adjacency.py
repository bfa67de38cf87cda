"""The graph as a matrix that is passed with the features."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse import coo_array, csc_matrix, csr_array
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from torch_geometric.data import Data

from pyg_basis import BASiSClustering
from pyg_basis.graph import as_data, laplacian
from pyg_basis.transforms import AddSpectralPE
from tests.estimators.inputs import Untrained, blocks, quick, same

pytestmark = pytest.mark.usefixtures("narrow_network")

DATA = blocks()
X = DATA.x.numpy()
W = csr_array((DATA.edge_weight.double(), DATA.edge_index.numpy()), (300, 300))
FORMS: dict[str, Any] = {
    "CSR array": lambda: W,
    "CSC matrix": lambda: csc_matrix(W),
    "COO": lambda: coo_array(W),
    "single precision": lambda: W.astype(np.float32),
    "truth values": lambda: W.astype(bool),
    "dense": lambda: W.toarray(),
    "with loops": lambda: W + csr_array(np.eye(300)),
    "networkx": lambda: nx.from_scipy_sparse_array(W),
    "Data": lambda: Data(edge_index=DATA.edge_index, num_nodes=300),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_what_the_same_data_does(form: str) -> None:
    expected = quick(max_iter=3).fit(DATA)
    assert same(quick(max_iter=3).fit(X, adjacency=FORMS[form]()), expected, X)


def test_weights_and_sparse_features() -> None:
    weight = W * csr_array(np.exp(-((X[:, None, 0] - X[None, :, 0]) ** 2)))
    edges = np.stack(weight.nonzero())
    values = torch.from_numpy(weight.tocsr()[tuple(edges)])
    data = Data(DATA.x, torch.from_numpy(edges).long(), edge_weight=values)
    found = quick(max_iter=3).fit(csr_array(X), adjacency=weight)
    assert same(found, quick(max_iter=3).fit(data), X)


def test_it_takes_the_place_of_edges_of_the_points() -> None:
    other = Data(x=DATA.x, edge_index=DATA.edge_index[:, :0])
    found = quick(max_iter=3).fit(other, adjacency=W)
    assert same(found, quick(max_iter=3).fit(DATA), X)


def test_clusters() -> None:
    clustering = BASiSClustering(3, basis=quick(max_iter=20), random_state=0)
    labels = clustering.fit_predict(X, adjacency=W)
    assert np.array_equal(labels, clustering.fit(DATA).labels_)


def test_a_neighbor_graph_of_another_library() -> None:
    neighbors = NearestNeighbors(n_neighbors=10).fit(X)
    directed = neighbors.kneighbors_graph()
    with pytest.raises(ValueError, match=r"adjacency must be symmetric.*W\.maximum"):
        quick(network=Untrained(3, 4)).fit(X, adjacency=directed)
    found = quick(max_iter=3).fit(X, adjacency=directed.maximum(directed.T))
    assert np.isfinite(found.transform(X)).all()
    radius = NearestNeighbors(radius=0.5).fit(X).radius_neighbors_graph()
    assert laplacian(radius).num_nodes == 300


def changed(i: int, j: int, value: float) -> csr_array:
    weight = W.tolil()
    weight[i, j] = value
    return csr_array(weight)


@pytest.mark.parametrize(
    ("adjacency", "text"),
    [
        (W[:200][:, :200], r"X has features of 300 nodes.* num_nodes=200: give"),
        (W[:200], r"adjacency has shape \(200, 300\), expected"),
        (np.ones(300), r"adjacency has shape \(300,\), expected"),
        (changed(0, 1, -1.0), r"adjacency must be .* not negative, got -1.0: leave"),
        (changed(0, 1, np.nan), "adjacency must be finite and .*, got nan: leave"),
        (changed(3, 3, np.inf), "adjacency must be finite and .*, got inf: leave"),
        (changed(0, 299, 1.0), r"adjacency must be symmetric.* \(W \+ W.T\) / 2"),
        (kneighbors_graph(X, 5), r"adjacency must be symmetric.*W\.maximum\(W.T\)"),
        (W * 1j, "Complex data not supported"),
        (3, "graph must be a .* adjacency matrix of scipy.sparse, got int"),
    ],
)
def test_matrices_that_cannot_be_used(adjacency: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){text}"):
        quick(network=Untrained(3, 4)).fit(X, adjacency=adjacency)


def test_neighbors_and_an_adjacency_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"graph='knn' .* adjacency .* graph='edges'"):
        quick(graph="knn", network=Untrained(3, 4)).fit(X, adjacency=W)
    found = quick(graph="edges", max_iter=3).fit(X, adjacency=W)
    assert same(found, quick(max_iter=3).fit(DATA), X)


def test_exact_encodings_and_laplacians_take_it_too() -> None:
    expected, found = AddSpectralPE(3)(DATA), AddSpectralPE(3)(W.astype(np.float32))
    assert torch.equal(found.spectral_pe, expected.spectral_pe)
    for matrix in (W, W.toarray()):
        assert torch.equal(
            laplacian(matrix).matrix.to_dense(),
            laplacian(as_data(W)).matrix.to_dense(),
        )
    assert as_data(W.astype(np.float32)).edge_weight.dtype == torch.float32
