import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian

KINDS = ["sym", "rw", "comb"]


@st.composite
def symmetric_weights(draw: st.DrawFn) -> Tensor:
    """Random symmetric weights, sparse enough to leave nodes isolated."""
    n = draw(st.integers(1, 12))
    density = draw(st.floats(0, 1))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    upper = torch.rand(n, n, generator=generator, dtype=torch.float64).triu(1)
    upper *= torch.rand(n, n, generator=generator) < density
    return upper + upper.t()


def dense_laplacian(weight: NDArray[Any], kind: str) -> NDArray[Any]:
    """By the definitions, the diagonal of the weights as a part of the degrees."""
    degree = weight.sum(axis=1)
    comb = np.diag(degree) - weight
    inverse = np.where(degree > 0, 1 / np.where(degree > 0, degree, 1), 0)
    if kind == "comb":
        return comb
    if kind == "rw":
        return inverse[:, None] * comb
    return np.sqrt(inverse)[:, None] * comb * np.sqrt(inverse)


def neighbor_graph(dtype: torch.dtype = torch.float64) -> Data:
    """A neighbor graph and an isolated node."""
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    graph = affinity(knn_graph(x, 5))
    return Data(
        edge_index=graph.edge_index, edge_weight=graph.edge_weight, num_nodes=41
    )


@pytest.fixture(params=KINDS)
def operator(request: pytest.FixtureRequest) -> Laplacian:
    return laplacian(neighbor_graph(), request.param)


@given(matrix=symmetric_weights(), seed=st.integers(0, 2**31))
def test_equals_the_definition_in_any_edge_order(matrix: Tensor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    edges = matrix.nonzero()
    edges = edges[torch.randperm(len(edges), generator=generator)].t()
    weight = matrix[edges[0], edges[1]]
    graph = Data(edge_index=edges, edge_weight=weight, num_nodes=len(matrix))
    for kind in KINDS:
        found = laplacian(graph, kind)  # type: ignore[arg-type]
        expected = torch.from_numpy(dense_laplacian(matrix.numpy(), kind))
        torch.testing.assert_close(found.matrix.to_dense(), expected)
        torch.testing.assert_close(found.degree, matrix.sum(dim=1))


def test_spectra_in_closed_form() -> None:
    n = 12
    ring = np.sort(1 - np.cos(2 * np.pi * np.arange(n) / n))
    path = 1 - np.cos(np.pi * np.arange(n) / (n - 1))
    for graph, kind, expected in (
        (nx.cycle_graph(n), "sym", ring),
        (nx.cycle_graph(n), "rw", ring),
        (nx.cycle_graph(n), "comb", 2 * ring),
        (nx.path_graph(n), "sym", path),
        (nx.path_graph(n), "comb", 2 - 2 * np.cos(np.pi * np.arange(n) / n)),
    ):
        matrix = laplacian(graph, kind).symmetric().to_dense()
        values = torch.linalg.eigvalsh(matrix).numpy()
        np.testing.assert_allclose(values, expected, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_components(kind: Any) -> None:
    edges = torch.tensor([[0, 2, 1, 4], [2, 0, 4, 1]])  # and node 3 alone
    found = laplacian(Data(edge_index=edges, num_nodes=5), kind)
    assert found.components.tolist() == [0, 1, 0, 2, 1]
    assert found.num_components == 3
    connected = laplacian(Data(edge_index=edges[:, :2] // 2, num_nodes=2), kind)
    assert connected.components.tolist() == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_no_edges(kind: Any) -> None:
    found = laplacian(nx.empty_graph(3), kind)
    assert not found.matrix.to_dense().any()
    assert found.trivial().norm().item() == pytest.approx(1)
    assert found.num_components == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    for kind in KINDS:
        found = laplacian(neighbor_graph(dtype), kind)  # type: ignore[arg-type]
        assert found.matrix.dtype == found.degree.dtype == dtype
        assert found.symmetric().dtype == found.trivial().dtype == dtype
        assert found.matrix.col_indices().dtype == torch.int32


@pytest.mark.parametrize("kind", KINDS)
def test_smallest_weights_stay_finite(kind: Any) -> None:
    # What affinity gives two outliers that only have each other.
    tiny = torch.finfo(torch.float32).tiny
    edges = torch.tensor([[0, 1], [1, 0]])
    graph = Data(edge_index=edges, edge_weight=torch.full((2,), tiny), num_nodes=2)
    found = laplacian(graph, kind)
    dense = found.matrix.to_dense() / (tiny if kind == "comb" else 1.0)
    torch.testing.assert_close(dense, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    torch.testing.assert_close(found.trivial(), torch.full((2,), math.sqrt(0.5)))


def test_symmetric_is_what_is_decomposed(operator: Laplacian) -> None:
    symmetric = operator.symmetric()
    assert symmetric.layout == torch.sparse_csr
    dense = symmetric.to_dense()
    torch.testing.assert_close(dense, dense.t(), rtol=1e-14, atol=0)
    # D^(-1/2) u are the eigenvectors of the random walk Laplacian.
    values, vectors = torch.linalg.eigh(dense)
    if operator.kind == "rw":
        vectors /= torch.where(operator.degree > 0, operator.degree, 1).sqrt()[:, None]
    product = operator.matrix.to_dense() @ vectors
    torch.testing.assert_close(product, vectors * values, rtol=0, atol=1e-12)
    assert values[-1] <= operator.norm_bound <= 4 * values[-1]


def test_trivial_is_a_unit_null_vector(operator: Laplacian) -> None:
    vector = operator.trivial()
    assert (operator.symmetric() @ vector).abs().max() < 1e-14
    is_comb = operator.kind == "comb"
    expected = torch.ones_like(vector) if is_comb else operator.degree.sqrt()
    torch.testing.assert_close(vector, expected / expected.norm())


@pytest.mark.parametrize("kind", ["normalized", None, ["sym"], np.array(["sym", "rw"])])
def test_unknown_kind(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"'kind' .*'sym'"):
        laplacian(nx.path_graph(3), kind)


def test_repr() -> None:
    found = repr(laplacian(nx.path_graph(3)))
    assert found == "Laplacian(kind='sym', num_nodes=3, num_edges=4)"
