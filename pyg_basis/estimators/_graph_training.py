import logging
import warnings
from collections.abc import Callable, Iterator
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.align.fit_affine import get_aligner
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._parameters import least_anchors
from pyg_basis.estimators._point_training import LEAST_HELD_OUT, Training
from pyg_basis.estimators._quality import HeldOut
from pyg_basis.estimators._read_out import TrainingReadOut
from pyg_basis.estimators._source import BLOCK_ROWS, single_precision
from pyg_basis.estimators._training import ReadOutStep, new_layer
from pyg_basis.estimators._whole_read_out import WholeReadOut
from pyg_basis.graph import GivenGraph
from pyg_basis.loader import (
    ExactEmbedding,
    FeatureSource,
    GraphLoader,
    SampledGraph,
    WholeGraph,
)
from pyg_basis.loader._open_features import open_mapped
from pyg_basis.loader.graph_loader import GraphTargets
from pyg_basis.loader.sampled_graph import LEAST_CONNECTED, connected_share
from pyg_basis.nn.basis_layer import NUM_BEYOND
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE

logger = logging.getLogger("pyg_basis")

# Nodes of a graph that is decomposed as a whole, at most: minutes, and a gigabyte.
# Where it can be done nothing comes closer (benchmarks/positional_encoding.py).
WHOLE_UP_TO = 1_000_000
# Components of less than this share of the nodes tell the network nothing about the
# others, while each would take one of the first eigenvectors for itself.
LEAST_COMPONENT = 0.01
# Of the nodes whose exact rows are known, the share that the fit is measured at.
HELD_OUT_SHARE = 0.1
# More nodes than this outside the components that are learned are told.
MOST_LEFT_OUT = 0.1


def given_edges(estimator: Any, X: Any) -> Data | None:
    """The ``Data``, given or in a file, whose edges are the graph to be learned, or
    nothing, if that is made of the features.

    Raises:
        ValueError: If it is asked for, and there are no edges.
    """
    data = X
    if isinstance(X, (str, Path)) and Path(X).suffix.lower() == ".pt":
        data = open_mapped(X)
    if isinstance(data, Data) and estimator.graph != "neighbors":
        if data.edge_index is not None:
            return data
        if "adj_t" in data:
            raise ValueError(
                "X has its edges as adj_t: pass them as edge_index, for example by "
                "torch_geometric.utils.to_edge_index(X.adj_t)[0], or use "
                "graph='neighbors' for the graph of the features"
            )
    if estimator.graph not in ("auto", "neighbors"):
        raise ValueError(
            f"graph={estimator.graph!r} needs edges, and X has none: pass a "
            f"torch_geometric.data.Data with edge_index, or use graph='auto'"
        )
    return None


def graph_training(
    estimator: Any, data: Data, source: FeatureSource, seed: int
) -> Training:
    """Prepares the training on the graph that is given by the edges of ``data``.

    Raises:
        ValueError: If the graph is not valid or falls into pieces, or batches of it
            would.
    """
    graph = GivenGraph.from_data(data)
    if graph.num_nodes != len(source):
        raise ValueError(
            f"X has features of {len(source)} nodes and edges among "
            f"num_nodes={graph.num_nodes}: give every node of the graph a row of x"
        )
    nodes = _learned_nodes(graph, estimator.n_components + int(estimator.drop_trivial))
    if len(nodes) < graph.num_nodes:
        graph = graph.subgraph(nodes)
    sizes = _sizes(estimator, graph.num_nodes)
    layer = new_layer(estimator, source.num_features, sizes, seed)
    targets = _targets(estimator, graph, layer.embedding, sizes, seed)
    fixed = nodes[:0]
    if isinstance(targets, SampledGraph):
        fixed = targets.anchors[: targets.num_fixed]
    known, exact = targets.known_rows()
    rng = np.random.default_rng(seed)
    held_out, exact_rows = _held_out(estimator, known, exact, fixed, rng)
    batches = GraphLoader(
        source,
        targets,
        nodes,
        sizes.batch_size - len(fixed),
        estimator.max_iter,
        seed,
        excluded=np.concatenate([fixed, held_out]),
        num_workers=estimator.n_workers,
    )
    # Held-out nodes take no part in what is learned of degrees either.
    others = np.setdiff1d(np.arange(len(nodes)), held_out)
    drawn = rng.choice(others, min(DEGREE_SAMPLE, len(others)), replace=False)

    def points(index: NDArray[np.int64]) -> Tensor:
        return single_precision(source.__getitems__(nodes[index])).to(estimator.device)

    sample = points(drawn)
    layer.standardization.fit(sample)
    if layer.extend_degree:
        degree = torch.from_numpy(graph.degree[drawn]).to(sample)
        layer.degree.fit(sample, degree, torch.Generator().manual_seed(seed))
    blocks = _Blocks(points, len(nodes))
    read_out: ReadOutStep
    if isinstance(targets, WholeGraph):
        is_walk = layer.embedding.laplacian == "rw"
        weight = np.array(graph.degree) if is_walk else np.ones(len(nodes))
        weight[held_out] = 0
        read_out = WholeReadOut(
            layer,
            sample,
            torch.from_numpy(drawn),
            blocks,
            exact,
            torch.from_numpy(weight),
            targets.eigenvalues[int(estimator.drop_trivial) :],
            seed,
        )
    else:
        whole = (blocks, graph.laplacian(layer.embedding.laplacian))
        read_out = TrainingReadOut(
            layer, sample, whole, (), targets.eigenvalues, seed=seed
        )
    took_part = len(held_out) == 0
    measured = known if took_part else held_out
    if layer.extend_degree:
        # The rows are of the random walk, the embedding of the normalised Laplacian.
        root = torch.from_numpy(graph.degree[measured]).sqrt()
        exact_rows = exact_rows * root.to(exact_rows).unsqueeze(1)
    held = HeldOut(points(measured), exact_rows, took_part)
    return Training(layer, batches, read_out, held, sizes)


