"""The eigenvectors of a whole graph, read out by least squares."""

import warnings
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.estimators._graph_training import graph_training
from pyg_basis.estimators._whole_read_out import WholeReadOut
from pyg_basis.graph import GivenGraph
from pyg_basis.loader import ExactEmbedding, FeatureSource, WholeGraph
from pyg_basis.metrics import grassmann_distance
from tests.graph.test_given_graph import data_of

NUM_COLUMNS = 4


class Columns(nn.Module):
    """The features themselves, as hidden features that no training changes."""

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture(scope="module")
def small_groups() -> Data:
    """A dense bulk with a few loosely joined chains of cliques: the first eigenvectors
    are those of few nodes, with small eigenvalues that are nearly alike."""
    graph = nx.gnp_random_graph(300, 0.05, seed=0)
    for group in range(6):
        first = graph.number_of_nodes()
        cliques = nx.connected_caveman_graph(3, 6)
        graph = nx.disjoint_union(graph, cliques)
        graph.add_edge(group, first)
    data = data_of(graph)
    exact = exact_rows(data, "rw", 12).vectors.float()
    noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
    data.x = torch.cat([exact[:, 1:] + 0.5 * noise[:, 1:], noise], dim=1)
    return data


def exact_rows(data: Data, laplacian: Any, num_columns: int = NUM_COLUMNS) -> Any:
    embedding = ExactEmbedding(num_columns, laplacian=laplacian)
    return WholeGraph.from_graph(GivenGraph.from_data(data), embedding).rows


def learner(**settings: Any) -> BASiS:
    settings = {"max_iter": 1, "random_state": 0, "batch_size": 256} | settings
    return BASiS(NUM_COLUMNS, network=Columns(), **settings)


def fit(data: Data, **settings: Any) -> BASiS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return learner(**settings).fit(data)


@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_comes_closest_of_all_in_the_span(small_groups: Data, laplacian: Any) -> None:
    basis = fit(small_groups, laplacian=laplacian)
    exact = exact_rows(small_groups, laplacian)
    root = exact.degree.sqrt() if laplacian == "rw" else torch.ones(len(exact.degree))
    known = root[:, None] * exact.vectors
    closest = root[:, None] * weighted_least_squares(
        small_groups.x, exact.vectors, root.square()
    )
    learned = root[:, None] * torch.from_numpy(basis.transform(small_groups))
    learned = learned.double()
    expected, found = (torch.linalg.qr(y).Q for y in (closest, learned))
    assert (expected.T @ found).square().sum() == pytest.approx(NUM_COLUMNS, abs=1e-3)
    # Orthonormal, and in the order and with the signs of the eigenvectors.
    gram = learned.T @ learned / root.square().sum()
    torch.testing.assert_close(gram, torch.eye(4).double(), atol=1e-3, rtol=0)
    cosines = (learned * known).sum(dim=0) / learned.norm(dim=0) / known.norm(dim=0)
    assert (cosines > 0.7).all()


@pytest.mark.parametrize("drop_trivial", [False, True])
def test_eigenvalues_are_those_of_the_graph(
    small_groups: Data, drop_trivial: bool
) -> None:
    basis = fit(small_groups, laplacian="rw", drop_trivial=drop_trivial)
    exact = exact_rows(small_groups, "rw", NUM_COLUMNS + 6).values.numpy()
    first = int(drop_trivial)
    np.testing.assert_allclose(
        basis.eigenvalues_, exact[first : first + NUM_COLUMNS + 5], atol=1e-8
    )
    gap = exact[first + NUM_COLUMNS] - exact[first + NUM_COLUMNS - 1]
    assert basis.eigengap_ == pytest.approx(gap, abs=1e-8)


