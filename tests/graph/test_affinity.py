import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import affinity, knn_graph


def dense(graph: Data) -> Tensor:
    n = graph.num_nodes
    matrix = graph.edge_weight.new_zeros(n, n)
    matrix[graph.edge_index[0], graph.edge_index[1]] = graph.edge_weight
    return matrix


def path(dtype: torch.dtype = torch.float64) -> Data:
    """Points 0, 1, 3, 7 with two neighbors each; scales 3, 2, 3, 6."""
    return knn_graph(torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=dtype), 2)


def edges(pairs: list[tuple[int, int]], distance: list[float], num_nodes: int) -> Data:
    return Data(
        edge_index=torch.tensor(pairs, dtype=torch.long).view(-1, 2).t(),
        edge_distance=torch.tensor(distance),
        num_nodes=num_nodes,
    )


def test_self_tuning_by_hand() -> None:
    weight = dense(affinity(path()))
    expected = torch.zeros(4, 4, dtype=torch.float64)
    pairs = {
        (0, 1): math.exp(-1 / (3 * 2)),
        (0, 2): math.exp(-9 / (3 * 3)),
        (1, 2): math.exp(-4 / (2 * 3)),
        (1, 3): math.exp(-36 / (2 * 6)),  # 1 is a neighbor of 3, not 3 of 1
        (2, 3): math.exp(-16 / (3 * 6)),
    }
    for (i, j), value in pairs.items():
        expected[i, j] = expected[j, i] = value
    torch.testing.assert_close(weight, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("bandwidth", [2.0, 2, "global"])
def test_number_and_global_by_hand(bandwidth: Any) -> None:
    # The edge distances are 1, 1, 2, 2, 3, 3, 4, 6: torch's median is the lower.
    weight = dense(affinity(path(), bandwidth))
    assert weight[0, 1] == pytest.approx(math.exp(-1 / 8), rel=1e-14)
    assert weight[1, 3] == pytest.approx(math.exp(-36 / 8), rel=1e-14)


def test_symmetric_by_the_maximum() -> None:
    result = affinity(edges([(0, 1), (1, 0), (1, 2)], [1.0, 3.0, 2.0], 3), 1.0)
    assert result.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    near, far = math.exp(-0.5), math.exp(-2)
    assert result.edge_weight.tolist() == pytest.approx([near, near, far, far])


def test_loops_go_and_the_largest_of_repeated_edges_counts() -> None:
    pairs = [(0, 0), (1, 0), (1, 0), (1, 0)]
    result = affinity(edges(pairs, [0.0, 2.0, 1.0, 3.0], 2), 1.0)
    assert result.edge_index.tolist() == [[0, 1], [1, 0]]
    assert result.edge_weight.tolist() == pytest.approx([math.exp(-0.5)] * 2)


@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.5])
@given(
    points=st.lists(
        st.tuples(*[st.floats(-100, 100, width=32)] * 2), min_size=4, max_size=30
    ),
    repeats=st.integers(1, 4),
)
def test_symmetric_sorted_and_in_range(
    bandwidth: Any, points: list[tuple[float, float]], repeats: int
) -> None:
    graph = knn_graph(torch.tensor(points).repeat(repeats, 1), 3)
    result = affinity(graph, bandwidth)
    weight = result.edge_weight
    assert bool(((weight > 0) & (weight <= 1)).all())
    key = result.edge_index[0] * result.num_nodes + result.edge_index[1]
    assert bool((key.diff() > 0).all())
    assert torch.equal(dense(result), dense(result).t())
    # Every edge of the neighbor graph is there, whatever its weight.
    assert bool((dense(result)[graph.edge_index[0], graph.edge_index[1]] > 0).all())
    assert result.x is graph.x


@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.1])
def test_duplicates_have_weight_one(bandwidth: Any) -> None:
    x = torch.cat([torch.zeros(10, 2), torch.eye(2)])
    weight = dense(affinity(knn_graph(x, 4), bandwidth))
    assert bool(torch.isfinite(weight).all())
    # Neighbors of the duplicates are the lowest indices, all at distance 0.
    assert weight[0, 1:5].tolist() == [1, 1, 1, 1]
    constant = affinity(knn_graph(torch.ones(9, 3), 2), bandwidth)
    assert bool((constant.edge_weight == 1).all())


def test_duplicates_take_the_scale_of_the_other_end() -> None:
    # Node 3 sees two of three duplicates at distance 2; its own scale is 2.
    x = torch.tensor([[0.0], [0.0], [0.0], [2.0]])
    weight = dense(affinity(knn_graph(x, 2)))
    assert weight[3].tolist() == pytest.approx([math.exp(-1), math.exp(-1), 0, 0])


def test_global_with_median_zero_takes_the_positive_distances() -> None:
    graph = edges([(0, 1), (1, 0), (2, 0), (3, 0)], [0.0, 0.0, 0.0, 2.0], 4)
    assert dense(affinity(graph, "global"))[0, 3] == pytest.approx(math.exp(-0.5))


def test_no_edge_is_lost_by_underflow() -> None:
    x = torch.tensor([[0.0], [1e-3], [1e6]])
    result = affinity(knn_graph(x, 1), 1e-3)
    assert dense(result)[2, 1] == torch.finfo(torch.float32).tiny


@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 1.0])
def test_no_edges(bandwidth: Any) -> None:
    result = affinity(edges([], [], 3), bandwidth)
    assert result.edge_index.shape == (2, 0)
    assert result.num_nodes == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 1.0])
def test_dtype_is_kept(dtype: torch.dtype, bandwidth: Any) -> None:
    assert affinity(path(dtype), bandwidth).edge_weight.dtype == dtype


@pytest.mark.parametrize("bandwidth", ["median", 0.0, -1.0, math.nan, math.inf])
def test_bad_bandwidth(bandwidth: Any) -> None:
    with pytest.raises(ValueError, match=f"'bandwidth' .* Got {bandwidth!r}"):
        affinity(path(), bandwidth)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_gradients(dtype: torch.dtype) -> None:
    graph = knn_graph(torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), 5)
    expected = affinity(graph)
    graph.edge_distance = graph.edge_distance.to(dtype).requires_grad_()
    found = affinity(graph)
    assert torch.equal(found.edge_index, expected.edge_index)
    assert found.edge_weight.dtype == torch.float32
    assert not found.edge_weight.requires_grad
    torch.testing.assert_close(
        found.edge_weight, expected.edge_weight, rtol=0.05, atol=0.05
    )
