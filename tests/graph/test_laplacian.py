import math

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import affinity, knn_graph, laplacian

KINDS = ["sym", "rw", "comb"]


def undirected(edges: list[tuple[int, int]], num_nodes: int) -> Data:
    both = edges + [(j, i) for i, j in edges]
    edge_index = torch.tensor(both, dtype=torch.long).view(-1, 2).t().contiguous()
    return Data(
        edge_index=edge_index,
        edge_weight=torch.ones(len(both), dtype=torch.float64),
        num_nodes=num_nodes,
    )


def ring(n: int) -> Data:
    return undirected([(i, (i + 1) % n) for i in range(n)], n)


def path(n: int) -> Data:
    return undirected([(i, i + 1) for i in range(n - 1)], n)


def weighted(matrix: Tensor) -> Data:
    edge_index = matrix.nonzero().t()
    weight = matrix[edge_index[0], edge_index[1]]
    return Data(edge_index=edge_index, edge_weight=weight, num_nodes=len(matrix))


def random_points(n: int, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0), dtype=dtype)


@st.composite
def symmetric_weights(draw: st.DrawFn) -> Tensor:
    """Random symmetric weights, sparse enough to leave nodes isolated."""
    n = draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**31))
    density = draw(st.floats(0, 1))
    generator = torch.Generator().manual_seed(seed)
    upper = torch.rand(n, n, generator=generator, dtype=torch.float64).triu(1)
    upper *= torch.rand(n, n, generator=generator) < density
    return upper + upper.t()


def test_weighted_path_by_hand() -> None:
    matrix = torch.zeros(3, 3, dtype=torch.float64)
    matrix[0, 1] = matrix[1, 0] = 4
    matrix[1, 2] = matrix[2, 1] = 5
    graph = weighted(matrix)
    assert laplacian(graph, "comb").matrix.to_dense().tolist() == [
        [4, -4, 0],
        [-4, 9, -5],
        [0, -5, 5],
    ]
    torch.testing.assert_close(
        laplacian(graph, "rw").matrix.to_dense(),
        torch.tensor([[1, -1, 0], [-4 / 9, 1, -5 / 9], [0, -1, 1]]).double(),
    )
    a, b = -4 / math.sqrt(4 * 9), -5 / math.sqrt(9 * 5)
    torch.testing.assert_close(
        laplacian(graph).matrix.to_dense(),
        torch.tensor([[1, a, 0], [a, 1, b], [0, b, 1]], dtype=torch.float64),
    )
    assert laplacian(graph).degree.tolist() == [4, 9, 5]