def weighted_least_squares(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """By NumPy: the values that come closest to y in the span of columns and 1."""
    rows = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    root = weight.sqrt()[:, None]
    solution = np.linalg.lstsq((root * rows).numpy(), (root * y).numpy(), rcond=None)[0]
    return rows @ torch.from_numpy(solution)


@pytest.fixture(scope="module")
def disk() -> Data:
    """A graph of so many nodes that some are held out, and columns of noise."""
    graph = nx.random_geometric_graph(1000, 0.07, seed=0)
    graph = graph.subgraph(max(nx.connected_components(graph), key=len))
    data = data_of(nx.convert_node_labels_to_integers(graph))
    generator = torch.Generator().manual_seed(0)
    data.x = torch.randn(data.num_nodes, 30, generator=generator)
    return data


def test_held_out_nodes_take_no_part(disk: Data) -> None:
    made = graph_training(learner(laplacian="rw"), disk, FeatureSource(disk), 0)
    read_out = made.read_out
    assert isinstance(read_out, WholeReadOut) and not made.held_out.took_part
    is_out = read_out.weight == 0
    assert torch.equal(disk.x[is_out].sort(0)[0], made.held_out.x.sort(0)[0])
    missing = read_out.excess()
    first = read_out.finish()
    # What is missing is so at the others alone.
    exact, weight = read_out.eigenvectors, read_out.weight
    closest = weighted_least_squares(disk.x, exact, weight)
    root = weight.sqrt()[:, None]
    assert missing == pytest.approx(
        grassmann_distance(root * closest, root * exact), abs=1e-4
    )
    # Nothing follows from what is known of the held-out ones.
    exact[is_out] = 100.0
    assert read_out.excess() == pytest.approx(missing)
    second = read_out.finish()
    assert first is not None and second is not None
    torch.testing.assert_close(first.weight, second.weight)


def test_looks_at_a_sample_and_reads_out_of_all(
    disk: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyg_basis.estimators._graph_training.DEGREE_SAMPLE", 150)
    made = graph_training(learner(laplacian="rw"), disk, FeatureSource(disk), 0)
    read_out = made.read_out
    assert isinstance(read_out, WholeReadOut) and len(read_out.index) == 150
    exact, weight = read_out.eigenvectors, read_out.weight
    # Weights of zero stand for the nodes that are not looked at.
    looked_at = torch.zeros_like(weight)
    looked_at[read_out.index] = weight[read_out.index]
    closest = weighted_least_squares(disk.x, exact, looked_at)
    root = looked_at.sqrt()[:, None]
    missing = grassmann_distance(root * closest, root * exact)
    assert read_out.excess() == pytest.approx(missing, abs=1e-4)
    assert read_out.finish() is not None
    found = made.layer.readout(*made.layer.hidden_layers(disk.x)).detach().double()
    closest, root = (
        weighted_least_squares(disk.x, exact, weight),
        weight.sqrt()[:, None],
    )
    assert grassmann_distance(root * found, root * closest) < 1e-4


def test_degrees_are_learned_without_the_held_out_nodes(disk: Data) -> None:
    made = graph_training(learner(laplacian="sym"), disk, FeatureSource(disk), 0)
    centers = {tuple(row) for row in made.layer.degree.centers.tolist()}
    held_out = {tuple(row) for row in made.held_out.x.tolist()}
    assert len(held_out) > 90 and len(centers) > 800 and not centers & held_out


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("num_columns", [1, 4])
def test_features_that_are_eigenvectors_are_found(
    disk: Data, drop_trivial: bool, num_columns: int
) -> None:
    exact = exact_rows(disk, "rw", 9)
    data = Data(x=exact.vectors[:, 1:].float(), edge_index=disk.edge_index)
    estimator = learner(laplacian="rw", drop_trivial=drop_trivial)
    basis = estimator.set_params(n_components=num_columns).fit(data)
    assert basis.history_["excess"] == [pytest.approx(0, abs=1e-6)]
    first = int(drop_trivial)
    known = exact.vectors[:, first : first + num_columns]
    found = torch.from_numpy(basis.transform(data)).double()
    weight = exact.degree[:, None] / exact.degree.sum()
    known = known / (weight * known.square()).sum(dim=0).sqrt()
    # As near as the held-out nodes, without which lengths and angles are taken, allow.
    torch.testing.assert_close(found, known, atol=0.3, rtol=0)
    if not drop_trivial:
        assert (found[:, 0] - 1).abs().max() < 1e-5


@pytest.mark.parametrize("extend_degree", [False, True])
def test_of_the_normalized_laplacian(small_groups: Data, extend_degree: bool) -> None:
    exact = exact_rows(small_groups, "sym")
    rows = exact_rows(small_groups, "rw") if extend_degree else exact
    data = Data(x=rows.vectors.float(), edge_index=small_groups.edge_index)
    basis = fit(data, laplacian="sym", extend_degree=extend_degree)
    layer = basis.layer_
    found = layer.readout(*layer.hidden_layers(data.x)).detach()
    assert grassmann_distance(found.double(), rows.vectors) < 1e-4
    if not extend_degree:
        assert grassmann_distance(basis.transform(data), exact.vectors) < 1e-4


def test_each_component_has_its_eigenvector() -> None:
    data = data_of(nx.disjoint_union(nx.complete_graph(60), nx.complete_graph(90)))
    data.x = torch.cat([torch.eye(1).repeat(60, 1), torch.zeros(90, 1)])
    basis = learner(laplacian="rw").set_params(n_components=2).fit(data)
    assert basis.eigenvalues_[:3] == pytest.approx([0, 0, 1], abs=0.05)
    rows = basis.transform(data)
    assert np.ptp(rows[:60], axis=0).max() < 1e-4 < abs(rows[0, 1] - rows[-1, 1])


def test_features_without_directions_keep_the_regression() -> None:
    data = data_of(nx.connected_caveman_graph(6, 10))
    data.x = torch.ones(60, 2)
    with pytest.warns(UserWarning, match="hidden features do not span"):
        BASiS(3, network=Columns(), max_iter=1, random_state=0).fit(data)
