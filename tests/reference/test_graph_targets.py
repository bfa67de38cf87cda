from dataclasses import replace
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from torch import Tensor

from pyg_basis.align import Aligner, LeastSquares, MomentPreserving, Orthogonal
from pyg_basis.eigen import LOBPCG
from pyg_basis.graph import GivenGraph, coarsened, nearest_seeds
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import (
    CoarsenedGraph,
    ExactEmbedding,
    SpectralRows,
    WholeGraph,
)
from tests.reference.exact import KINDS, dense_pairs, with_signs_of


def random_graph(num_nodes: int = 40, num_isolated: int = 0) -> GivenGraph:
    """Connected, with weights, and some isolated nodes at the end."""
    rng = np.random.default_rng(0)
    graph = nx.connected_watts_strogatz_graph(num_nodes, 6, 0.3, seed=0)
    upper = np.triu(nx.to_numpy_array(graph) * rng.uniform(0.5, 2, (num_nodes,) * 2))
    weight = np.zeros((num_nodes + num_isolated,) * 2)
    weight[:num_nodes, :num_nodes] = upper + upper.T
    return GivenGraph(csr_matrix(weight))


def blocks() -> GivenGraph:
    """Three clear blocks of 60 nodes each."""
    graph = nx.planted_partition_graph(3, 60, 0.5, 0.02, seed=0)
    return GivenGraph.from_data(graph)


def embedded(kind: Any = "rw", drop_first: bool = False) -> ExactEmbedding:
    return ExactEmbedding(3, laplacian=kind, drop_first=drop_first)


def exact(graph: GivenGraph, embedding: ExactEmbedding) -> Tensor:
    return WholeGraph.from_graph(graph, embedding).rows


def sampled(
    graph: GivenGraph,
    embedding: ExactEmbedding | None = None,
    aligner: Aligner | None = None,
    reference_size: int = 180,
    seed: int = 0,
) -> CoarsenedGraph:
    return CoarsenedGraph.from_graph(
        graph, embedding or embedded(), aligner or LeastSquares(), reference_size, seed
    )


# --- the whole graph


