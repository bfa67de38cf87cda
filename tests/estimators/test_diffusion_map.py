import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSLayer, DiffusionMap
from pyg_basis.datasets import circle
from pyg_basis.graph import as_data, density_normalized, knn_graph, laplacian
from pyg_basis.graph.affinity import affinity
from pyg_basis.transforms import AddSpectralPE
from tests.estimators.inputs import quick

pytestmark = pytest.mark.usefixtures("narrow_network")

SETTINGS = {"n_anchors": 30, "batch_size": 80, "n_neighbors": 10, "max_iter": 5}


def points(num_points: int = 400) -> np.ndarray:
    return circle(num_points, seed=0).numpy()


def test_the_time_damps_columns_without_a_new_fit() -> None:
    x = points()
    model = DiffusionMap(3, diffusion_time=None, random_state=0, **SETTINGS).fit(x)
    vectors, gamma = model.transform(x), model.transition_eigenvalues_
    np.testing.assert_allclose(gamma, 1 - model.eigenvalues_)
    for time in (0.5, 1, np.int64(3), 100.0):
        found = model.set_params(diffusion_time=time).transform(x)
        np.testing.assert_allclose(found, vectors * gamma[:3] ** time, rtol=1e-6)
    tensor = model.transform(torch.from_numpy(x))
    np.testing.assert_array_equal(tensor.numpy(), found)


def test_what_has_diffused_away_is_zero() -> None:
    model = DiffusionMap(2, random_state=0, **SETTINGS).fit(points())
    model.eigenvalues_ = np.array([0.5, 1.5])
    found = model.set_params(diffusion_time=0.5).transform(points(5))
    assert np.isfinite(found).all() and (found[:, 1] == 0).all()


def test_it_is_a_basis_with_other_defaults() -> None:
    x = points()
    settings = {"alpha": 1.0, "bandwidth": "global", "diffusion_time": 2.0, **SETTINGS}
    basis = BASiS(2, random_state=0, **settings).fit(x)
    model = DiffusionMap(2, diffusion_time=2.0, random_state=0, **SETTINGS).fit(x)
    np.testing.assert_array_equal(model.transform(x), basis.transform(x))
    assert clone(model).get_params() == model.get_params()


def test_it_is_saved_with_its_time(tmp_path) -> None:
    x, path = points(), tmp_path / "map.pt"
    model = DiffusionMap(2, diffusion_time=3.0, random_state=0, **SETTINGS).fit(x)
    model.save(path)
    for loaded in (DiffusionMap.load(path), BASiS.load(path)):
        np.testing.assert_array_equal(loaded.transform(x), model.transform(x))
        assert loaded.diffusion_time == 3.0 and loaded.alpha == 1.0
    np.testing.assert_array_equal(
        DiffusionMap.load(path).transition_eigenvalues_, model.transition_eigenvalues_
    )


@pytest.mark.parametrize("time", [0, -1.0, float("nan"), "1", float("inf")])
def test_times_that_are_refused(time) -> None:
    with pytest.raises(ValueError, match=r"'diffusion_time' .* Got"):
        DiffusionMap(diffusion_time=time).fit(points())
    model = DiffusionMap(random_state=0, **SETTINGS).fit(points())
    with pytest.raises(ValueError, match=r"'diffusion_time' .* Got"):
        model.set_params(diffusion_time=time).transform(points())


def test_a_time_needs_a_random_walk() -> None:
    model = quick(laplacian="comb", diffusion_time=1.0)
    with pytest.raises(ValueError, match=r"diffusion_time=1.0 needs a random walk"):
        model.fit(points())


# --- the density is taken out on every way to a graph


def given() -> tuple[Data, Data]:
    """A graph with features, and the same with normalized weights."""
    graph = nx.planted_partition_graph(3, 60, 0.4, 0.02, seed=1)
    data = as_data(graph)
    generator = torch.Generator().manual_seed(0)
    data.x = torch.eye(3).repeat_interleave(60, dim=0)
    data.x = data.x + 0.3 * torch.randn(data.x.shape, generator=generator)
    weight = nx.to_scipy_sparse_array(graph, dtype=float, format="csr")
    normalized = density_normalized(csr_matrix(weight), 1.0).tocoo()
    edges = np.stack([normalized.row, normalized.col]).astype(np.int64)
    other = Data(data.x, torch.from_numpy(edges))
    other.edge_weight = torch.from_numpy(normalized.data)
    return data, other


@pytest.mark.parametrize("targets", ["exact", "coarsened"])
def test_given_graphs(targets) -> None:
    data, normalized = given()
    settings = {"graph_targets": targets, "reference_size": 150}
    found = quick(alpha=1.0, **settings).fit(data)
    expected = quick(**settings).fit(normalized)
    np.testing.assert_allclose(found.eigenvalues_, expected.eigenvalues_, rtol=1e-6)
    np.testing.assert_allclose(
        found.transform(data), expected.transform(data), atol=1e-3
    )
    assert abs(found.eigenvalues_ - quick(**settings).fit(data).eigenvalues_).max() > (
        1e-4
    )


def test_exact_encodings() -> None:
    data, normalized = given()
    found, expected = AddSpectralPE(4, alpha=1.0)(data), AddSpectralPE(4)(normalized)
    torch.testing.assert_close(
        found.spectral_pe_eigenvalues, expected.spectral_pe_eigenvalues
    )


def test_batches_and_read_outs_of_a_layer() -> None:
    x = torch.from_numpy(points(300))
    layer = BASiSLayer(2, 4, 30, num_neighbors=10, laplacian="rw", alpha=1.0)
    layer.init_reference(x)
    graph = affinity(knn_graph(layer.targets(x[:50]).x.double(), 10))
    whole = laplacian(graph, "rw", alpha=1.0)
    degree = layer.targets(x[:50]).degree
    torch.testing.assert_close(degree.double(), whole.degree, rtol=1e-5, atol=1e-5)
    made, given_ = (
        layer.read_out(sample).values
        for sample in (x, affinity(knn_graph(x.double(), 10)))
    )
    torch.testing.assert_close(made, given_, rtol=1e-4, atol=1e-6)


def test_the_number_of_components_is_that_of_the_normalized_graph() -> None:
    # Four communities, whose weights hide them: some nodes have far larger ones.
    graph = nx.planted_partition_graph(4, 30, 0.5, 0.06, seed=1)
    size = np.exp(np.random.default_rng(1).normal(0, 1.5, 120))
    for one, other in graph.edges:
        graph[one][other]["weight"] = size[one] * size[other]
    data = as_data(graph)
    data.x = torch.eye(4).repeat_interleave(30, dim=0)
    fits = [quick(n_components="eigengap", alpha=a, max_iter=2) for a in (0.0, 1.0)]
    assert [fit.fit(data).n_components_ for fit in fits] == [1, 3]
