from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis.eigen import eigenpairs
from pyg_basis.graph import GivenGraph, coarsened, nearest_seeds
from tests.graph.test_given_graph import given_graph, of_matrix
from tests.graph.test_laplacian import symmetric_weights


@st.composite
def graphs_with_seeds(draw: st.DrawFn) -> tuple[GivenGraph, NDArray[np.int64]]:
    """Sparse and dense graphs of one or more components, and some of their nodes."""
    n = draw(st.integers(1, 30))
    graph = nx.gnp_random_graph(
        n, draw(st.floats(0, 0.5)), seed=draw(st.integers(0, 2**31))
    )
    nodes = draw(st.permutations(range(n)))
    return given_graph(graph), np.array(nodes[: draw(st.integers(1, n))])


def steps(graph: GivenGraph, node: int) -> NDArray[np.float64]:
    """How many edges it takes to each node from this one, by networkx."""
    lengths = nx.single_source_shortest_path_length(
        nx.from_scipy_sparse_array(graph.weight), node
    )
    return np.array([lengths.get(i, np.inf) for i in range(graph.num_nodes)])


# --- nearest_seeds


@given(case=graphs_with_seeds(), seed=st.integers(0, 2**31))
def test_cells_are_those_of_a_nearest_seed(case, seed: int) -> None:
    graph, seeds = case
    cell = nearest_seeds(graph, seeds, seed)
    distance = np.stack([steps(graph, node) for node in seeds])
    nearest = distance.min(axis=0)
    assert np.array_equal(cell == -1, np.isinf(nearest))
    is_reached = cell >= 0
    own = distance[cell[is_reached], np.flatnonzero(is_reached)]
    assert np.array_equal(own, nearest[is_reached])
    assert np.array_equal(cell[seeds], np.arange(len(seeds)))


@given(case=graphs_with_seeds())
def test_cells_are_connected(case) -> None:
    graph, seeds = case
    cell = nearest_seeds(graph, seeds, 0)
    for number in range(len(seeds)):
        assert graph.subgraph(np.flatnonzero(cell == number)).num_components == 1


def test_ties_favor_no_seed() -> None:
    # Node 3 is as far from seed 6 (cell 0) as from seed 0 (cell 1).
    graph, seeds = given_graph(nx.path_graph(8)), np.array([6, 0])
    cells = np.array([nearest_seeds(graph, seeds, seed) for seed in range(400)])
    assert (cells[:, :3] == 1).all() and (cells[:, 4:] == 0).all()
    assert abs(cells[:, 3].sum() - 200) < 50  # a standard deviation of 10


@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=8, unique=True),
    seed=st.integers(0, 2**31),
)
def test_of_several_seeds_the_heaviest_edge_wins(weights, seed: int) -> None:
    # A star; all but its center are seeds.
    star = nx.Graph()
    star.add_weighted_edges_from((0, i + 1, w) for i, w in enumerate(weights))
    cell = nearest_seeds(given_graph(star), np.arange(1, len(weights) + 1), seed)
    assert cell[0] == np.argmax(weights)


def test_weights_count_at_every_step() -> None:
    # Two seeds at two steps from node 4: by node 2 (weight 1) and node 3 (weight 2).
    twice = nx.Graph()
    twice.add_weighted_edges_from([(0, 2, 1), (1, 3, 1), (2, 4, 1), (3, 4, 2)])
    for seed in range(10):
        cell = nearest_seeds(given_graph(twice), np.array([0, 1]), seed)
        assert cell.tolist() == [0, 1, 0, 1, 1]