@pytest.mark.parametrize("drop_first", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_a_dense_decomposition(kind, drop_first) -> None:
    graph, embedding = random_graph(), embedded(kind, drop_first)
    values, vectors = dense_pairs(graph.weight.toarray(), kind)
    vectors = torch.from_numpy(vectors[:, int(drop_first) : embedding.num_pairs])
    assert np.diff(values[: embedding.num_pairs + 1]).min() > 1e-3, "not unique"
    whole = WholeGraph.from_graph(graph, embedding, num_beyond=2)
    rows = with_signs_of(whole.rows, vectors)
    torch.testing.assert_close(rows, vectors, rtol=0, atol=1e-5)
    # The trivial one as well, and those beyond.
    expected = values[: embedding.num_pairs + 2]
    np.testing.assert_allclose(whole.eigenvalues, expected, atol=1e-6)
    assert np.array_equal(whole.nodes, np.arange(40))
    drawn = np.array([17, 3, 39, 0, 20])
    batch = whole.targets(drawn)
    assert torch.equal(batch.y, whole.rows[drawn].float())
    assert batch.y.dtype == torch.float32
    assert (batch.residual, batch.rank) == (0, 3)
    assert (batch.num_components, batch.converged) == (1, True)
    assert batch.fell_back is False


@pytest.mark.parametrize("num_blocks", [2, 3, 7])
def test_components_are_counted_on_the_graph(num_blocks: int) -> None:
    graph = nx.disjoint_union_all([nx.complete_graph(40)] * num_blocks)
    given_graph = GivenGraph.from_data(graph)
    for targets in (
        WholeGraph.from_graph(given_graph, embedded()),
        sampled(given_graph),
    ):
        batch = targets.targets(np.arange(given_graph.num_nodes))
        assert batch.num_components == num_blocks


def test_small_eigenvalues_are_no_components() -> None:
    graph = nx.barbell_graph(5, 0)
    nx.set_edge_attributes(graph, 1.0, "weight")
    graph.edges[4, 5]["weight"] = 1e-7
    whole = WholeGraph.from_graph(GivenGraph.from_data(graph), embedded())
    assert 0 < whole.eigenvalues[1] < 1e-7
    assert whole.targets(np.arange(10)).num_components == 1


@pytest.mark.parametrize("kind", KINDS)
def test_isolated_nodes_stay_finite(kind: Any) -> None:
    graph = random_graph(9, 3)
    y = exact(graph, replace(embedded(kind), num_eigenvectors=5))
    assert torch.isfinite(y).all()
    # The four null vectors hold all functions that are constant on components.
    alone = torch.zeros(12).double()
    alone[10] = 1
    basis = torch.linalg.qr(y[:, :4]).Q
    torch.testing.assert_close(basis @ (basis.T @ alone), alone, rtol=0, atol=1e-8)


# --- samples of it, coarsened


@pytest.mark.parametrize("aligner", [LeastSquares(), Orthogonal(), MomentPreserving()])
@pytest.mark.parametrize("drop_first", [False, True])
@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_all_nodes_sampled_give_the_exact_rows(kind, drop_first, aligner) -> None:
    graph, embedding = blocks(), embedded(kind, drop_first)
    targets = sampled(graph, embedding, aligner, reference_size=10**6)
    whole = WholeGraph.from_graph(graph, embedding)
    assert sorted(targets.nodes) == list(range(180))
    rows = with_signs_of(targets.rows, whole.rows[targets.nodes])
    torch.testing.assert_close(rows, whole.rows[targets.nodes], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        targets.eigenvalues, whole.eigenvalues, rtol=0, atol=1e-6
    )
    drawn = np.random.default_rng(1).permutation(180)
    batch = targets.targets(drawn)
    y = with_signs_of(batch.y, whole.rows[drawn])
    torch.testing.assert_close(y, whole.rows[drawn], rtol=0, atol=1e-4)
    assert batch.y.dtype == torch.float32
    assert batch.residual < 1e-5
    assert batch.rank == 3 - embedding.num_constant
    assert (batch.num_components, batch.converged) == (1, True)
    assert batch.fell_back is False


@pytest.mark.parametrize("reference_size", [90, 180])
@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_samples_agree_in_one_basis(kind, reference_size) -> None:
    graph, embedding = blocks(), embedded(kind)
    rows = exact(graph, embedding)
    targets = sampled(graph, embedding, reference_size=reference_size)
    total, count = torch.zeros(180, 3), torch.zeros(180, 1)
    for seed in range(10):
        drawn = np.random.default_rng(seed).choice(180, 70, replace=False)
        batch = targets.targets(drawn, seed)
        assert grassmann_distance(batch.y, rows[drawn]) < 0.2
        total[drawn] += batch.y
        count[drawn] += 1
    # Samples in bases of their own would cancel each other.
    mean = total / count
    assert grassmann_distance(mean, rows) < 0.04
    assert (mean.square().mean(dim=0) > 0.8).all()


def test_rows_of_sym_have_the_root_of_the_degree_as_a_factor() -> None:
    # Of samples too, whose own degrees are others.
    graph = blocks()
    sym, rw = (
        sampled(graph, embedded(kind), reference_size=90) for kind in ("sym", "rw")
    )
    root = torch.from_numpy(graph.degree[sym.nodes]).sqrt().unsqueeze(1)
    factor = sym.rows / (rw.rows * root)
    torch.testing.assert_close(factor, factor[:1].expand(90, 3), rtol=1e-6, atol=0)
    for targets in (sym, rw):
        mean_square = targets.rows.square().mean(dim=0)
        torch.testing.assert_close(mean_square, torch.ones(3).double())


def test_isolated_nodes_have_the_exact_rows_of_sym() -> None:
    graph, embedding = random_graph(60, 2), ExactEmbedding(4, laplacian="sym")
    embedding = replace(embedding, drop_first=False)
    batch = sampled(graph, embedding).targets(np.arange(62))
    # Their null vectors are any basis.
    assert grassmann_distance(batch.y, exact(graph, embedding)) < 1e-6


def mapped(source: Tensor, reference: Tensor) -> Tensor:
    """The affine map of least squares, of all rows."""
    ones = torch.ones(len(source), 1, dtype=source.dtype)
    source = torch.cat([source, ones], dim=1)
    return source @ torch.linalg.lstsq(source, reference, driver="gelsd").solution


@cache
def of_two_components() -> CoarsenedGraph:
    two = nx.planted_partition_graph(2, 30, 0.8, 0.1, seed=0)
    return sampled(GivenGraph.from_data(nx.disjoint_union(two, nx.complete_graph(20))))


@given(seed=st.integers(0, 2**31), num_drawn=st.integers(10, 60))
def test_rows_are_the_mapped_eigenvectors_of_the_cells(seed, num_drawn) -> None:
    # Nothing is drawn of the last 20 nodes: the anchors among them are left out.
    targets = of_two_components()
    graph = targets.graph
    drawn = np.random.default_rng(seed).choice(60, num_drawn, replace=False)
    batch = targets.targets(drawn, seed)
    cell = nearest_seeds(graph, drawn, seed)
    assert np.array_equal(cell == -1, np.arange(80) >= 60)
    part = coarsened(graph, cell, len(drawn))
    # A sample that is smaller than the reference gives six more columns to the map.
    wide = targets.embedding.widened(6 if num_drawn < 80 else 0)
    rows = wide.rows_of(part.laplacian("rw")).vectors[cell]
    is_reached = targets.nodes < 60
    anchors = targets.nodes[is_reached]
    reference = targets.rows[torch.from_numpy(is_reached)]
    expected = mapped(rows[anchors, 1:], reference[:, 1:])
    place = np.argsort(anchors)[drawn]
    torch.testing.assert_close(
        batch.y[:, 1:], expected[place].float(), rtol=0, atol=1e-5
    )
    assert batch.num_components == 1


@pytest.mark.usefixtures("untouched_global_generators")
def test_reference_and_ties_of_the_cells_depend_on_the_seed_alone() -> None:
    one, again, other = (
        sampled(blocks(), reference_size=90, seed=s) for s in (1, 1, 2)
    )
    assert np.array_equal(one.nodes, again.nodes)
    assert torch.equal(one.rows, again.rows)
    assert set(one.nodes) != set(other.nodes)
    assert len(set(one.nodes)) == 90
    grid = sampled(GivenGraph.from_data(nx.grid_2d_graph(10, 18)))
    drawn = np.arange(0, 180, 10)
    one, again, other = (grid.targets(drawn, seed).y for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_fall_back_is_reported() -> None:
    hasty: Any = replace(embedded(), solver=LOBPCG(max_iter=1))
    for targets in (WholeGraph.from_graph(blocks(), hasty), sampled(blocks(), hasty)):
        batch = targets.targets(np.arange(180))
        assert batch.fell_back and batch.converged


def test_reference_that_does_not_converge(monkeypatch) -> None:
    rows_of = ExactEmbedding.rows_of

    def unconverged(*args: Any) -> SpectralRows:
        return replace(rows_of(*args), converged=False)

    monkeypatch.setattr(ExactEmbedding, "rows_of", unconverged)
    with pytest.raises(ValueError, match=r"180 nodes did not converge.*reference_size"):
        sampled(blocks())


def test_coarsening_does_not_keep_comb() -> None:
    with pytest.raises(ValueError, match=r"laplacian='comb'.*coarsening.*'rw' or"):
        sampled(blocks(), embedded("comb"))
