"""Small graphs for the tests of the eigensolvers, and what is compared."""

from collections.abc import Callable

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.graph import GivenGraph, affinity, knn_graph, laplacian
from tests.graph.test_laplacian import dense_laplacian

KINDS = ["sym", "rw", "comb"]


def neighbors(
    n: int, k: int = 12, seed: int = 0, clusters: int = 4, width: float = 1.0
) -> Data:
    """The neighbor graph of a Gaussian mixture, connected for these defaults."""
    generator = torch.Generator().manual_seed(seed)
    centers = 2 * torch.randn(clusters, 4, generator=generator, dtype=torch.float64)
    noise = width * torch.randn(n, 4, generator=generator, dtype=torch.float64)
    return affinity(knn_graph(centers[torch.arange(n) % clusters] + noise, k))


def weight_of(graph: Data | nx.Graph) -> np.ndarray:
    return GivenGraph.from_data(graph).weight.toarray()


def union(*graphs: Data | nx.Graph) -> nx.Graph:
    """Graphs side by side, as components of one."""
    return nx.disjoint_union_all([nx.from_numpy_array(weight_of(g)) for g in graphs])


def blocks(n: int, num_blocks: int) -> nx.Graph:
    """Blocks of dense random weights, weakly joined."""
    rng = np.random.default_rng(0)
    block = np.arange(n) % num_blocks
    weight = rng.random((n, n)) * np.where(block[:, None] == block, 1, 0.01)
    return nx.from_numpy_array(np.triu(weight, 1) + np.triu(weight, 1).T)


# The builder of each graph, and a number of eigenpairs that ends at a gap.
GRAPHS: dict[str, tuple[Callable[[], Data | nx.Graph], int]] = {
    "path": (lambda: nx.path_graph(120), 6),
    "ring": (lambda: nx.cycle_graph(120), 7),
    "blocks": (lambda: blocks(160, 4), 4),
    "disconnected": (
        lambda: union(nx.cycle_graph(60), neighbors(80), nx.path_graph(50)),
        4,
    ),
    "identical components": (lambda: union(*[nx.cycle_graph(50)] * 3), 9),
    "isolated nodes": (lambda: union(neighbors(150), nx.empty_graph(3)), 6),
    "neighbors": (lambda: neighbors(300), 8),
    "star": (lambda: nx.star_graph(59), 1),
}


def operator_of(graph: Data | nx.Graph) -> SymmetricOperator:
    return SymmetricOperator.of(laplacian(graph))


def reference(
    graph: Data | nx.Graph, kind: str, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Dense eigenpairs, from the weights and the definitions alone."""
    weight = weight_of(graph)
    matrix = dense_laplacian(weight, "sym" if kind == "rw" else kind)
    values, vectors = np.linalg.eigh(matrix)
    assert values[k] - values[k - 1] > 1e-4 * values[-1], "no gap, no subspace"
    if kind == "rw":
        degree = weight.sum(axis=1)
        vectors = vectors / np.sqrt(np.where(degree > 0, degree, 1.0))[:, None]
    return values[:k], vectors[:, :k]


def subspace_error(first: Tensor, second: np.ndarray | Tensor) -> float:
    """The sine of the largest angle between the spans of two sets of columns."""
    a = np.linalg.qr(first.double().numpy())[0]
    b = np.linalg.qr(np.asarray(second))[0]
    assert a.shape == b.shape
    return float(np.linalg.norm(a - b @ (b.T @ a), 2))
