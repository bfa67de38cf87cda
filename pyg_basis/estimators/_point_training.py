from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from pyg_basis._ranks import Ranks
from pyg_basis.algorithm import SampleGraph, fix_reference
from pyg_basis.data import AnchorLoader, FeatureSource
from pyg_basis.data.repeated_rows import RepeatedRows
from pyg_basis.data.sharded_rows import ShardedRows
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._parameters import exact_embedding
from pyg_basis.estimators._quality import HELD_OUT_SHARE, LEAST_HELD_OUT, HeldOut
from pyg_basis.estimators._read_out import TrainingReadOut
from pyg_basis.estimators._source import class_codes, single_precision
from pyg_basis.estimators._training import Training, allowed_workers, new_layer
from pyg_basis.graph import Laplacian
from pyg_basis.nn import BASiSLayer
from pyg_basis.nn.degree_extension import DEGREE_SAMPLE
from pyg_basis.reference import Reference, choose_anchors

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Maximum total number of nodes of the graphs for the read-out, except that there are at
# least two; and of values in their features, as wide features take long.
MOST_NODES = 60_000
MOST_NUMBERS = 40_000_000
# Maximum number of nodes for learning degrees: enough to average out their noise.
DEGREE_NODES = 2 * DEGREE_SAMPLE


