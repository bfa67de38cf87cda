from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_basis.align import LeastSquares, MomentPreserving, Orthogonal
from pyg_basis.graph import GivenGraph, coarsened, nearest_seeds
from pyg_basis.loader import ExactEmbedding, SampledGraph, WholeGraph
from pyg_basis.loader.sampled_graph import LEAST_CONNECTED, connected_share
from pyg_basis.metrics import grassmann_distance
from tests.graph.test_given_graph import given_graph, of_matrix
from tests.loader.test_exact_embedding import KINDS

# Kinds and graphs of a sample that go together.
PAIRS = [
    (kind, operator)
    for kind in KINDS
    for operator in ("coarsened", "induced")
    if (kind, operator) != ("comb", "coarsened")
]


def blocks(inside: float = 0.5, between: float = 0.02) -> GivenGraph:
    """Three clear blocks of 60 nodes each."""
    return given_graph(nx.planted_partition_graph(3, 60, inside, between, seed=0))


def sampled(
    graph: GivenGraph, kind: Any = "sym", operator: Any = "coarsened", **kwargs
):
    settings = {"num_anchors": 30, "reference_size": 180, **kwargs}
    embedding = settings.pop("embedding", ExactEmbedding(3, laplacian=kind))
    aligner = settings.pop("aligner", LeastSquares())
    return SampledGraph.from_graph(graph, embedding, aligner, operator, **settings)


def exact(graph: GivenGraph, embedding: ExactEmbedding) -> Tensor:
    return WholeGraph.from_graph(graph, embedding).rows.vectors


def in_one_basis(y: Tensor, rows: Tensor) -> float:
    """The mean square difference after the signs of the columns are chosen."""
    signs = (y.double() * rows).sum(dim=0).sign()
    return float((y * signs - rows).square().mean())


def draws(count: int, size: int, num_nodes: int = 180):
    for seed in range(count):
        yield np.random.default_rng(seed).choice(num_nodes, size, replace=False), seed


# --- the whole graph as a sample


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize(("kind", "operator"), PAIRS)
def test_all_nodes_sampled_give_the_exact_rows(kind, operator, drop_trivial) -> None:
    graph = blocks()
    embedding = ExactEmbedding(3, laplacian=kind, drop_trivial=drop_trivial)
    targets = sampled(graph, kind, operator, embedding=embedding)
    batch = targets.targets(np.random.default_rng(1).permutation(180))
    assert sorted(batch.node.tolist()) == list(range(180))
    rows = exact(graph, embedding)[batch.node]
    assert in_one_basis(batch.y, rows) < 1e-10
    assert batch.residual < 1e-6
    torch.testing.assert_close(batch.y.square().mean(dim=0), torch.ones(3))
    values = WholeGraph.from_graph(graph, embedding).rows.values.float()
    torch.testing.assert_close(batch.eigenvalues, values, rtol=0, atol=1e-6)
    # The reference set is the whole graph as well, and has the trivial one too.
    every = WholeGraph.from_graph(graph, embedding).eigenvalues
    assert len(every) == 3 + drop_trivial
    torch.testing.assert_close(targets.eigenvalues, every, rtol=0, atol=1e-6)
    nodes, known = targets.known_rows()
    assert len(nodes) == (180 if operator == "coarsened" else 30)
    assert in_one_basis(known, exact(graph, embedding)[nodes]) < 1e-10


def test_rows_of_sym_have_the_root_of_the_degree_as_a_factor() -> None:
    graph = blocks()
    # Of samples too, whose own degrees are others.
    sym, rw = (sampled(graph, kind, reference_size=90) for kind in ("sym", "rw"))
    assert np.array_equal(sym.anchors, rw.anchors)
    root = torch.from_numpy(graph.degree[sym.anchors]).sqrt().unsqueeze(1)
    factor = sym.rows / (rw.rows * root)
    torch.testing.assert_close(factor, factor[:1].expand(90, 3), rtol=1e-6, atol=0)
    for targets in (sym, rw):
        mean_square = targets.rows.square().mean(dim=0)
        torch.testing.assert_close(mean_square, torch.ones(3).double())


