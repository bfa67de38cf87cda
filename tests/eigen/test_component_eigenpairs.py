import sys
import warnings
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from pyg_basis.eigen import component_eigenpairs, eigenpairs
from pyg_basis.graph import GivenGraph, laplacian
from tests.eigen.graphs import KINDS, neighbors, reference, union


def communities(weight: float, size: int = 270) -> nx.Graph:
    """Four of them, each joined to the next by an edge of about this weight."""
    graph = union(*(neighbors(size, seed=seed) for seed in range(4)))
    for number in range(3):
        first = number * size
        graph.add_edge(first, first + size + 1, weight=(number + 1) * weight)
    return graph


@pytest.mark.parametrize("kind", KINDS)
def test_each_component_has_its_own_pairs(kind: Any) -> None:
    # Above and below the size up to which components are dense, the nodes mixed.
    parts = [neighbors(300), neighbors(90, seed=1), nx.path_graph(91), nx.path_graph(3)]
    order = torch.randperm(484, generator=torch.Generator().manual_seed(0)).numpy()
    whole = GivenGraph.from_data(union(*parts)).subgraph(order)
    pairs = component_eigenpairs(whole.laplacian(kind), 5, tol=1e-9)
    values, vectors, size = (torch.empty_like(t) for t in vars(pairs).values())
    values[order], vectors[order], size[order] = vars(pairs).values()
    start = 0
    for part in parts:
        operator = laplacian(part, kind)
        n = operator.num_nodes
        width, rows = min(5, n), slice(start, start + n)
        alone = eigenpairs(operator, width, tol=1e-9)
        # The entry that decides the sign may be another among equals.
        overlap = (vectors[rows, :width] * alone.vectors).sum(dim=0).abs()
        assert torch.allclose(overlap, torch.ones(width).double(), atol=1e-6)
        expected = alone.values.expand(n, width)
        assert torch.allclose(values[rows, :width], expected, atol=1e-8)
        assert not vectors[rows, width:].any()
        assert not values[rows, width:].any()
        assert size[rows].tolist() == [n] * n
        start += n


def test_a_connected_graph_is_one_component() -> None:
    operator = laplacian(neighbors(300))
    pairs, expected = component_eigenpairs(operator, 4), eigenpairs(operator, 4)
    assert torch.allclose(pairs.vectors, expected.vectors, atol=1e-6)
    assert torch.allclose(pairs.values[0], expected.values, atol=1e-10)
    assert pairs.size.tolist() == [300] * 300


def test_isolated_nodes_are_components_of_one() -> None:
    pairs = component_eigenpairs(laplacian(nx.empty_graph(4)), 2)
    assert pairs.vectors.tolist() == [[1.0, 0.0]] * 4
    assert pairs.values.tolist() == [[0.0, 0.0]] * 4
    assert pairs.size.tolist() == [1] * 4


def test_result_has_the_dtype_of_the_laplacian() -> None:
    operator = laplacian(union(nx.path_graph(5), nx.path_graph(200)))
    pairs = component_eigenpairs(operator.to(torch.empty(0)), 2)
    assert pairs.vectors.dtype == pairs.values.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, r"'k' .* range \[1, 65536\]. Got 0"),
        ({"k": 2.0}, "'k' .* Got 2.0"),
        ({"k": 2**70}, "'k' .* Got 1"),
        ({"k": 1, "tol": -1.0}, "'tol' .* Got -1.0"),
        ({"laplacian": torch.eye(3), "k": 1}, "'laplacian' .* instance of"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        component_eigenpairs(**{"laplacian": laplacian(nx.path_graph(5)), **arguments})


def test_what_does_not_converge_is_reported() -> None:
    match = "residual .* is above tol=1.00e-18"
    with pytest.warns(RuntimeWarning, match=match) as seen:
        component_eigenpairs(laplacian(nx.path_graph(300)), 4, tol=1e-18)
    assert [each.filename for each in seen] == [__file__]


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_that_stay_mixed_are_reported(kind: Any) -> None:
    # The gaps of a long chain are below what filters reach.
    operator = laplacian(nx.path_graph(20_000), kind)
    match = "of 20000 nodes are so close .*pass tol="
    with pytest.warns(RuntimeWarning, match=match) as seen:
        component_eigenpairs(operator, 4, tol=1e-4)
    assert seen[0].filename == __file__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [1e-3, 1e-5])
def test_vectors_of_close_eigenvalues_are_not_mixed(weight: float, kind: Any) -> None:
    graph = communities(weight)
    vectors = reference(graph, kind, 4)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = component_eigenpairs(laplacian(graph, kind), 5, tol=1e-5)
    cosine = (pairs.vectors[:, :4].numpy() * vectors).sum(axis=0)
    assert np.abs(cosine / np.linalg.norm(vectors, axis=0)).min() > 0.999


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [30, 270])  # dense, and not
def test_trivial_vector_leads_among_eigenvalues_of_almost_0(size, kind: Any) -> None:
    operator = laplacian(communities(1e-13, size), kind)
    pairs = component_eigenpairs(operator, 5)
    trivial = torch.ones(4 * size).double()
    if kind == "sym":
        trivial = operator.degree.sqrt()
    assert torch.allclose(pairs.vectors[:, 0], trivial / trivial.norm(), atol=1e-7)
    assert pairs.values[0, 1:4].max() < 1e-10 < pairs.values[0, 4]
    # The others are constant on each community.
    rest = (pairs.vectors / trivial[:, None])[:, 1:4].view(4, size, 3)
    assert rest.std(dim=1).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_components_by_parts_are_as_all_at_once(kind: Any, monkeypatch) -> None:
    graph = union(*(nx.cycle_graph(n) for n in (7, 5, 7, 7, 5, 7)))
    operator = laplacian(graph, kind)
    expected = component_eigenpairs(operator, 3)
    called = []
    eigh = torch.linalg.eigh

    def noted(matrices):
        called.append(tuple(matrices.shape))
        return eigh(matrices)

    # Two of seven nodes, and more than all of five.
    monkeypatch.setattr(torch.linalg, "eigh", noted)
    module = sys.modules[component_eigenpairs.__module__]
    monkeypatch.setattr(module, "MOST_ENTRIES", 2 * 7**2)
    pairs = component_eigenpairs(operator, 3)
    assert called == [(2, 5, 5), (2, 7, 7), (2, 7, 7)]
    assert torch.allclose(pairs.values, expected.values)
    assert torch.allclose(pairs.vectors, expected.vectors)
