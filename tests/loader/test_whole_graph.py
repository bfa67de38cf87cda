from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.graph import GivenGraph
from pyg_basis.loader import ExactEmbedding, WholeGraph
from tests.graph.test_given_graph import given_graph, of_matrix
from tests.loader.test_exact_embedding import KINDS, dense_pairs, one_sign


def random_graph(num_nodes: int = 40, seed: int = 0) -> GivenGraph:
    """Connected, with weights."""
    rng = np.random.default_rng(seed)
    graph = nx.connected_watts_strogatz_graph(num_nodes, 6, 0.3, seed=seed)
    weight = np.triu(nx.to_numpy_array(graph) * rng.uniform(0.5, 2, (num_nodes,) * 2))
    return of_matrix(weight + weight.T)


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_rows_of_a_dense_decomposition(kind, drop_trivial) -> None:
    graph = random_graph()
    values, vectors = dense_pairs(graph.weight.toarray(), kind)
    kept = slice(int(drop_trivial), 3 + drop_trivial)
    assert np.diff(values[: 4 + drop_trivial]).min() > 1e-3, "vectors are not unique"
    embedding = ExactEmbedding(3, laplacian=kind, drop_trivial=drop_trivial)
    whole = WholeGraph.from_graph(graph, embedding)
    drawn = np.array([17, 3, 39, 0, 20])
    batch = whole.targets(drawn)
    assert batch.node.tolist() == drawn.tolist()
    assert batch.y.dtype == batch.eigenvalues.dtype == torch.float32
    everything = whole.targets(np.arange(40)).y
    # The rows of one basis, whichever nodes are drawn.
    assert torch.equal(batch.y, everything[drawn])
    expected = one_sign(vectors[:, kept])
    np.testing.assert_allclose(one_sign(everything.numpy()), expected, atol=1e-5)
    np.testing.assert_allclose(batch.eigenvalues, values[kept], atol=1e-6)
    every = values[: 3 + drop_trivial]  # the trivial one as well
    np.testing.assert_allclose(whole.eigenvalues, every, atol=1e-6)
    nodes, rows = whole.known_rows()
    assert nodes.tolist() == list(range(40))
    torch.testing.assert_close(rows.float(), everything)


@given(seed=st.integers(0, 2**31), n=st.integers(8, 30))
def test_mean_square_is_1(seed: int, n: int) -> None:
    graph = random_graph(n, seed)
    y = WholeGraph.from_graph(graph, ExactEmbedding(3)).targets(np.arange(n)).y
    torch.testing.assert_close(y.square().mean(dim=0), torch.ones(3))


def test_ring_has_the_closed_form() -> None:
    n = 30
    whole = WholeGraph.from_graph(given_graph(nx.cycle_graph(n)), ExactEmbedding(3))
    y = whole.targets(np.arange(n)).y.double()
    # The circle of the second and third: any turn of it.
    angle = 2 * torch.pi * torch.arange(n) / n
    circle = 2**0.5 * torch.stack([angle.cos(), angle.sin()], dim=1).double()
    turn = circle.T @ y[:, 1:] / n
    torch.testing.assert_close(circle @ turn, y[:, 1:], rtol=0, atol=1e-5)
    torch.testing.assert_close(turn.T @ turn, torch.eye(2).double(), atol=1e-5, rtol=0)
    assert torch.equal(y[:, 0], torch.ones(n).double())


def test_diagnostics() -> None:
    whole = WholeGraph.from_graph(random_graph(), ExactEmbedding(4))
    batch = whole.targets(np.arange(5), seed=3)
    assert set(batch.keys()) == {
        *("node", "y", "eigenvalues"),
        *("residual", "rank", "num_components", "converged"),
    }
    assert (batch.residual, batch.rank) == (0, 4)
    assert (batch.num_components, batch.converged) == (1, True)
    assert repr(whole) == "WholeGraph(40, 4)"


@pytest.mark.parametrize("num_blocks", [2, 3, 7])
def test_components_are_counted_on_the_graph(num_blocks: int) -> None:
    graph = given_graph(nx.disjoint_union_all([nx.complete_graph(5)] * num_blocks))
    whole = WholeGraph.from_graph(graph, ExactEmbedding(3))
    assert whole.targets(np.arange(4)).num_components == num_blocks


def test_small_eigenvalues_are_no_components() -> None:
    graph = nx.barbell_graph(5, 0)
    nx.set_edge_attributes(graph, 1.0, "weight")
    graph.edges[4, 5]["weight"] = 1e-7
    whole = WholeGraph.from_graph(given_graph(graph), ExactEmbedding(2))
    batch = whole.targets(np.arange(10))
    assert 0 < batch.eigenvalues[1] < 1e-7
    assert batch.num_components == 1


@pytest.mark.parametrize("kind", KINDS)
def test_isolated_nodes_stay_finite(kind: Any) -> None:
    weight = np.zeros((12, 12))
    weight[:9, :9] = random_graph(9).weight.toarray()
    graph = of_matrix(weight)
    y = WholeGraph.from_graph(graph, ExactEmbedding(5, laplacian=kind)).rows.vectors
    assert torch.isfinite(y).all()
    # The four null vectors hold all functions that are constant on components.
    alone = torch.zeros(12).double()
    alone[10] = 1
    basis = torch.linalg.qr(y[:, :4]).Q
    torch.testing.assert_close(basis @ (basis.T @ alone), alone, rtol=0, atol=1e-8)
