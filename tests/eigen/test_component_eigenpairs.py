import sys
import warnings

import pytest
import torch
from torch_geometric.data import Data

from pyg_basis.eigen import component_eigenpairs, eigenpairs
from pyg_basis.graph import laplacian

KINDS = ["sym", "rw", "comb"]


def _shuffled(graph: Data) -> tuple[Data, torch.Tensor]:
    """The nodes of all components mixed, and the new number of each."""
    place = torch.randperm(graph.num_nodes, generator=torch.Generator().manual_seed(0))
    shuffled = Data(
        edge_index=place[graph.edge_index],
        edge_weight=graph.edge_weight,
        num_nodes=graph.num_nodes,
    )
    return shuffled, place


@pytest.mark.parametrize("kind", KINDS)
def test_each_component_has_its_own_pairs(union, neighbors, path, kind) -> None:
    # Above and below the size up to which components are dense.
    parts = [neighbors(300), neighbors(90, seed=1), path(90), path(3)]
    whole = union(*parts)
    pairs = component_eigenpairs(laplacian(whole, kind), 5, tol=1e-9)
    start = 0
    for part in parts:
        n, width = part.num_nodes, min(5, part.num_nodes)
        alone = eigenpairs(laplacian(part, kind), width, tol=1e-9)
        rows = slice(start, start + n)
        assert torch.allclose(pairs.vectors[rows, :width], alone.vectors, atol=1e-6)
        assert torch.allclose(
            pairs.values[rows, :width], alone.values.expand(n, width), atol=1e-8
        )
        assert not pairs.vectors[rows, width:].any()
        assert not pairs.values[rows, width:].any()
        assert pairs.size[rows].tolist() == [n] * n
        start += n


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_nodes_does_not_matter(union, neighbors, path, kind) -> None:
    graph = union(neighbors(300), path(20), path(20))
    shuffled, place = _shuffled(graph)
    expected = component_eigenpairs(laplacian(graph, kind), 4, tol=1e-9)
    found = component_eigenpairs(laplacian(shuffled, kind), 4, tol=1e-9)
    assert torch.equal(found.size[place], expected.size)
    assert torch.allclose(found.values[place], expected.values, atol=1e-8)
    # The entry that decides the sign may be another among equals.
    overlap = (found.vectors[place] * expected.vectors)[:300].sum(dim=0)
    assert torch.allclose(overlap.abs(), torch.ones(4).double(), atol=1e-6)


def test_a_connected_graph_is_one_component(neighbors) -> None:
    operator = laplacian(neighbors(300))
    pairs, expected = component_eigenpairs(operator, 4), eigenpairs(operator, 4)
    assert torch.equal(pairs.vectors, expected.vectors)
    assert torch.equal(pairs.values[0], expected.values)


@pytest.mark.parametrize(
    ("n", "tol", "expected"),
    [(1024, 1e-7, "chebyshev"), (1023, 1e-7, "auto"), (1024, 1e-8, "auto")],
)
def test_large_components_and_loose_tolerances_take_the_block(
    neighbors, monkeypatch, n, tol, expected
) -> None:
    taken = []

    def noted(operator, k, solver="auto", **settings):
        taken.append(solver)
        return eigenpairs(operator, k, solver, **settings)

    module = sys.modules[component_eigenpairs.__module__]
    monkeypatch.setattr(module, "eigenpairs", noted)
    component_eigenpairs(laplacian(neighbors(n)), 4, tol)
    assert taken == [expected]


def test_isolated_nodes_are_components_of_one(isolated) -> None:
    pairs = component_eigenpairs(laplacian(isolated(4)), 2)
    assert pairs.vectors.tolist() == [[1.0, 0.0]] * 4
    assert pairs.values.tolist() == [[0.0, 0.0]] * 4


def test_result_has_the_dtype_of_the_weights(union, path) -> None:
    graph = union(path(5), path(200))
    graph.edge_weight = graph.edge_weight.float()
    pairs = component_eigenpairs(laplacian(graph), 2)
    assert pairs.vectors.dtype == pairs.values.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0 must be at least 1"),
        ({"k": 1, "tol": -1.0}, r"tol=-1\.0 must be"),
    ],
)
def test_bad_arguments(path, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        component_eigenpairs(laplacian(path(5)), **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_tolerance_too_large_for_the_eigenvalues_is_told(path, kind) -> None:
    operator = laplacian(path(1500), kind)
    with pytest.warns(RuntimeWarning, match="of 1500 nodes is .*pass a smaller tol"):
        component_eigenpairs(operator, 4, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        component_eigenpairs(operator, 4, tol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_components_by_parts_are_as_all_at_once(union, ring, kind, monkeypatch) -> None:
    operator = laplacian(union(*(ring(n) for n in (7, 5, 7, 7, 5, 7))), kind)
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
