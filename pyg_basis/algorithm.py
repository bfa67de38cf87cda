r"""Overview of BASiS: Algorithms 1 and 2 of `"BASiS: Batch Aligned Spectral Embedding
Space" <https://arxiv.org/abs/2211.16960>`_, and the read-out.

Each function is one step, called by :class:`~pyg_basis.BASiSLayer` and the estimators.
For given graphs, ``reference/graph_targets.py`` replaces steps 1 and 2.

1. :func:`fix_reference` embeds a reference set once, with anchors among its nodes.
2. :func:`batch_targets` joins the anchors with new nodes, computes the eigenvectors of
   their graph, and maps them to the basis of the reference.
3. :func:`train` regresses the network on such batches to train its hidden layers.
4. :func:`read_out` computes the eigenvectors in the span of the hidden features
   (``estimators/_whole_read_out.py`` if those of the whole graph are known).
5. :func:`update_reference` preserves the basis while the features are being learned.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch_geometric.data import Data
from tqdm import tqdm

from pyg_basis._constraints import SEED, at_least, check_arguments
from pyg_basis._own_generator import OwnGenerator
from pyg_basis._precision import without_autocast
from pyg_basis._warn import warn
from pyg_basis.align import Aligner, LeastSquares, MomentPreserving
from pyg_basis.align.moment_preserving import canonical_correlations
from pyg_basis.align.within_eigenspaces import within_eigenspaces
from pyg_basis.graph import Laplacian
from pyg_basis.readout import RayleighRitz, RitzVectors
from pyg_basis.reference._points import check_points
from pyg_basis.reference.choose_anchors import choose_anchors
from pyg_basis.reference.exact_embedding import ExactEmbedding
from pyg_basis.reference.fixing_anchors import are_fixing, fixing_anchors
from pyg_basis.reference.movement import Movement, warn_about_movement
from pyg_basis.reference.reference import Reference, aligned, reference_nodes
from pyg_basis.training_state import DIAGNOSTICS, Callback, TrainingState

if TYPE_CHECKING:
    from pyg_basis.nn import BASiSLayer

# Number of eigenvalues kept beyond the first K, to show the gap.
NUM_BEYOND = 5
# Batches before the first check for early stopping. The interval doubles each time, so
# that checks take a small share of the time.
FIRST_LOOK = 10
# Graphs are added until the expected change, as a share of K right angles, is smaller.
SETTLED = 1.5e-4
# A direction with a smaller cosine (84 degrees or more) is not in the new space: it
# cannot be followed.
LOST = 0.1
CONSTRAINTS: dict[str, list[Any]] = {
    "num_anchors": [at_least(1)],
    "anchor_index": [Tensor, None],
    "reference_size": [at_least(1)],
    "seed": [SEED],
    "momentum": [Interval(Real, 0, 1, closed="left")],
}


class SampleGraph(NamedTuple):
    r"""The graph of a sample of nodes.

    Args:
        x (Tensor or iterable of Tensor): Features of the nodes, :obj:`[m, d]`, or
            blocks of these rows.
        laplacian (Laplacian): The Laplacian of their graph, :obj:`[m, m]`.
        eigenvalues (Tensor, optional): Its first eigenvalues, with the trivial one,
            ascending; empty if unknown.
    """

    x: Any
    laplacian: Laplacian
    eigenvalues: Tensor = torch.empty(0)


@torch.no_grad()
def fix_reference(
    x: Tensor,
    num_anchors: int,
    embedding: ExactEmbedding,
    aligner: Aligner | None = None,
    anchor_index: Tensor | None = None,
    reference_size: int = 10_000,
    seed: int = 0,
) -> tuple[Reference, SampleGraph]:
    r"""Draws and embeds the reference set (Algorithm 1, step 1).

    If the anchors do not span the embedding, as when a group of nodes has none, some
    are replaced by other nodes of the set.

    Args:
        x (Tensor): The nodes' features, :obj:`[n, d]`.
        num_anchors (int): Number of anchors :math:`l`.
        embedding (ExactEmbedding): How the set and all batches are embedded.
        aligner (optional): How batches are aligned to the anchors, see
            :func:`~pyg_basis.align.fit_affine`.
            (default: :class:`~pyg_basis.align.LeastSquares`)
        anchor_index (Tensor, optional): The anchors' rows in :obj:`x`,
            :obj:`[num_anchors]`; by default chosen by
            :func:`~pyg_basis.reference.choose_anchors`. The anchors in use, after
            replacements, are the first of :obj:`Reference.nodes`.
        reference_size (int, optional): Nodes of the reference set :math:`m`,
            including anchors. (default: :obj:`10_000`)
        seed (int, optional): Seed of all sampling. (default: :obj:`0`)

    Returns:
        tuple: The reference, and the graph of its set.

    Raises:
        ValueError: If the anchors are not distinct rows of :obj:`x`, leave no other
            node, or are too few for an affine map between the embeddings; or if
            features are not finite.
    """
    x = embedding.points(x)
    check_arguments(
        CONSTRAINTS,
        "fix_reference",
        num_anchors=num_anchors,
        anchor_index=anchor_index,
        reference_size=reference_size,
        seed=seed,
    )
    # Small NumPy integers overflow.
    num_anchors, reference_size = int(num_anchors), int(reference_size)
    size = min(reference_size, x.size(0))
    embedding.check_num_anchors(num_anchors, size)
    nodes = reference_nodes(x, num_anchors, anchor_index, reference_size, seed)
    points = x[nodes]
    laplacian = embedding.operator(points)
    found = embedding.rows_of(laplacian, NUM_BEYOND)
    rows = found.vectors.to(points)
    order = fixing_anchors(rows[:, embedding.num_constant :], num_anchors)
    reference = Reference(
        points[order[:num_anchors]],
        rows[order],
        nodes[order],
        x.size(0),
        embedding,
        aligner or LeastSquares(),
    )
    return reference, SampleGraph(points, laplacian, found.all_values)


def batch_targets(reference: Reference, x: Tensor) -> Data:
    r"""Joins the anchors and the new nodes :obj:`x [m - l, d]`, embeds them together
    and aligns the result to the reference (Algorithm 1, steps 2-4; Eq. 12-14).

    Returns:
        Data: With features :obj:`x [m, d]` (anchors first), targets :obj:`y [m, K]`,
        :obj:`eigenvalues [K]`, :obj:`degree [m]`, and the batch's diagnostics:
        :obj:`residual`, :obj:`rank` and :obj:`consensus` of the alignment,
        :obj:`num_components` of the graph, :obj:`converged` and :obj:`fell_back` of the
        eigensolver.

    Raises:
        ValueError: If :obj:`x` is not a matrix of the anchors' width.
    """
    anchors = reference.anchors
    x = reference.embedding.points(x, anchors.size(1))
    if len(x) == 0:
        raise ValueError("x has no rows: pass at least one node")
    # The anchors determine device and precision. Gradients reach x through the network
    # only: the targets are constants of the regression.
    points = torch.cat([anchors, x.to(anchors)])
    with torch.no_grad(), without_autocast(anchors.device):
        found, rows, diagnostics = aligned(
            lambda embedding: embedding(points.detach()),
            reference.embedding,
            reference.aligner,
            reference.anchor_rows,
            len(reference.rows),
            len(points),
        )
    return Data(
        x=points,
        y=rows,
        eigenvalues=found.values[: rows.size(1)],
        degree=found.degree,
        **diagnostics,
    )


class ReadOut(Protocol):
    r"""Extracts the eigenvectors from the layer that is trained."""

    def missing(self) -> float:
        r"""Returns what the span of the present hidden features lacks of the exact
        eigenvectors, of K; infinite if it has fewer than K directions."""

    def has_nothing_to_gain(self, missing: list[float], tol: float) -> bool:
        r"""Whether more batches would help little, given what was missing so far."""

    def finish(self) -> RitzVectors | None:
        r"""Performs the read-out. The layer must not be trained after the last
        :meth:`missing`. Returns :obj:`None` if the hidden features span too little."""


def train(
    state: TrainingState,
    batches: Iterable[Data],
    max_iter: int,
    reading: ReadOut | None = None,
    tol: float | None = None,
    verbose: bool = False,
    callback: Callback | None = None,
) -> None:
    r"""Regresses a layer on aligned batches (Algorithm 1, step 5) with Adam.

    With a read-out, training ends as soon as more batches would not help. This is
    checked after 10, 20, 40, ... batches, unless :obj:`tol` is :obj:`None`; what is
    missing is also measured after the last batch. Without a read-out, the learning rate
    decays linearly to zero over the second half, which averages the batches. An
    interrupt (Ctrl-C) ends the training early. With several ranks in :obj:`state`, each
    uses its own batches, and gradients are averaged.

    Args:
        state (TrainingState): A new state, or that of a training to resume.
        batches (iterable of Data): Results of :func:`batch_targets`, from the first
            unprocessed one.
        max_iter (int): Maximum number of batches.
        reading (optional): Extracts the eigenvectors from the layer.
            (default: :obj:`None`)
        tol (float, optional): See :class:`~pyg_basis.BASiS`. (default: :obj:`None`)
        verbose (bool, optional): Show a progress bar. (default: :obj:`False`)
        callback (callable, optional): Called with the state after each batch. A true
            return value ends the training. Its errors are passed on.
            (default: :obj:`None`)

    Raises:
        KeyboardInterrupt: If interrupted before the first batch is done, or while
            several ranks train.

    Warns:
        UserWarning: If interrupted later: the layer is as trained so far.
    """
    layer, optimizer, ranks = state.layer, state.optimizer, state.ranks
    layer.train()
    progress = tqdm(
        desc="BASiS",
        total=max_iter,
        initial=state.num_batches,
        disable=not (verbose and ranks.is_first),
        mininterval=1,
    )
    own = nullcontext() if state.generator is None else OwnGenerator(state.generator)
    has_looked = False
    try:
        for done, batch in enumerate(
            ranks.in_step(batches), start=state.num_batches + 1
        ):
            has_looked = False
            rate = float(state.learning_rate)  # NumPy floats cannot be saved
            if reading is None:
                rate *= min(1, 2 * (max_iter - done + 1) / max_iter)
            optimizer.param_groups[0]["lr"] = rate
            with own:
                loss = layer.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            ranks.average_gradients(layer)
            optimizer.step()

            record = {"loss": float(loss.detach()), "learning_rate": rate}
            state.record(record | {name: batch[name] for name in DIAGNOSTICS})
            loss_so_far = state.records[-1]["loss"]
            progress.set_postfix(loss=f"{loss_so_far:.4f}", refresh=False)
            progress.update()
            is_last = done >= max_iter
            next_look = FIRST_LOOK * 2 ** len(state.missing)
            if reading and tol is not None and done == next_look:
                state.missing.append(reading.missing())
                has_looked = True
                is_last |= reading.has_nothing_to_gain(state.missing, tol)
            state.is_finished = is_last
            ends = ranks.together(lambda: bool(callback and callback(state)))
            state.is_finished |= any(ends)
            if state.is_finished:
                break
    except KeyboardInterrupt:
        if state.num_batches == 0 or ranks.size > 1:
            raise
        warn(
            f"the training was interrupted after {state.num_batches} of "
            f"max_iter={max_iter} batches: the model is finished as it is (interrupt "
            f"again to stop that)",
        )
    finally:
        progress.close()
    if reading and not has_looked:
        state.missing.append(reading.missing())
    layer.eval()


@torch.no_grad()
def read_out(
    layer: "BASiSLayer", moments: RayleighRitz, graphs: Iterable[SampleGraph]
) -> RitzVectors | None:
    r"""Replaces the output layer by the Laplacian eigenvectors in the span of the
    hidden features: a Rayleigh-Ritz step over the graphs of several samples.

    For the hidden features :math:`H` of a graph's nodes,
    :math:`H^\top L H c = \lambda H^\top D H c` gives the best approximations
    :math:`H c` of the eigenvectors in the span of :math:`H`. Both moments are summed
    over graphs until the vectors converge. Signs, and the bases of nearly equal
    eigenvalues, follow the reference.

    Args:
        layer (BASiSLayer): The trained layer.
        moments (RayleighRitz): Moments of its hidden features, possibly with graphs.
        graphs (iterable of SampleGraph): Graphs to be added.

    Returns:
        RitzVectors: The vectors, and some more, as functions of the hidden features, or
        :obj:`None` if these span too few directions. The output does not change then.
    """
    num_searched = layer.embedding.num_pairs
    graphs = iter(graphs)
    while not (moments.num_graphs and moments.is_settled(num_searched, SETTLED)):
        graph = next(graphs, None)
        if graph is None:
            break
        moments.add(graph.x, graph.laplacian)
    values, coefficients = moments.solve(num_searched + NUM_BEYOND)
    if len(values) < num_searched:
        return None
    first = num_searched - layer.num_eigenvectors
    values = moments.eigenvalues(coefficients)[first:]
    coefficients = coefficients[:, first:]
    kept = slice(layer.num_eigenvectors)
    known, rows = layer.known_rows(moments)
    found = moments.vectors(values, coefficients).rows(layer.hidden(known))
    rotation = within_eigenspaces(found[:, kept], rows, values[kept])
    coefficients[:, kept] = coefficients[:, kept] @ rotation
    vectors = moments.vectors(values, coefficients)
    layer.output.fit(vectors)
    return vectors


@torch.no_grad()
def update_reference(
    reference: Reference,
    x: Tensor,
    aligner: Aligner | None = None,
    momentum: float = 0.0,
) -> tuple[Reference, Movement]:
    r"""Preserves the basis under new features of the same nodes (Algorithm 2).

    The nodes of the reference set are embedded anew. The map :math:`T_G` from the new
    eigenvectors to the previous rows is fitted and applied. As published, it is fitted
    by least squares. Such a map shrinks directions that the two spaces do not share,
    and the shrinkage compounds over updates, so the default is
    :class:`~pyg_basis.align.MomentPreserving`.

    Args:
        reference (Reference): The present reference.
        x (Tensor): Features of all nodes, in their original order, :obj:`[n, d]`.
        aligner (optional): How :math:`T_G` is fitted, see
            :func:`~pyg_basis.align.fit_affine`. If directions are lost, the default is
            used. (default: :class:`~pyg_basis.align.MomentPreserving`)
        momentum (float, optional): Weight of the previous rows in an exponential
            average with the new ones; 0 keeps the new ones, as published.
            (default: :obj:`0.0`)

    Returns:
        tuple: The new reference, and how far it moved.

    Raises:
        ValueError: If the number of nodes differs, or features are not finite. Nothing
            has changed then.

    Warns:
        RuntimeWarning: If directions were lost, or the anchors had to be chosen
            anew. The basis remains complete and finite.
    """
    check_points(x)
    check_arguments(CONSTRAINTS, "update_reference", momentum=momentum)
    num_features = reference.anchors.size(1)
    if x.shape != (reference.num_nodes, num_features):
        raise ValueError(
            f"x has shape {tuple(x.shape)}, but the reference was made of "
            f"{reference.num_nodes} nodes with {num_features} features: give the "
            f"present features of the same nodes in the same order"
        )
    embedding, before = reference.embedding, reference.rows
    points = embedding.points(x)[reference.nodes].to(reference.anchors)
    found = embedding.rows_of(embedding.operator(points), num_beyond=1)
    vectors, constant = found.vectors.to(points), embedding.num_constant

    mapped, target = vectors[:, constant:], before[:, constant:]
    cosines = canonical_correlations(mapped, target)
    num_lost = int((cosines < LOST).sum())
    # Least squares would flatten lost directions, in this and all later references.
    aligner = MomentPreserving() if num_lost or aligner is None else aligner
    alignment = aligner.fit(mapped, target)
    moved_rows = alignment.apply(mapped)
    rows = torch.cat([vectors[:, :constant], moved_rows], dim=1)
    if momentum > 0:
        # Averaging different rows shrinks them, and the next map would keep that.
        mean = momentum * before + (1 - momentum) * rows
        rows = MomentPreserving().fit(mean, rows).apply(mean)
    change = (rows - before).norm() / before.norm()

    num_anchors = reference.num_anchors
    order = torch.arange(len(rows), device=rows.device)
    reanchored = not are_fixing(moved_rows, num_anchors)
    if reanchored:
        chosen = choose_anchors(points, num_anchors).to(order)
        order = torch.cat([chosen, order[~torch.isin(order, chosen)]])
        order = order[fixing_anchors(moved_rows[order], num_anchors)]
    warn_about_movement(num_lost, reanchored)

    moved = replace(
        reference,
        anchors=points[order[:num_anchors]],
        rows=rows[order],
        nodes=reference.nodes[order],
    )
    first, last = int(embedding.drop_first), embedding.num_pairs
    values = found.all_values.to(points)
    return moved, Movement(
        alignment=alignment,
        cosines=cosines,
        change=change,
        eigenvalues=values[first:last],
        eigengap=values[last] - values[last - 1],
        num_lost=num_lost,
        reanchored=reanchored,
    )