def test_isolated_nodes_have_the_exact_rows_of_sym() -> None:
    weight = np.zeros((62, 62))
    weight[:60, :60] = blocks().weight[:60, :60].toarray()
    graph = of_matrix(weight)
    embedding = ExactEmbedding(4)
    batch = sampled(graph, embedding=embedding).targets(np.arange(62))
    # Their null vectors are any basis.
    rows = exact(graph, embedding)[batch.node]
    assert grassmann_distance(batch.y, rows) < 1e-6


# --- samples


@pytest.mark.parametrize("reference_size", [90, 180])
@pytest.mark.parametrize("num_oversamples", [0, 3])
@pytest.mark.parametrize(("kind", "operator"), PAIRS)
def test_samples_agree_in_one_basis(
    kind, operator, num_oversamples, reference_size
) -> None:
    graph = blocks()
    rows = exact(graph, ExactEmbedding(3, laplacian=kind))
    targets = sampled(
        graph,
        kind,
        operator,
        num_oversamples=num_oversamples,
        reference_size=reference_size,
    )
    total, count = torch.zeros(180, 3), torch.zeros(180, 1)
    for drawn, seed in draws(10, 70):
        batch = targets.targets(drawn, seed)
        assert grassmann_distance(batch.y, rows[batch.node]) < 0.2
        total[batch.node] += batch.y
        count[batch.node] += 1
    # Samples in bases of their own would cancel each other.
    mean = total / count
    assert grassmann_distance(mean, rows) < 0.04
    assert (mean.square().mean(dim=0) > 0.8).all()


@pytest.mark.parametrize(("kind", "operator"), PAIRS)
def test_batch_of_one_sample(kind, operator) -> None:
    targets = sampled(blocks(), kind, operator)
    drawn = np.random.default_rng(0).permutation(180)[:50]
    batch = targets.targets(drawn)
    assert set(batch.keys()) == {
        *("node", "y", "eigenvalues"),
        *("residual", "rank", "num_components", "converged"),
    }
    if operator == "coarsened":
        expected = drawn.tolist()
        assert targets.num_fixed == 0
        assert len(targets.anchors) == 180  # all that are known
    else:
        anchors = targets.anchors.tolist()
        assert targets.num_fixed == len(anchors) == 30
        expected = anchors + [i for i in drawn.tolist() if i not in anchors]
    assert batch.node.tolist() == expected
    assert batch.y.shape == (len(expected), 3)
    assert batch.y.dtype == batch.eigenvalues.dtype == torch.float32
    assert batch.eigenvalues.shape == (3,)
    assert (batch.num_components, batch.converged) == (1, True)
    assert batch.rank == (3 if kind == "sym" else 2)
    assert 0 < batch.residual < 0.5


def test_coarsened_eigenvalues_are_never_below_the_graphs_own() -> None:
    graph = blocks()
    values = WholeGraph.from_graph(graph, ExactEmbedding(3)).rows.values
    targets = sampled(graph, num_oversamples=2)
    for drawn, seed in draws(10, 40):
        batch = targets.targets(drawn, seed)
        assert (batch.eigenvalues > values - 1e-6).all()


def mapped(source: Tensor, reference: Tensor) -> Tensor:
    """The affine map of least squares, of all rows."""
    ones = torch.ones(len(source), 1, dtype=source.dtype)
    source = torch.cat([source, ones], dim=1)
    return source @ torch.linalg.lstsq(source, reference, driver="gelsd").solution


