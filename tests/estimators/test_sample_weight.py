"""Points with weights: counts are repeated rows, and densities are undone."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, diags_array
from sklearn.datasets import make_moons
from torch_geometric.data import Data

from pyg_basis import BASiSClustering
from pyg_basis.datasets import circle_eigenfunctions
from pyg_basis.metrics import grassmann_distance
from tests.estimators.inputs import Untrained, learner, network, quick

pytestmark = pytest.mark.usefixtures("narrow_network")

X = np.random.default_rng(0).random((200, 3)).astype(np.float32)
COUNTS = np.random.default_rng(1).integers(0, 4, 200)
REPEATED = np.repeat(np.arange(200), COUNTS)
FORMS = {
    "array": np.asarray,
    "list": np.ndarray.tolist,
    "tensor": torch.from_numpy,
    "csr": csr_array,
}


@pytest.mark.parametrize("form", FORMS)
def test_whole_numbers_are_repeated_rows(form: str) -> None:
    expected = quick(max_iter=3).fit(X[REPEATED])
    points = X if form == "list" else FORMS[form](X)
    weight = COUNTS if form == "csr" else FORMS[form](COUNTS)
    found = quick(max_iter=3).fit(points, sample_weight=weight)
    assert np.array_equal(found.transform(X), expected.transform(X))
    assert np.array_equal(found.eigenvalues_, expected.eigenvalues_)


def test_wide_and_unit_rows_and_labels_are_repeated_too() -> None:
    wide = np.random.default_rng(0).random((120, 5000)).astype(np.float32)
    counts, y = COUNTS[:120], np.arange(120) % 2
    repeated = np.repeat(np.arange(120), counts)
    settings: dict[str, Any] = {"max_iter": 2, "metric": "cosine"}
    settings["anchor_method"] = "per_class"
    expected = quick(**settings).fit(wide[repeated], y[repeated])
    found = quick(**settings).fit(wide, y, sample_weight=counts)
    assert np.array_equal(found.transform(wide), expected.transform(wide))


def test_the_number_of_components_is_that_of_repeated_rows() -> None:
    x = np.concatenate([X[:60] + 10 * i for i in range(3)])
    counts = np.repeat([3, 2, 0], 60)
    found = quick(n_components="eigengap", max_iter=2).fit(x, sample_weight=counts)
    assert found.n_components_ == 1


def test_equal_weights_change_nothing() -> None:
    expected = quick(max_iter=3).fit(X).transform(X)
    for weight in (np.ones(200), np.full(200, 0.3), np.full(200, 1e-300)):
        found = quick(max_iter=3).fit(X, sample_weight=weight)
        assert np.array_equal(found.transform(X), expected)


def test_weights_undo_uneven_sampling() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 4000)
    density = 1 + 0.8 * np.cos(angle)
    is_kept = rng.uniform(0, 1.8, 4000) < density
    angle, density = angle[is_kept], density[is_kept]
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    known = circle_eigenfunctions(torch.from_numpy(x), 3)[:, 1:]
    distance = {}
    for name, weight in {"even": 1 / density, "as drawn": None}.items():
        settings = {"bandwidth": 0.15, "n_neighbors": 100, "reference_size": 1000}
        basis = learner(batch_size=400, max_iter=20, network=network(2), **settings)
        rows = basis.fit(x, sample_weight=weight).transform(x)
        distance[name] = grassmann_distance(rows, known)
    assert distance["even"] < 0.01 < 0.1 * distance["as drawn"]


def test_clusters_have_the_weights_of_their_points() -> None:
    x, _ = make_moons(300, noise=0.05, random_state=0)
    weight = np.where(np.arange(300) < 150, 2, 1)
    clustering = BASiSClustering(2, basis=quick(max_iter=3), random_state=0)
    clustering.fit(x, sample_weight=weight)
    repeated = BASiSClustering(2, basis=quick(max_iter=3), random_state=0)
    repeated.fit(np.repeat(x, weight, axis=0))
    centers = [
        np.sort(found.kmeans_.cluster_centers_, axis=0)
        for found in (clustering, repeated)
    ]
    assert np.allclose(*centers, atol=1e-3)
    assert clustering.labels_.shape == (300,)


def test_the_nodes_of_the_layer_are_rows_of_x() -> None:
    layer = quick(max_iter=2).fit(X, sample_weight=COUNTS).layer_
    anchors = layer.nodes[: layer.num_anchors].numpy()
    assert np.array_equal(X[anchors], layer.anchors.numpy())
    layer.update_reference(torch.from_numpy(X))


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (np.ones(199), r"sample_weight has shape \(199,\), expected \(200,\)"),
        (np.ones((200, 1)), r"sample_weight has shape \(200, 1\)"),
        (2.0, r"sample_weight has shape \(\)"),
        (-np.eye(200)[3], "sample_weight must be finite and .* got -1.0 for point 3"),
        (np.full(200, np.nan), "sample_weight must be finite .* got nan for point 0"),
        (np.eye(200)[3], "sample_weight is zero for all but 1 of 200 points"),
        (["a"] * 200, "sample_weight must be numbers, one a point, got list"),
    ],
)
def test_weights_that_cannot_be_used(weight: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        quick(network=Untrained(3, 4)).fit(X, sample_weight=weight)


def test_a_given_graph_has_weights_of_its_own() -> None:
    index = torch.arange(200)
    edges = torch.stack([index, (index + 1) % 200])
    data = Data(torch.from_numpy(X), torch.cat([edges, edges.flip(0)], dim=1))
    with pytest.raises(ValueError, match=r"sample_weight .* is given: .*S @ W @ S"):
        quick(network=Untrained(3, 4)).fit(data, sample_weight=COUNTS)


def test_edges_of_weighted_nodes_are_those_of_all_their_copies() -> None:
    """The remedy that the error names, for the random walk."""
    rng = np.random.default_rng(0)
    weight, counts = rng.random((30, 30)), rng.integers(1, 4, 30).astype(float)
    weight = np.triu(weight, 1) + np.triu(weight, 1).T
    copies = np.repeat(np.arange(30), counts.astype(int))
    merged = diags_array(counts) @ csr_array(weight) @ diags_array(counts)

    def walk(w: Any) -> Any:
        w = w.toarray() if hasattr(w, "toarray") else w
        return np.sort(np.linalg.eigvals(w / w.sum(axis=1, keepdims=True)).real)

    whole = walk(weight[np.ix_(copies, copies)])
    whole = whole[np.abs(whole) > 1e-9]
    assert np.allclose(walk(merged), whole)
