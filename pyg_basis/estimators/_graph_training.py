import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis._warn import warn
from pyg_basis.algorithm import NUM_BEYOND, ReadOut, SampleGraph
from pyg_basis.align import Aligner, LeastSquares
from pyg_basis.data import FeatureSource, GraphLoader
from pyg_basis.data._open_features import open_mapped
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._parameters import exact_embedding
from pyg_basis.estimators._quality import HELD_OUT_SHARE, LEAST_HELD_OUT, HeldOut
from pyg_basis.estimators._read_out import TrainingReadOut
from pyg_basis.estimators._source import single_precision
from pyg_basis.estimators._training import Training, allowed_workers, new_layer
from pyg_basis.estimators._whole_read_out import WholeReadOut
from pyg_basis.graph import GivenGraph
from pyg_basis.graph._edges import as_data
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS
from pyg_basis.reference import (
    CoarsenedGraph,
    ExactEmbedding,
    Reference,
    WholeGraph,
)
from pyg_basis.reference.fixing_anchors import fixing_anchors
from pyg_basis.reference.graph_targets import GraphTargets

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

logger = logging.getLogger("pyg_basis")

# Maximum number of nodes for a decomposition of the whole graph: minutes, and a
# gigabyte. No other targets are as accurate (experiment positional_encoding).
EXACT_UP_TO = 1_000_000
# A component with a smaller share of the nodes teaches the network nothing about the
# others, but would occupy one of the first eigenvectors.
LEAST_COMPONENT = 0.01
# Warn if more than this share of the nodes is excluded.
MOST_LEFT_OUT = 0.1


def given_edges(estimator: "BASiS", X: Any, adjacency: Any = None) -> Data | None:
    """Returns the ``Data`` with the edges of the graph to embed: from the adjacency, or
    from the points, given directly, in a file, or as a networkx graph. Returns
    ``None`` if the graph is built from the features.

    Raises:
        ValueError: If edges are requested but missing, an adjacency is given for a
            nearest-neighbor graph, or the adjacency is invalid.
    """
    if adjacency is not None:
        if estimator.graph == "knn":
            raise ValueError(
                "graph='knn' makes a graph of the features, and an adjacency is given: "
                "leave it out, or use graph='edges'"
            )
        return as_data(adjacency, features=False)
    is_mapped = isinstance(X, (str, Path)) and Path(X).suffix.lower() == ".pt"
    given = open_mapped(X) if is_mapped else X
    if isinstance(given, (Data, nx.Graph)) and estimator.graph != "knn":
        data = as_data(given)
        if data.edge_index is not None:
            return data
    if estimator.graph == "edges":
        raise ValueError(
            "graph='edges' needs edges, and X has none: pass a "
            "torch_geometric.data.Data with edge_index, a networkx.Graph, an adjacency "
            "with the features, or use graph='auto'"
        )
    return None