def test_coarsened_rows_are_those_of_the_cells() -> None:
    targets = sampled(blocks(), "rw")
    drawn = np.arange(0, 180, 4)
    cell = nearest_seeds(targets.graph, drawn, 5)
    part = coarsened(targets.graph, cell, len(drawn))
    rows = targets.embedding.rows_of(part.laplacian("rw")).vectors
    expected = mapped(rows[cell[targets.anchors]], targets.rows)
    place = np.argsort(targets.anchors)[drawn]
    batch = targets.targets(drawn, 5)
    torch.testing.assert_close(batch.y, expected[place].float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("operator", ["coarsened", "induced"])
def test_map_draws_on_more_columns(operator) -> None:
    drawn = np.random.default_rng(0).permutation(180)[:60]
    few, more = (
        sampled(blocks(), "rw", operator, num_oversamples=count).targets(drawn)
        for count in (0, 6)
    )
    assert (few.rank, more.rank) == (2, 8)
    assert more.residual < few.residual
    assert more.y.shape == few.y.shape
    torch.testing.assert_close(more.eigenvalues, few.eigenvalues)


def test_ties_of_the_cells_hang_on_the_seed() -> None:
    targets = sampled(given_graph(nx.grid_2d_graph(10, 18)), num_anchors=20)
    drawn = np.arange(0, 180, 10)
    one, again, other = (targets.targets(drawn, seed).y for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("operator", ["coarsened", "induced"])
def test_reference_hangs_on_the_seed_alone(operator) -> None:
    one, again, other = (
        sampled(blocks(), "rw", operator, reference_size=90, seed=seed)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one.anchors, again.anchors)
    assert torch.equal(one.rows, again.rows)
    assert set(one.anchors) != set(other.anchors)
    assert len(set(one.anchors)) == (90 if operator == "coarsened" else 30)


def test_reference_is_never_larger_than_the_graph() -> None:
    targets = sampled(blocks(), reference_size=10**6)
    assert sorted(targets.anchors) == list(range(180))


@pytest.mark.parametrize("aligner", [Orthogonal(), MomentPreserving()])
@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_other_aligners(kind, aligner) -> None:
    graph = blocks()
    rows = exact(graph, ExactEmbedding(3, laplacian=kind))
    targets = sampled(graph, kind, aligner=aligner)
    for drawn, seed in draws(5, 70):
        batch = targets.targets(drawn, seed)
        assert grassmann_distance(batch.y, rows[batch.node]) < 0.2
        assert in_one_basis(batch.y, rows[batch.node]) < 0.1


# --- components


@pytest.mark.parametrize("operator", ["coarsened", "induced"])
def test_components_of_a_sample_are_counted(operator) -> None:
    graph = given_graph(nx.disjoint_union_all([nx.complete_graph(60)] * 5))
    targets = sampled(graph, operator=operator, num_anchors=100, reference_size=200)
    assert targets.targets(np.arange(300)).num_components == 5


def test_anchors_that_no_sampled_node_reaches_are_left_out() -> None:
    # Two components; the sample has nodes of the first only.
    graph = nx.planted_partition_graph(2, 30, 0.8, 0.1, seed=0)
    graph = given_graph(nx.disjoint_union(graph, nx.complete_graph(20)))
    targets = sampled(graph, "rw", reference_size=80)
    drawn = np.arange(0, 60, 4)
    batch = targets.targets(drawn)
    assert batch.num_components == 1
    cell = nearest_seeds(graph, drawn, 0)
    assert np.array_equal(cell == -1, np.arange(80) >= 60)
    part = coarsened(graph, cell, len(drawn))
    rows = targets.embedding.rows_of(part.laplacian("rw")).vectors[cell]
    is_reached = targets.anchors < 60
    anchors = targets.anchors[is_reached]
    assert len(anchors) == 60
    reference = targets.rows[torch.from_numpy(is_reached)]
    expected = mapped(rows[anchors, 1:], reference)
    place = np.argsort(anchors)[drawn]
    found = batch.y[:, 1:]
    assert batch.node.tolist() == drawn.tolist()
    torch.testing.assert_close(found, expected[place, 1:].float(), rtol=0, atol=1e-5)


# --- refused


def test_reference_that_does_not_converge(monkeypatch) -> None:
    rows_of = ExactEmbedding.rows_of

    def unconverged(embedding, operator):
        return replace(rows_of(embedding, operator), converged=False)

    monkeypatch.setattr(ExactEmbedding, "rows_of", unconverged)
    with pytest.raises(ValueError, match=r"180 nodes did not converge.*reference_size"):
        sampled(blocks())


def test_unknown_batch_operator() -> None:
    with pytest.raises(ValueError, match="batch_operator='whole' is unknown: use 'co"):
        sampled(blocks(), operator="whole")


def test_coarsening_does_not_keep_comb() -> None:
    with pytest.raises(ValueError, match=r"laplacian='comb'.*coarsening.*'rw' or"):
        sampled(blocks(), "comb", "coarsened")


@pytest.mark.parametrize(
    ("num_anchors", "num_oversamples", "text"),
    [
        (3, 0, "num_anchors=3 cannot fix an affine map of 3 columns"),
        (6, 3, "num_anchors=6 cannot fix an affine map of 6 columns"),
        (180, 0, "num_anchors=180 leaves no other node"),
    ],
)
def test_anchors_of_induced_samples_fix_the_map(
    num_anchors, num_oversamples, text
) -> None:
    settings = {"num_anchors": num_anchors, "num_oversamples": num_oversamples}
    with pytest.raises(ValueError, match=text):
        sampled(blocks(), operator="induced", **settings)
    # Coarsened ones take the whole reference set.
    assert sampled(blocks(), **settings).rows.shape == (180, 3)


def test_a_block_without_an_anchor_gets_one() -> None:
    # 150 nodes, and 8 that two edges join to them.
    graph = nx.disjoint_union(
        nx.gnp_random_graph(150, 0.5, seed=0), nx.complete_graph(8)
    )
    graph.add_edges_from([(0, 150), (1, 151)])
    given, num_exchanged = given_graph(graph), 0
    embedding = ExactEmbedding(2, laplacian="rw", drop_trivial=True)
    for seed in range(5):
        sampler = sampled(
            given,
            operator="induced",
            embedding=embedding,
            num_anchors=10,
            reference_size=158,
            seed=seed,
        )
        drawn = np.random.default_rng(seed).choice(158, 158, replace=False)[:10]
        assert (sampler.anchors >= 150).any()
        assert len(np.unique(sampler.anchors)) == 10
        num_exchanged += not (drawn >= 150).any()
        rows = exact(given, embedding)[torch.from_numpy(sampler.anchors)]
        assert in_one_basis(sampler.rows, rows) < 1e-8
    assert num_exchanged > 0


def test_repr() -> None:
    assert repr(sampled(given_graph(nx.complete_graph(40)))) == (
        "SampledGraph(GivenGraph(num_nodes=40, num_edges=1560), num_anchors=40, "
        "batch_operator='coarsened')"
    )


# --- connected_share


@pytest.mark.parametrize("num_drawn", [1, 7, 50])
def test_complete_graphs_hang_together(num_drawn: int) -> None:
    assert connected_share(given_graph(nx.complete_graph(50)), num_drawn, 0) == 1


def test_components_of_the_graph_are_no_fragments() -> None:
    graph = given_graph(nx.disjoint_union_all([nx.complete_graph(40)] * 3))
    assert connected_share(graph, 60, 0) == 1


def test_samples_of_a_path_are_fragments() -> None:
    assert connected_share(given_graph(nx.path_graph(300)), 30, 0) < 0.15
    # All nodes, in any order, are the path again.
    assert connected_share(given_graph(nx.path_graph(300)), 300, 0) == 1


@pytest.mark.usefixtures("untouched_global_generators")
def test_share_is_that_of_the_largest_piece() -> None:
    graph = given_graph(nx.gnp_random_graph(200, 0.02, seed=0))
    graph = graph.subgraph(np.flatnonzero(graph.components == graph.components[0]))
    rng = np.random.default_rng(7)
    shares = []
    for _ in range(3):
        drawn = rng.choice(graph.num_nodes, 80, replace=False)
        part = nx.from_scipy_sparse_array(graph.subgraph(drawn).weight)
        shares.append(max(map(len, nx.connected_components(part))) / 80)
    assert connected_share(graph, 80, 7) == pytest.approx(np.mean(shares))
    assert 0.2 < np.mean(shares) < 0.9


def test_blocks_are_dense_enough_to_be_induced() -> None:
    assert connected_share(blocks(), 70, 0) >= LEAST_CONNECTED
    sparse = given_graph(nx.random_regular_graph(3, 180, seed=0))
    assert connected_share(sparse, 70, 0) < LEAST_CONNECTED