class _Blocks:
    """The features of all nodes, some thousands at a time, as often as asked for."""

    def __init__(
        self, points: Callable[[NDArray[np.int64]], Tensor], num_nodes: int
    ) -> None:
        self.points = points
        self.num_nodes = num_nodes

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, self.num_nodes, BLOCK_ROWS):
            yield self.points(np.arange(start, min(start + BLOCK_ROWS, self.num_nodes)))


def _held_out(
    estimator: Any,
    known: NDArray[np.int64],
    exact: Tensor,
    fixed: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Tensor]:
    """Some of the nodes whose exact rows are known, which take no part in the training,
    and these rows; all rows, where the nodes are few."""
    free = np.flatnonzero(~np.isin(known, fixed))
    size = min(int(HELD_OUT_SHARE * len(free)), DEGREE_SAMPLE)
    if not estimator.readout or size < LEAST_HELD_OUT * estimator.n_components:
        return known[:0], exact
    chosen = rng.choice(free, size, replace=False)
    return known[chosen], exact[torch.from_numpy(chosen)]


def _learned_nodes(graph: GivenGraph, most: int) -> NDArray[np.int64]:
    """The nodes of all components that are more than dust, of which there may be as
    many as eigenvectors."""
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
            f"{most} eigenvectors that n_components asks for, which would tell "
            f"components apart and nothing else: join components, raise n_components, "
            f"or use AddSpectralPE, which embeds each by itself"
        )
    nodes = np.flatnonzero(is_large[graph.components])
    left_out = 1 - len(nodes) / graph.num_nodes
    told = (
        f"{left_out:.1%} of the nodes are in {len(sizes) - num_large} small components "
        f"and left out of the training: they are embedded by their features alone"
    )
    if left_out > MOST_LEFT_OUT:
        warnings.warn(told, UserWarning, stacklevel=4)
    elif left_out > 0:
        logger.info(told)
    return nodes


def _sizes(estimator: Any, num_nodes: int) -> BatchSizes:
    sizes = BatchSizes.asked_for(estimator, num_nodes)
    least = least_anchors(estimator)
    num_anchors = min(sizes.num_anchors, max(num_nodes // 2, least))
    return sizes._replace(
        batch_size=min(sizes.batch_size, num_nodes),
        num_anchors=num_anchors,
        reference_size=min(sizes.reference_size, num_nodes),
        num_oversamples=min(sizes.num_oversamples, num_anchors - least),
    )


def _targets(
    estimator: Any,
    graph: GivenGraph,
    embedding: ExactEmbedding,
    sizes: BatchSizes,
    seed: int,
) -> GraphTargets:
    choice = estimator.graph
    # Nodes of a coarsened graph stand for different numbers of nodes, which the
    # Laplacian that is not normalised does not keep.
    of_samples = "induced" if estimator.laplacian == "comb" else "coarsened"
    if choice == "auto":
        choice = "whole" if graph.num_nodes <= WHOLE_UP_TO else of_samples
        logger.info(
            "graph=%r: %d nodes are %s the %d whose exact eigenvectors are learned as "
            "a whole; samples of larger graphs are %s",
            choice,
            graph.num_nodes,
            "within" if choice == "whole" else "beyond",
            WHOLE_UP_TO,
            of_samples,
        )
    if choice == "whole":
        whole = WholeGraph.from_graph(graph, embedding, NUM_BEYOND)
        if not whole.rows.converged:
            whole = WholeGraph.from_graph(graph, embedding)
        if whole.rows.converged:
            return whole
        if estimator.graph == "whole":
            raise ValueError(
                f"graph='whole' cannot be used: the eigenvectors of the graph did not "
                f"converge, as those of long chains do not: use graph={of_samples!r}"
            )
        choice = of_samples
        logger.info("graph=%r: the eigenvectors of the whole did not converge", choice)
    if choice == "induced":
        share = connected_share(graph, sizes.batch_size, seed)
        if share < LEAST_CONNECTED:
            is_comb = estimator.laplacian == "comb"
            other = "laplacian='rw' with " if is_comb else ""
            raise ValueError(
                f"graph='induced' cannot be used: of {sizes.batch_size} random nodes "
                f"only {floor(1000 * share) / 10}% hang together by the edges between "
                f"them, and eigenvectors would tell fragments apart: use "
                f"{other}graph='auto', or raise batch_size={sizes.batch_size}"
            )
    return SampledGraph.from_graph(
        graph,
        embedding,
        get_aligner(estimator.alignment),
        choice,
        sizes.num_anchors,
        sizes.reference_size,
        sizes.num_oversamples,
        seed,
    )