@pytest.mark.usefixtures("untouched_global_generators")
def test_ties_depend_on_the_seed_alone() -> None:
    graph = given_graph(nx.grid_2d_graph(13, 13))
    seeds = np.array([0, 12, 156, 168])
    first, again, other = (nearest_seeds(graph, seeds, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nothing_but_zero_weights_is_no_way() -> None:
    graph = of_matrix([[0, 1], [1, 0]])
    graph.weight.data[:] = 0
    assert nearest_seeds(graph, np.array([1]), 0).tolist() == [-1, 0]


def test_without_seeds_nothing_is_reached() -> None:
    graph = given_graph(nx.path_graph(3))
    assert nearest_seeds(graph, np.empty(0, np.int64), 0).tolist() == [-1, -1, -1]


# --- coarsened


@st.composite
def partitions(draw: st.DrawFn) -> tuple[Tensor, NDArray[np.int64], int]:
    matrix = draw(symmetric_weights())
    num_cells = draw(st.integers(1, len(matrix)))
    cell = draw(
        st.lists(
            st.integers(-1, num_cells - 1), min_size=len(matrix), max_size=len(matrix)
        )
    )
    return matrix, np.array(cell), num_cells


@given(case=partitions())
def test_weights_between_cells_add_up(case) -> None:
    matrix, cell, num_cells = case
    graph = of_matrix(matrix)
    coarse = coarsened(graph, cell, num_cells)
    expected = np.zeros((num_cells, num_cells))
    for i, j in zip(*np.nonzero(matrix.numpy()), strict=True):
        if cell[i] >= 0 and cell[j] >= 0:
            expected[cell[i], cell[j]] += float(matrix[i, j])
    np.testing.assert_allclose(coarse.weight.toarray(), expected, rtol=1e-13)
    # What goes to nodes that are left out is gone; all else is kept.
    inside = np.flatnonzero(cell >= 0)
    degree = graph.subgraph(inside).degree
    np.testing.assert_allclose(
        coarse.degree, np.bincount(cell[inside], degree, num_cells), rtol=1e-13
    )
    assert coarse.weight.sum() == pytest.approx(degree.sum(), rel=1e-13)


def test_ring_of_pairs_by_hand() -> None:
    graph = given_graph(nx.cycle_graph(6))
    coarse = coarsened(graph, np.array([0, 0, 1, 1, 2, 2]), 3)
    assert coarse.weight.toarray().tolist() == [[2, 1, 1], [1, 2, 1], [1, 1, 2]]
    assert coarse.degree.tolist() == [4, 4, 4]
    values = eigenpairs(coarse.laplacian("rw"), 3).values
    assert values.tolist() == pytest.approx([0, 0.75, 0.75], abs=1e-12)


@given(n=st.integers(3, 25), num_cells=st.integers(2, 12), seed=st.integers(0, 2**31))
def test_eigenvalues_interlace(n: int, num_cells: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.4), 1)
    graph = of_matrix(weight + weight.T)
    # Isolated nodes, by convention, have the eigenvalue 0 and not 1.
    assume((graph.degree > 0).all())
    num_cells = min(num_cells, n)
    rest = rng.integers(0, num_cells, n - num_cells)
    cell = rng.permutation(np.append(np.arange(num_cells), rest))
    coarse = coarsened(graph, cell, num_cells)
    fine_values, coarse_values = (
        scipy.linalg.eigvalsh(g.laplacian("sym").matrix.to_dense().numpy())
        for g in (graph, coarse)
    )
    # Cauchy: lambda_j <= coarse_j <= lambda_(n - m + j).
    assert (coarse_values >= fine_values[:num_cells] - 1e-12).all()
    assert (coarse_values <= fine_values[n - num_cells :] + 1e-12).all()


def test_cells_of_like_nodes_keep_the_eigenvectors() -> None:
    # Eigenvectors that are constant on cells lie in the Rayleigh-Ritz space: those of
    # three blocks, in which all nodes have the same neighbors.
    blocks = np.repeat(np.arange(3), [4, 5, 6])
    weight = np.array([[9.0, 1, 2], [1, 7, 1], [2, 1, 8]])[blocks[:, None], blocks]
    coarse = eigenpairs(coarsened(of_matrix(weight), blocks, 3).laplacian("rw"), 3)
    fine = eigenpairs(of_matrix(weight).laplacian("rw"), 3)
    torch.testing.assert_close(coarse.values, fine.values, rtol=0, atol=1e-12)
    lifted = coarse.vectors[blocks] / coarse.vectors[blocks].norm(dim=0)
    overlap = (lifted * fine.vectors).sum(dim=0).abs()
    torch.testing.assert_close(overlap, torch.ones(3).double(), rtol=0, atol=1e-10)


def test_coarsening_twice_is_coarsening_once() -> None:
    graph = given_graph(nx.gnp_random_graph(30, 0.2, seed=1))
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 10, 30), rng.integers(0, 4, 10)
    twice = coarsened(coarsened(graph, first, 10), second, 4)
    once = coarsened(graph, second[first], 4)
    np.testing.assert_allclose(twice.weight.toarray(), once.weight.toarray())


@given(case=graphs_with_seeds())
def test_cells_of_nearest_seeds_are_as_connected_as_the_graph(case) -> None:
    graph, seeds = case
    coarse = coarsened(graph, nearest_seeds(graph, seeds, 0), len(seeds))
    # Two seeds are connected just where they are in the graph.
    for one, other in pairwise(range(len(seeds))):
        is_joined = graph.components[seeds[one]] == graph.components[seeds[other]]
        assert (coarse.components[one] == coarse.components[other]) == is_joined
