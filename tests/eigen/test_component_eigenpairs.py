import sys
import warnings
from typing import Any

import networkx as nx
import pytest
import torch

from pyg_basis.eigen import component_eigenpairs, eigenpairs
from pyg_basis.graph import GivenGraph, laplacian
from tests.eigen.graphs import KINDS, neighbors, union


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
    assert torch.equal(pairs.vectors, expected.vectors)
    assert torch.equal(pairs.values[0], expected.values)
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
        ({"k": 0}, "k=0 must be at least 1"),
        ({"k": 1, "tol": -1.0}, r"tol=-1\.0 must be"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        component_eigenpairs(laplacian(nx.path_graph(5)), **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_tolerance_too_large_for_the_eigenvalues_is_told(kind: Any) -> None:
    operator = laplacian(nx.path_graph(1500), kind)
    match = "of 1500 nodes is .*pass a smaller tol"
    with pytest.warns(RuntimeWarning, match=match) as seen:
        component_eigenpairs(operator, 4, tol=1e-4)
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        component_eigenpairs(operator, 4, tol=1e-9)


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