def point_training(
    estimator: "BASiS",
    source: FeatureSource,
    y: ArrayLike | None,
    seed: int,
    ranks: Ranks | None = None,
) -> Training:
    """Prepares the training on batches whose graphs are built from the features.

    With several ranks, rank 0 embeds the reference, and each has its own batches and
    graphs. Graphs contain points of all ranks, batches those of the rank's shard.

    Raises:
        ValueError: If the points are invalid for the estimator's parameters.
    """
    ranks = ranks or Ranks()
    shards = source if isinstance(source, ShardedRows) else None
    num_points = len(source.data) if isinstance(source, RepeatedRows) else len(source)
    labels = (
        class_codes(y, num_points) if estimator.anchor_method == "per_class" else None
    )
    sizes = BatchSizes.for_points(estimator, len(source))
    num_held_out = _num_held_out(estimator, len(source), sizes.reference_size)
    sizes = sizes.within(len(source) - num_held_out)
    # Anchors, degrees, scales and read-outs use samples of bounded size.
    num_sampled = max(sizes.reference_size, DEGREE_SAMPLE)
    most_nodes = min(MOST_NODES, MOST_NUMBERS // source.num_features)
    num_graphs = max(most_nodes // sizes.reference_size, 2) * ranks.size
    num_taken = num_graphs * sizes.reference_size
    num_drawn = num_held_out + max(num_sampled, num_taken)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(source), min(num_drawn, len(source)), replace=False)
    held_out, drawn = drawn[:num_held_out], drawn[num_held_out:]

    def points(index: NDArray[np.int64]) -> Tensor:
        return single_precision(source.__getitems__(index)).to(estimator.device)

    sampled = drawn[:num_sampled]
    sample = points(sampled)
    # Row numbers in X.
    numbers = source.numbers(sampled) if isinstance(source, RepeatedRows) else sampled
    layer = new_layer(estimator, source.num_features, sizes, seed)
    no_graph = graph = _graph_of_no_nodes(layer, sample)

    def fixed_reference() -> tuple[Reference, Tensor]:
        nonlocal graph
        anchors = choose_anchors(
            sample,
            sizes.num_anchors,
            estimator.anchor_method,
            y=None if labels is None else torch.from_numpy(labels[numbers]),
            seed=seed,
        )
        reference, graph = fix_reference(
            sample,
            sizes.num_anchors,
            layer.embedding,
            layer.aligner,
            anchors,
            sizes.reference_size,
            seed,
        )
        return reference, graph.eigenvalues

    reference, eigenvalues = ranks.first(fixed_reference)
    reference = reference.to(estimator.device)
    # Numbers of the given points, for users of the fitted layer.
    nodes = torch.from_numpy(numbers)[reference.nodes.cpu()]
    layer.prepare(replace(reference, nodes=nodes, num_nodes=num_points), sample)

    def further_graphs() -> Iterator[SampleGraph]:
        draws = _draws(drawn[:num_taken], sizes.reference_size)
        while of_ranks := list(islice(draws, ranks.size)):
            own = of_ranks[ranks.rank :][:1]
            # Shards may differ, so each graph has points of all ranks.
            samples = [points(index) for index in (own if shards is None else of_ranks)]
            x = samples if shards is None else samples[ranks.rank :][:1]
            yield SampleGraph(x[0], layer.embedding.operator(x[0])) if x else no_graph

    further: Iterable[SampleGraph] = further_graphs()
    if layer.extend_degree:
        further = _fit_degree(layer, sample, graph, further, sizes, seed, ranks)
    measured = points(np.concatenate([held_out, drawn])[: sizes.reference_size])
    held = ranks.first(lambda: _held_out(estimator, measured, num_held_out, sizes))
    held = held._replace(x=held.x.to(measured), exact=held.exact.to(measured))
    read_out = TrainingReadOut(
        layer,
        sample,
        graph,
        further,
        min(num_taken, len(drawn)),
        held,
        seed,
        ranks,
    )
    num_workers = allowed_workers(estimator)
    anchored = sampled[reference.nodes[: sizes.num_anchors].cpu().numpy()]
    excluded = np.concatenate([anchored, held_out])
    batches = AnchorLoader(
        source if shards is None else shards.own,
        reference.to("cpu") if num_workers > 0 else reference,
        batch_size=sizes.batch_size,
        num_batches=estimator.max_iter,
        excluded=torch.from_numpy(
            excluded if shards is None else shards.own_numbers(excluded)
        ),
        seed=seed,
        rank=ranks.rank,
        num_replicas=ranks.size,
        num_workers=num_workers,
        pin_memory=num_workers > 0 and "cuda" in str(estimator.device),
    )
    return Training(layer, batches, read_out, held, sizes, eigenvalues)


def _num_held_out(estimator: "BASiS", num_points: int, reference_size: int) -> int:
    """Returns the number of points to hold out: at most half of those not in the
    reference or, if these are few, a tenth of all; and at most half of the graph that
    they are measured in."""
    free = max((num_points - reference_size) // 2, int(HELD_OUT_SHARE * num_points))
    least = LEAST_HELD_OUT * estimator.n_components
    num_held_out = max(int(HELD_OUT_SHARE * reference_size), least)
    num_held_out = min(num_held_out, free, reference_size // 2)
    return num_held_out if estimator.readout and num_held_out >= least else 0


def _fit_degree(
    layer: BASiSLayer,
    sample: Tensor,
    first: SampleGraph,
    further: Iterable[SampleGraph],
    sizes: BatchSizes,
    seed: int,
    ranks: Ranks,
) -> Iterable[SampleGraph]:
    """Learns the degrees of some graphs, including the first one. Returns the further
    ones for the read-out."""
    # In a small graph, a node's neighbors are farther away, and its degree differs from
    # that in the graph of a large set.
    if 2 * sizes.reference_size <= len(sample):
        layer.fit_degree(sample, seed)
        return further
    further = iter(further)
    num_made = -(-DEGREE_NODES // sizes.reference_size) - 1
    made = list(islice(further, num_made))
    if ranks.is_first:
        graphs = [first, *made]
        nodes = torch.cat([graph.x for graph in graphs])[:DEGREE_NODES]
        degree = torch.cat([graph.laplacian.degree for graph in graphs])[:DEGREE_NODES]
        generator = torch.Generator().manual_seed(seed)
        layer.root_degree.fit(nodes, degree.to(nodes), generator)
    ranks.synchronize(layer.root_degree)
    return chain(made, further)


def _graph_of_no_nodes(layer: BASiSLayer, sample: Tensor) -> SampleGraph:
    none = Laplacian.of_weights(csr_matrix((0, 0)), layer.embedding.laplacian)
    return SampleGraph(sample[:0], none.to(sample))


def _draws(drawn: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Yields samples of the drawn points after the first sample: each point once, and
    the last sample is completed by the first points. Using all of them again would
    hardly reduce the noise."""
    for start in range(size, len(drawn), size):
        sample = drawn[start : start + size]
        yield np.concatenate([sample, drawn[: size - len(sample)]])


def _held_out(
    estimator: "BASiS", x: Tensor, num_held_out: int, sizes: BatchSizes
) -> HeldOut:
    """Returns the first points of a sample, and their rows of the exact eigenvectors of
    its graph."""
    exact = exact_embedding(estimator, sizes.num_neighbors)(x)
    size = num_held_out or len(x)
    return HeldOut(x[:size], exact.vectors[:size], took_part=num_held_out == 0)
