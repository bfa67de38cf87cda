"""Small graphs with known spectra, for the tests of the eigensolvers."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import affinity, knn_graph


def _graph(edges: Tensor, num_nodes: int, weight: Tensor | None = None) -> Data:
    if weight is None:
        weight = torch.ones(edges.shape[1], dtype=torch.float64)
    return Data(
        edge_index=torch.cat([edges, edges.flip(0)], dim=1),
        edge_weight=torch.cat([weight, weight]),
        num_nodes=num_nodes,
    )


def _path(n: int) -> Data:
    node = torch.arange(n)
    return _graph(torch.stack([node[:-1], node[1:]]), n)


def _ring(n: int) -> Data:
    node = torch.arange(n)
    return _graph(torch.stack([node, (node + 1) % n]), n)


def _star(n: int) -> Data:
    leaf = torch.arange(1, n)
    return _graph(torch.stack([torch.zeros_like(leaf), leaf]), n)


def _blocks(n: int, num_blocks: int, seed: int = 0) -> Data:
    """Blocks of dense random weights, weakly joined."""
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.triu_indices(n, n, offset=1)
    same = row % num_blocks == column % num_blocks
    weight = torch.rand(len(row), generator=generator, dtype=torch.float64)
    weight = torch.where(same, weight, 0.01 * weight)
    return _graph(torch.stack([row, column]), n, weight)


def _neighbors(n: int, k: int = 12, seed: int = 0, clusters: int = 4) -> Data:
    """The neighbour graph of a Gaussian mixture, connected for these defaults."""
    generator = torch.Generator().manual_seed(seed)
    centers = 2 * torch.randn(clusters, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    return affinity(knn_graph(centers[torch.arange(n) % clusters] + noise, k))


def _union(*graphs: Data) -> Data:
    """Graphs side by side, as components of one."""
    offsets = np.cumsum([0, *(graph.num_nodes for graph in graphs)])
    edges = [g.edge_index + int(o) for g, o in zip(graphs, offsets, strict=False)]
    return Data(
        edge_index=torch.cat(edges, dim=1),
        edge_weight=torch.cat([graph.edge_weight for graph in graphs]),
        num_nodes=int(offsets[-1]),
    )


def _isolated(n: int) -> Data:
    return _graph(torch.empty(2, 0, dtype=torch.int64), n)


# The builder of each graph, and a number of eigenpairs that ends at a gap.
GRAPHS: dict[str, tuple[Callable[[], Data], int]] = {
    "path": (lambda: _path(120), 6),
    "ring": (lambda: _ring(120), 7),
    "blocks": (lambda: _blocks(160, 4), 4),
    "disconnected": (lambda: _union(_ring(60), _neighbors(80), _path(50)), 4),
    "identical_components": (lambda: _union(_ring(50), _ring(50), _ring(50)), 9),
    "isolated_nodes": (lambda: _union(_neighbors(150), _isolated(3)), 6),
    "neighbors": (lambda: _neighbors(300), 8),
    "star": (lambda: _star(60), 1),
}


@pytest.fixture(scope="session", params=list(GRAPHS))
def graph_and_k(request: pytest.FixtureRequest) -> tuple[Data, int]:
    build, k = GRAPHS[request.param]
    return build(), k


@pytest.fixture(scope="session")
def path() -> Callable[[int], Data]:
    return _path


@pytest.fixture(scope="session")
def ring() -> Callable[[int], Data]:
    return _ring


@pytest.fixture(scope="session")
def star() -> Callable[[int], Data]:
    return _star


@pytest.fixture(scope="session")
def isolated() -> Callable[[int], Data]:
    return _isolated


@pytest.fixture(scope="session")
def neighbors() -> Callable[..., Data]:
    return _neighbors


@pytest.fixture(scope="session")
def union() -> Callable[..., Data]:
    return _union


@pytest.fixture(scope="session")
def reference() -> Callable[[Data, str, int], tuple[np.ndarray, np.ndarray]]:
    """Dense eigenpairs, from the adjacency matrix and the definitions alone."""

    def solve(graph: Data, kind: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        weight = np.zeros((graph.num_nodes, graph.num_nodes))
        row, column = graph.edge_index.numpy()
        weight[row, column] = graph.edge_weight.double().numpy()
        degree = weight.sum(axis=1)
        matrix = np.diag(degree) - weight
        root = np.sqrt(np.where(degree > 0, degree, 1.0))
        if kind != "comb":
            matrix = matrix / np.outer(root, root)
        values, vectors = np.linalg.eigh(matrix)
        gap = values[k] - values[k - 1]
        assert gap > 1e-4 * values[-1], "the subspace must be well defined"
        if kind == "rw":
            vectors = vectors / root[:, None]
        return values[:k], vectors[:, :k]

    return solve


@pytest.fixture(scope="session")
def subspace_error() -> Callable[[Tensor, np.ndarray], float]:
    """The sine of the largest angle between the spans of two sets of columns."""

    def error(first: Tensor, second: np.ndarray) -> float:
        a = np.linalg.qr(first.double().cpu().numpy())[0]
        b = np.linalg.qr(np.asarray(second))[0]
        assert a.shape == b.shape
        value = float(np.linalg.norm(a - b @ (b.T @ a), 2))
        assert math.isfinite(value)
        return value

    return error