def graph_training(
    estimator: "BASiS", data: Data, source: FeatureSource, seed: int
) -> Training:
    """Prepares the training on the graph given by the edges of ``data``.

    Raises:
        ValueError: If the graph is invalid, or it or its batches are too disconnected.
    """
    given = GivenGraph.from_data(data, estimator.alpha)
    if given.num_nodes != len(source):
        raise ValueError(
            f"X has features of {len(source)} nodes, and its edges or the adjacency "
            f"are among num_nodes={given.num_nodes}: give every node of the graph a "
            f"row of x"
        )
    graph, nodes = _learned_graph(estimator, given)
    _report_left_out(given, nodes)
    sizes = BatchSizes.for_graph(estimator, graph.num_nodes)
    layer = new_layer(estimator, source.num_features, sizes, seed)
    targets = _targets(
        estimator, graph, layer.embedding, layer.aligner, sizes.reference_size, seed
    )
    rng = np.random.default_rng(seed)
    held_out = _held_out(estimator, targets.nodes, sizes.num_anchors, rng)
    batches = GraphLoader(
        source,
        targets,
        nodes,
        sizes.batch_size,
        estimator.max_iter,
        targets.nodes[held_out],
        seed,
        num_workers=allowed_workers(estimator),
    )
    # Held-out nodes are also excluded from learning the degrees.
    others = np.setdiff1d(np.arange(len(nodes)), targets.nodes[held_out])
    drawn = rng.choice(others, min(DEGREE_SAMPLE, len(others)), replace=False)

    def points(index: NDArray[np.int64]) -> Tensor:
        return single_precision(source.__getitems__(nodes[index])).to(estimator.device)

    sample = points(drawn)
    known, rows = _reference_rows(layer, targets, held_out, sizes, rng)
    reference = Reference(
        points(known[: layer.num_anchors]),
        rows,
        torch.from_numpy(nodes[known]),
        len(source),
        layer.embedding,
        layer.aligner,
    )
    layer.prepare(reference, sample, keep_distances=False)
    if layer.extend_degree:
        degree = torch.from_numpy(graph.degree[drawn]).to(sample)
        layer.root_degree.fit(sample, degree, torch.Generator().manual_seed(seed))
    took_part = len(held_out) == 0
    measured = np.arange(len(targets.nodes)) if took_part else held_out
    exact = targets.rows[torch.from_numpy(measured)]
    if layer.extend_degree:
        # The rows are random-walk eigenvectors, the embedding is of the normalized
        # Laplacian.
        root = torch.from_numpy(graph.degree[targets.nodes[measured]]).sqrt()
        exact = exact * root.to(exact).unsqueeze(1)
    held = HeldOut(points(targets.nodes[measured]), exact, took_part)
    blocks = _Blocks(points, len(nodes))
    read_out: ReadOut
    if isinstance(targets, WholeGraph):
        weight = np.ones(len(nodes))
        if layer.embedding.laplacian == "rw":
            weight *= graph.degree
        weight[targets.nodes[held_out]] = 0
        read_out = WholeReadOut(
            layer,
            sample,
            torch.from_numpy(drawn),
            blocks,
            targets.rows,
            torch.from_numpy(weight),
            targets.eigenvalues[int(estimator.drop_first) :],
            seed,
        )
    else:
        whole = SampleGraph(blocks, graph.laplacian(layer.embedding.laplacian))
        read_out = TrainingReadOut(
            layer, sample, whole, (), graph.num_nodes, held, seed
        )
    return Training(layer, batches, read_out, held, sizes, targets.eigenvalues)


def graph_eigenvalues(estimator: "BASiS", data: Data, seed: int) -> Tensor:
    """Returns the eigenvalues that a training on a given graph starts with, including
    the trivial one, and some more."""
    graph, _ = _learned_graph(estimator, GivenGraph.from_data(data, estimator.alpha))
    size = BatchSizes.for_graph(estimator, graph.num_nodes).reference_size
    embedding = exact_embedding(estimator, estimator.n_neighbors)
    targets = _targets(estimator, graph, embedding, LeastSquares(), size, seed)
    return targets.eigenvalues


def _reference_rows(
    layer: BASiSLayer,
    targets: GraphTargets,
    held_out: NDArray[np.int64],
    sizes: BatchSizes,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Tensor]:
    """Returns some of the nodes with known rows, anchors first, and these rows: the
    reference to which the fitted layer aligns batches of points."""
    free = np.setdiff1d(np.arange(len(targets.nodes)), held_out)
    size = max(min(sizes.reference_size, len(free)), layer.num_anchors)
    chosen = rng.choice(free, size, replace=False)
    rows = targets.rows[torch.from_numpy(chosen)]
    mapped = rows[:, layer.embedding.num_constant :]
    order = fixing_anchors(mapped, layer.num_anchors)
    return targets.nodes[chosen[order.numpy()]], rows[order].float()