@pytest.mark.parametrize("n", [3, 4, 7, 12])
def test_ring_spectrum(n: int) -> None:
    expected = np.sort(1 - np.cos(2 * np.pi * np.arange(n) / n))
    for kind, factor in (("sym", 1), ("rw", 1), ("comb", 2)):
        matrix = laplacian(ring(n), kind).symmetric().to_dense()  # type: ignore[arg-type]
        values = torch.linalg.eigvalsh(matrix).numpy()
        np.testing.assert_allclose(values, factor * expected, atol=1e-13)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_path_spectrum(n: int) -> None:
    matrix = laplacian(path(n), "comb").matrix.to_dense()
    expected = 2 - 2 * np.cos(np.pi * np.arange(n) / n)
    values = torch.linalg.eigvalsh(matrix).numpy()
    np.testing.assert_allclose(values, expected, atol=1e-13)
    # Normalised, the path of n nodes has 1 - cos(pi j / (n - 1)).
    expected = 1 - np.cos(np.pi * np.arange(n) / (n - 1))
    values = torch.linalg.eigvalsh(laplacian(path(n)).matrix.to_dense()).numpy()
    np.testing.assert_allclose(values, expected, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_have_one_zero_each(kind: str) -> None:
    # Complete graphs of 3, 4 and 5 nodes.
    blocks = torch.block_diag(*[torch.ones(m, m) - torch.eye(m) for m in (3, 4, 5)])
    matrix = laplacian(weighted(blocks.double()), kind).symmetric()  # type: ignore[arg-type]
    values = torch.linalg.eigvalsh(matrix.to_dense())
    assert values[:3].abs().max() < 1e-14
    scale = {"comb": [3] * 2 + [4] * 3 + [5] * 4}.get(
        kind, [5 / 4] * 4 + [4 / 3] * 3 + [3 / 2] * 2
    )
    np.testing.assert_allclose(values[3:].numpy(), scale, rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_isolated_nodes_have_zero_rows(kind: str) -> None:
    graph = undirected([(1, 3)], 5)
    result = laplacian(graph, kind)  # type: ignore[arg-type]
    matrix = result.matrix.to_dense()
    for node in (0, 2, 4):
        assert not bool(matrix[node].any()) and not bool(matrix[:, node].any())
    assert matrix[1].tolist() == [0, 1, 0, -1, 0]
    assert result.degree.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_no_edges(kind: str) -> None:
    result = laplacian(undirected([], 3), kind)  # type: ignore[arg-type]
    assert not bool(result.matrix.to_dense().any())
    assert torch.linalg.vector_norm(result.trivial()).item() == pytest.approx(1)


@given(matrix=symmetric_weights(), seed=st.integers(0, 2**31))
def test_equals_dense_formula_in_any_edge_order(matrix: Tensor, seed: int) -> None:
    graph = weighted(matrix)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(graph.edge_index.size(1), generator=generator)
    graph.edge_index = graph.edge_index[:, order]
    graph.edge_weight = graph.edge_weight[order]
    degree = matrix.sum(dim=1)
    inverse = torch.where(degree > 0, 1 / degree, 0.0)
    comb = degree.diag() - matrix
    expected = {
        "comb": comb,
        "rw": inverse[:, None] * comb,
        "sym": inverse.sqrt()[:, None] * comb * inverse.sqrt(),
    }
    for kind, dense in expected.items():
        result = laplacian(graph, kind)  # type: ignore[arg-type]
        torch.testing.assert_close(result.matrix.to_dense(), dense)
        torch.testing.assert_close(result.degree, degree)


@given(matrix=symmetric_weights())
def test_equals_scipy(matrix: Tensor) -> None:
    sparse = scipy.sparse.csr_array(matrix.numpy())
    for kind, normed in (("sym", True), ("comb", False)):
        ours = laplacian(weighted(matrix), kind).matrix.to_dense()  # type: ignore[arg-type]
        theirs = scipy.sparse.csgraph.laplacian(sparse, normed=normed)
        np.testing.assert_allclose(ours.numpy(), theirs.toarray(), atol=1e-12)


def test_csr_is_canonical() -> None:
    result = laplacian(affinity(knn_graph(random_points(60, 2), 5))).matrix
    assert result.layout == torch.sparse_csr
    torch.sparse_csr_tensor(  # raises if rows are unsorted or repeat a column
        result.crow_indices(),
        result.col_indices(),
        result.values(),
        result.shape,
        check_invariants=True,
    )


def test_loops_are_left_out_and_repeated_edges_add_up() -> None:
    graph = Data(
        edge_index=torch.tensor([[0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]),
        edge_weight=torch.tensor([9.0, 1.0, 1.0, 2.0, 2.0]),
        num_nodes=2,
    )
    assert laplacian(graph, "comb").matrix.to_dense().tolist() == [[3, -3], [-3, 3]]


def test_zero_weights_are_no_edges() -> None:
    graph = undirected([(0, 1), (1, 2)], 3)
    graph.edge_weight = torch.tensor([1.0, 0.0, 1.0, 0.0])
    dense = laplacian(graph).matrix.to_dense()
    assert dense.tolist() == [[1, -1, 0], [-1, 1, 0], [0, 0, 0]]


def test_missing_weight_is_one() -> None:
    graph = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    result = laplacian(graph, "comb")
    assert result.matrix.to_dense().tolist() == [[1, -1], [-1, 1]]
    assert result.matrix.dtype == torch.get_default_dtype()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(kind: str, dtype: torch.dtype) -> None:
    graph = affinity(knn_graph(random_points(30, 2, dtype), 4))
    result = laplacian(graph, kind)  # type: ignore[arg-type]
    assert result.matrix.dtype == result.degree.dtype == dtype
    assert result.symmetric().dtype == result.trivial().dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
def test_smallest_weights_stay_finite(kind: str) -> None:
    # What affinity gives two outliers that only have each other.
    tiny = torch.finfo(torch.float32).tiny
    graph = undirected([(0, 1)], 2)
    graph.edge_weight = torch.full((2,), tiny)
    result = laplacian(graph, kind)  # type: ignore[arg-type]
    unit = tiny if kind == "comb" else 1.0
    dense = result.matrix.to_dense() / unit
    torch.testing.assert_close(dense, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    torch.testing.assert_close(result.trivial(), torch.full((2,), 0.5).sqrt())


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match=r"kind='normalized' is unknown.*'sym'"):
        laplacian(ring(3), "normalized")  # type: ignore[arg-type]


def test_no_nodes() -> None:
    graph = Data(edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=0)
    with pytest.raises(ValueError, match="num_nodes=0"):
        laplacian(graph)


def test_negative_weight() -> None:
    graph = ring(4)
    graph.edge_weight[1] = -0.5
    with pytest.raises(ValueError, match=r"edge_weight must be.*not negative, got -0"):
        laplacian(graph)


@pytest.mark.parametrize("case", ["one direction", "unequal weights", "other edge"])
def test_asymmetric_weights(case: str) -> None:
    graph = ring(4)
    if case == "one direction":
        graph.edge_index = graph.edge_index[:, :4]
        graph.edge_weight = graph.edge_weight[:4]
    elif case == "unequal weights":
        graph.edge_weight[0] = 1.001
    else:  # (0, 1) becomes (0, 2): as many edges, other reverses
        graph.edge_index[1, 0] = 2
    with pytest.raises(ValueError, match=r"edge_weight must be symmetric.*affinity"):
        laplacian(graph)
