import math

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
    """Points 0, 1, 3, 7 with two neighbours each; scales 3, 2, 3, 6."""
    return knn_graph(torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=dtype), 2)


def test_self_tuning_by_hand() -> None:
    weight = dense(affinity(path()))
    expected = torch.zeros(4, 4, dtype=torch.float64)
    pairs = {
        (0, 1): math.exp(-1 / (3 * 2)),
        (0, 2): math.exp(-9 / (3 * 3)),
        (1, 2): math.exp(-4 / (2 * 3)),
        (1, 3): math.exp(-36 / (2 * 6)),  # 1 is a neighbour of 3, not 3 of 1
        (2, 3): math.exp(-16 / (3 * 6)),
    }
    for (i, j), value in pairs.items():
        expected[i, j] = expected[j, i] = value
    torch.testing.assert_close(weight, expected, rtol=1e-14, atol=0)


def test_number_and_global_by_hand() -> None:
    # The edge distances are 1, 1, 2, 2, 3, 3, 4, 6: torch's median is the lower.
    graph = path()
    for bandwidth in (2.0, 2, "global"):
        weight = dense(affinity(graph, bandwidth))
        assert weight[0, 1] == pytest.approx(math.exp(-1 / 8), rel=1e-14)
        assert weight[1, 3] == pytest.approx(math.exp(-36 / 8), rel=1e-14)


def test_symmetrised_by_maximum() -> None:
    graph = Data(
        edge_index=torch.tensor([[0, 1, 1], [1, 0, 2]]),
        edge_distance=torch.tensor([1.0, 3.0, 2.0]),
        num_nodes=3,
    )
    result = affinity(graph, 1.0)
    assert result.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    near, far = math.exp(-0.5), math.exp(-2)
    assert result.edge_weight.tolist() == pytest.approx([near, near, far, far])


def test_loops_and_repeated_edges_go() -> None:
    graph = Data(
        edge_index=torch.tensor([[0, 1, 1, 1], [0, 0, 0, 0]]),
        edge_distance=torch.tensor([0.0, 1.0, 2.0, 1.0]),
        num_nodes=2,
    )
    result = affinity(graph, 1.0)
    assert result.edge_index.tolist() == [[0, 1], [1, 0]]
    assert result.edge_weight.tolist() == pytest.approx([math.exp(-0.5)] * 2)


@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.5])
@given(
    points=st.lists(
        st.tuples(*[st.floats(-100, 100, width=32)] * 2), min_size=4, max_size=30
    ),
    repeats=st.integers(1, 4),
)
def test_symmetric_coalesced_and_in_range(
    bandwidth: str | float, points: list[tuple[float, float]], repeats: int
) -> None:
    graph = knn_graph(torch.tensor(points).repeat(repeats, 1), 3)
    result = affinity(graph, bandwidth)
    weight = result.edge_weight
    assert bool(((weight > 0) & (weight <= 1)).all())
    key = result.edge_index[0] * result.num_nodes + result.edge_index[1]
    assert bool((key.diff() > 0).all())
    assert torch.equal(dense(result), dense(result).t())
    # Every edge of the neighbour graph is there, whatever its weight.
    assert bool((dense(result)[graph.edge_index[0], graph.edge_index[1]] > 0).all())
    assert result.x is graph.x


@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.1])
def test_duplicates_have_weight_one(bandwidth: str | float) -> None:
    x = torch.cat([torch.zeros(10, 2), torch.eye(2)])
    weight = dense(affinity(knn_graph(x, 4), bandwidth))
    assert bool(torch.isfinite(weight).all())
    # Neighbours of the duplicates are the lowest indices, all at distance 0.
    assert weight[0, 1:5].tolist() == [1, 1, 1, 1]


def test_duplicates_take_the_scale_of_the_other_end() -> None:
    # Node 3 sees two of three duplicates at distance 2; its own scale is 2.
    x = torch.tensor([[0.0], [0.0], [0.0], [2.0]])
    weight = dense(affinity(knn_graph(x, 2)))
    assert weight[3].tolist() == pytest.approx([math.exp(-1), math.exp(-1), 0, 0])


def test_constant_features_have_weight_one() -> None:
    for bandwidth in ("self_tuning", "global"):
        result = affinity(knn_graph(torch.ones(9, 3), 2), bandwidth)  # type: ignore[arg-type]
        assert bool((result.edge_weight == 1).all())


def test_global_with_median_zero_takes_the_positive_distances() -> None:
    graph = Data(
        edge_index=torch.tensor([[0, 1, 2, 3], [1, 0, 0, 0]]),
        edge_distance=torch.tensor([0.0, 0.0, 0.0, 2.0]),
        num_nodes=4,
    )
    assert dense(affinity(graph, "global"))[0, 3] == pytest.approx(math.exp(-0.5))


def test_no_edge_is_lost_by_underflow() -> None:
    x = torch.tensor([[0.0], [1e-3], [1e6]])
    result = affinity(knn_graph(x, 1), 1e-3)
    assert dense(result)[2, 1] == torch.finfo(torch.float32).tiny


def test_isolated_nodes_and_no_edges() -> None:
    empty = Data(
        edge_index=torch.empty(2, 0, dtype=torch.long),
        edge_distance=torch.empty(0),
        num_nodes=3,
    )
    for bandwidth in ("self_tuning", "global", 1.0):
        result = affinity(empty, bandwidth)  # type: ignore[arg-type]
        assert result.edge_index.shape == (2, 0)
        assert result.num_nodes == 3


def test_large_graph_uses_wide_keys() -> None:
    # num_nodes ** 2 does not fit int32.
    n = 50_000
    graph = Data(
        edge_index=torch.tensor([[n - 1, 0], [n - 2, n - 1]]),
        edge_distance=torch.ones(2),
        num_nodes=n,
    )
    result = affinity(graph, 1.0)
    assert result.edge_index.tolist() == [
        [0, n - 2, n - 1, n - 1],
        [n - 1, n - 1, 0, n - 2],
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    for bandwidth in ("self_tuning", "global", 1.0):
        result = affinity(path(dtype), bandwidth)  # type: ignore[arg-type]
        assert result.edge_weight.dtype == dtype


@pytest.mark.parametrize(
    "bandwidth", ["median", 0.0, -1.0, float("nan"), float("inf"), True, None]
)
def test_bad_bandwidth(bandwidth: object) -> None:
    with pytest.raises(ValueError) as caught:
        affinity(path(), bandwidth)  # type: ignore[arg-type]
    assert "bandwidth must be 'self_tuning', 'global' or a positive" in str(
        caught.value
    )
    assert repr(bandwidth) in str(caught.value)


def test_missing_distance() -> None:
    graph = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    with pytest.raises(ValueError, match=r"no edge_distance.*knn_graph\(x, k\)"):
        affinity(graph)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_bad_distance(value: float) -> None:
    graph = path()
    graph.edge_distance[3] = value
    with pytest.raises(
        ValueError, match=rf"edge_distance must be finite and not negative, got {value}"
    ):
        affinity(graph)