class _Blocks:
    """Iterates over the features of all nodes in blocks, any number of times."""

    def __init__(
        self, points: Callable[[NDArray[np.int64]], Tensor], num_nodes: int
    ) -> None:
        self.points = points
        self.num_nodes = num_nodes

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, self.num_nodes, BLOCK_ROWS):
            yield self.points(np.arange(start, min(start + BLOCK_ROWS, self.num_nodes)))


def _held_out(
    estimator: "BASiS",
    known: NDArray[np.int64],
    num_anchors: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Returns positions of some nodes with known exact rows to hold out, which leave
    enough for anchors; none if there are few nodes."""
    most = min(DEGREE_SAMPLE, len(known) - num_anchors)
    size = min(int(HELD_OUT_SHARE * len(known)), most)
    if not estimator.readout or size < LEAST_HELD_OUT * estimator.n_components:
        return np.empty(0, np.int64)
    return rng.choice(len(known), size, replace=False)


def _learned_graph(
    estimator: "BASiS", graph: GivenGraph
) -> tuple[GivenGraph, NDArray[np.int64]]:
    """Returns the graph without the components excluded from training, and its
    nodes."""
    nodes = _learned_nodes(graph, estimator.n_components + int(estimator.drop_first))
    return (graph if len(nodes) == graph.num_nodes else graph.subgraph(nodes)), nodes


def _learned_nodes(graph: GivenGraph, most: int) -> NDArray[np.int64]:
    """Returns the nodes of all components large enough to learn. There may be as many
    of these as eigenvectors."""
    sizes = np.bincount(graph.components)
    is_large = sizes >= max(LEAST_COMPONENT * graph.num_nodes, most + 1)
    num_large = int(is_large.sum())
    if num_large == 0:
        raise ValueError(
            f"X.edge_index joins {sizes.max()} nodes at most, too few for {most} "
            f"eigenvectors or the hundredth part of the graph: lower n_components, or "
            f"use AddSpectralPE, which embeds each component by itself"
        )
    if num_large > most:
        raise ValueError(
            f"X.edge_index falls into {num_large} large components, more than the "
            f"{most} eigenvectors that n_components asks for, which would "
            f"separate components and nothing else: join components, raise "
            f"n_components, or use AddSpectralPE, which embeds each by itself"
        )
    return np.flatnonzero(is_large[graph.components])


def _report_left_out(graph: GivenGraph, nodes: NDArray[np.int64]) -> None:
    left_out = 1 - len(nodes) / graph.num_nodes
    num_small = graph.num_components - len(np.unique(graph.components[nodes]))
    message = (
        f"{left_out:.1%} of the nodes are in {num_small} small components and left out "
        f"of the training: they are embedded by their features alone"
    )
    if left_out > MOST_LEFT_OUT:
        warn(message)
    elif left_out > 0:
        logger.info(message)


def _targets(
    estimator: "BASiS",
    graph: GivenGraph,
    embedding: ExactEmbedding,
    aligner: Aligner,
    reference_size: int,
    seed: int,
) -> GraphTargets:
    choice = estimator.graph_targets
    if choice == "auto":
        choice = "exact" if graph.num_nodes <= EXACT_UP_TO else "coarsened"
        logger.info(
            "graph_targets=%r: %d nodes are %s the %d whose exact eigenvectors are "
            "taken; samples of larger graphs are coarsened",
            choice,
            graph.num_nodes,
            "within" if choice == "exact" else "beyond",
            EXACT_UP_TO,
        )
    if choice == "exact":
        whole = WholeGraph.from_graph(graph, embedding, NUM_BEYOND)
        if not whole.converged:
            whole = WholeGraph.from_graph(graph, embedding)
        if whole.converged:
            return whole
        if estimator.graph_targets == "exact":
            raise ValueError(
                "graph_targets='exact' cannot be used: the eigenvectors of the graph "
                "did not converge, as those of long chains do not: use "
                "graph_targets='coarsened'"
            )
        logger.info(
            "graph_targets='coarsened': the eigenvectors of the whole did not converge"
        )
    return CoarsenedGraph.from_graph(
        graph, embedding, aligner, reference_size, seed, NUM_BEYOND
    )
