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
from pyg_basis.graph import GivenGraph
from pyg_basis.loader import ExactEmbedding, WholeGraph
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


def fit(data: Data, **settings: Any) -> BASiS:
    settings = {"max_iter": 1, "random_state": 0, "batch_size": 256} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return BASiS(NUM_COLUMNS, network=Columns(), **settings).fit(data)


@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_comes_closest_of_all_in_the_span(small_groups: Data, laplacian: Any) -> None:
    basis = fit(small_groups, laplacian=laplacian)
    exact = exact_rows(small_groups, laplacian)
    root = exact.degree.sqrt() if laplacian == "rw" else torch.ones(len(exact.degree))
    # Least squares by NumPy, each node with its weight.
    rows = torch.cat([small_groups.x, torch.ones(len(small_groups.x), 1)], dim=1)
    weighted, known = (root[:, None] * y.double() for y in (rows, exact.vectors))
    closest = weighted @ torch.from_numpy(
        np.linalg.lstsq(weighted.numpy(), known.numpy(), rcond=None)[0]
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


def test_held_out_nodes_take_no_part() -> None:
    graph = nx.random_geometric_graph(1000, 0.07, seed=0)
    graph = graph.subgraph(max(nx.connected_components(graph), key=len))
    data = data_of(nx.convert_node_labels_to_integers(graph))
    generator = torch.Generator().manual_seed(0)
    data.x = torch.randn(data.num_nodes, 30, generator=generator)
    basis = fit(data, laplacian="rw")
    assert basis.quality_["held_out"]
    # Thirty columns of noise fit the nodes that took part, not the others.
    rows, exact = basis.transform(data), exact_rows(data, "rw").vectors
    shares = [float(np.corrcoef(rows[:, j], exact[:, j])[0, 1]) for j in (1, 2, 3)]
    assert min(shares) > 0.05
    assert np.mean(basis.quality_["captured"][1:]) < np.mean(np.square(shares)) + 0.02


def test_features_without_directions_are_an_error_of_the_read_out() -> None:
    data = data_of(nx.connected_caveman_graph(6, 10))
    data.x = torch.ones(60, 2)
    with pytest.warns(UserWarning, match="hidden features do not span"):
        BASiS(3, network=Columns(), max_iter=1, random_state=0).fit(data)
