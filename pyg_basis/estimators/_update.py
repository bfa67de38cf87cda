import copy
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis._own_generator import is_compiled
from pyg_basis.algorithm import LOST, NUM_BEYOND, SampleGraph, read_out, train
from pyg_basis.align.kept_basis import kept_basis, nearest_combinations
from pyg_basis.data import FeatureSource
from pyg_basis.estimators._parameters import with_components, with_plain_integers
from pyg_basis.estimators._point_training import (
    MOST_NODES,
    MOST_NUMBERS,
    point_training,
)
from pyg_basis.estimators._quality import HeldOut, quality
from pyg_basis.estimators._source import single_precision
from pyg_basis.nn import BASiSLayer
from pyg_basis.readout import RayleighRitz, RitzVectors
from pyg_basis.readout.rayleigh_ritz import BLOCK_ROWS, Moments
from pyg_basis.reference import Movement
from pyg_basis.training_state import TrainingState

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Training continues if the hidden features miss more than this share of the
# eigenvectors, and more than this multiple of what they missed before.
MOST_MISSING = 0.05
MISSES = 2.0


class Memory(NamedTuple):
    """State that a fitted estimator keeps for updates.

    Args:
        moments (Moments): Moments of all graphs used in the read-out.
        points (Tensor): A uniform sample of all points so far, ``[m, d]``.
        num_points (float): Number of points that they represent.
        seed (int): Seed of the updates.
        num_updates (int): Number of updates so far.
    """

    moments: Moments
    points: Tensor
    num_points: float
    seed: int
    num_updates: int = 0


def update(
    estimator: "BASiS", memory: Memory, source: FeatureSource, forget_factor: float
) -> Movement:
    """Makes a fitted estimator embed the points so far and new ones, in the previous
    basis. Returns how far the embedding moved.

    The moments of graphs of new points are added to the present ones. If the hidden
    features then miss much of the eigenvectors of a graph of earlier and new points,
    training of the network continues, with anchors and a reference from both.

    Raises:
        ValueError: If the hidden features then span too few directions. Nothing has
            changed then.
    """
    rng = np.random.default_rng([memory.seed, memory.num_updates])
    num_earlier = forget_factor * memory.num_points
    share = num_earlier / (num_earlier + len(source))
    seed = int(rng.integers(2**31))
    layer = copy.deepcopy(estimator.layer_).eval()
    size = estimator._sizes.reference_size
    graphs, weight = _new_graphs(layer, memory, source, share, size, rng)
    first = next(graphs)
    # Forgotten nodes no longer count for the number of directions.
    num_nodes = (forget_factor * memory.moments.num_nodes).long()
    earlier = memory.moments._replace(num_nodes=num_nodes)
    moments = RayleighRitz(
        layer.hidden,
        first.x,
        int(num_nodes) + len(first.x),
        layer.embedding.num_pairs + NUM_BEYOND,
        torch.Generator().manual_seed(seed),
        earlier,
        1 - weight,
    )
    vectors = read_out(layer, moments, chain([first], graphs))
    points = _mixed_points(memory.points, source, share, rng)
    sample = points[:size].to(layer.anchors)
    exact = layer.embedding.rows_of(layer.embedding.operator(sample)).vectors
    held_out = HeldOut(sample, exact.to(sample), took_part=True)
    history = copy.deepcopy(estimator.history_)
    measured = quality(layer, vectors, held_out, history) if vectors else None
    trained_on = not _is_enough(measured, estimator.quality_)
    if trained_on:
        layer, moments, vectors = _trained_on(
            estimator, memory, source, share, seed, history
        )
        measured = quality(layer, vectors, held_out, history) if vectors else None
    if vectors is None or measured is None:
        raise ValueError(
            f"the hidden features do not span n_components="
            f"{estimator.n_components_} directions of X and the earlier points: fit "
            f"anew with other points or a wider network"
        )
    layer.fit_degree(sample, seed)
    vectors, movement = _in_old_basis(
        estimator, layer, memory.points, vectors, trained_on
    )
    # An error before this line leaves the estimator as it was.
    estimator._memory = Memory(
        moments.moments(),
        points,
        num_earlier + len(source),
        memory.seed,
        memory.num_updates + 1,
    )
    estimator.layer_, estimator.quality_ = layer, measured
    estimator.history_, estimator.n_iter_ = history, len(history["loss"])
    estimator.eigenvalues_ = vectors.values.cpu().numpy()
    return movement


def _is_enough(found: dict[str, Any] | None, before: dict[str, Any] | None) -> bool:
    """Whether the hidden features capture the eigenvectors about as well as before."""
    if found is None:
        return False
    missing = 1 - found["captured_by_more"]
    earlier = 1 - before["captured_by_more"] if before else 0.0
    return bool(missing <= max(MOST_MISSING, MISSES * earlier))


def _new_graphs(
    layer: BASiSLayer,
    memory: Memory,
    source: FeatureSource,
    share: float,
    size: int,
    rng: np.random.Generator,
) -> tuple[Iterator[SampleGraph], float]:
    """Returns graphs of new points, completed by earlier ones if there are too few, and
    the weight of these graphs in the mean, so that points count by their number."""
    num_new = min(size, len(source))
    num_earlier = min(size - num_new, len(memory.points))
    most = max(min(MOST_NODES, MOST_NUMBERS // source.num_features), num_new)
    new = rng.choice(len(source), min(most, len(source)), replace=False)
    earlier = rng.permutation(len(memory.points))
    weight = min((1 - share) * (num_new + num_earlier) / num_new, 1.0)

    def graphs() -> Iterator[SampleGraph]:
        for i in range(len(new) // num_new):
            drawn = new[i * num_new : (i + 1) * num_new]
            rows = single_precision(source.__getitems__(drawn)).to(memory.points)
            place = np.arange(i * num_earlier, (i + 1) * num_earlier)
            others = memory.points[torch.from_numpy(earlier.take(place, mode="wrap"))]
            x = torch.cat([rows, others]).to(layer.anchors)
            yield SampleGraph(x, layer.embedding.operator(x))

    return graphs(), weight


def _mixed_points(
    points: Tensor, source: FeatureSource, share: float, rng: np.random.Generator
) -> Tensor:
    """Returns as many points as before, a uniform sample of earlier and new ones, in
    random order."""
    num_new = min(int(rng.binomial(len(points), 1 - share)), len(source))
    drawn = rng.choice(len(source), num_new, replace=False)
    rows = single_precision(source.__getitems__(drawn)).to(points)
    kept = rng.choice(len(points), len(points) - num_new, replace=False)
    mixed = torch.cat([points[torch.from_numpy(kept)], rows])
    return mixed[torch.from_numpy(rng.permutation(len(mixed)))]


def _trained_on(
    estimator: "BASiS",
    memory: Memory,
    source: FeatureSource,
    share: float,
    seed: int,
    history: dict[str, list[float]],
) -> tuple[BASiSLayer, RayleighRitz, RitzVectors | None]:
    """Continues the training on earlier and new points in proportion, and performs the
    read-out. Appends to the history."""
    rng = np.random.default_rng(seed)
    num_earlier = len(memory.points)
    if share < 1:
        num_earlier = min(num_earlier, round(len(source) * share / (1 - share)))
    num_new = min(len(source), round(num_earlier * (1 - share) / max(share, 1e-12)))
    most = min(MOST_NODES, MOST_NUMBERS // source.num_features)
    if num_earlier + num_new > most:
        num_earlier, num_new = round(share * most), round((1 - share) * most)
    drawn: NDArray[np.int64] = rng.choice(len(source), num_new, replace=False)
    kept = torch.from_numpy(rng.permutation(len(memory.points))[:num_earlier])
    new = single_precision(source.__getitems__(drawn)).to(memory.points)
    x = torch.cat([memory.points[kept], new])

    plain = with_components(with_plain_integers(estimator), estimator.n_components_)
    plain.anchor_method = "poisson_disk"  # labels are not kept
    training = point_training(plain, FeatureSource(x), None, seed)
    layer, before = training.layer, estimator.layer_
    layer.network.load_state_dict(before.network.state_dict())
    layer.standardization.load_state_dict(before.standardization.state_dict())
    own = None
    if not is_compiled(layer.network):
        own = torch.Generator(estimator.device).manual_seed(seed)
    state = TrainingState(layer, estimator.learning_rate, own)
    reading: Any = training.read_out
    train(state, training.batches, estimator.max_iter, reading, estimator.tol)
    for name, values in state.history.items():
        history[name] = history.get(name, []) + values
    vectors = reading.finish()
    return layer, reading.moments, vectors


@torch.no_grad()
def embedded(layer: BASiSLayer, points: Tensor) -> Tensor:
    """Embeds points as stored in a memory, ``[m, K]``."""
    blocks = points.to(layer.anchors).split(BLOCK_ROWS)
    return torch.cat([layer(block) for block in blocks])


@torch.no_grad()
def rows_at(layer: BASiSLayer, points: Tensor) -> Tensor:
    """Returns the output of the read-out, without the degree factor."""
    blocks = points.to(layer.anchors).split(BLOCK_ROWS)
    return torch.cat([layer.output(*layer.hidden_layers(block)) for block in blocks])


def leading_rows(
    rows: Tensor, layer: BASiSLayer, movement: Movement, num_columns: int
) -> NDArray[np.floating[Any]]:
    """Returns the rows of the first eigenvectors before an update's map, from the rows
    after it. A constant column is counted, but omitted."""
    alignment, constant = movement.alignment, layer.embedding.num_constant
    linear = alignment.linear.double()
    kept = rows[:, constant:].to(linear) - alignment.shift.double()
    found = kept @ torch.linalg.pinv(linear)
    return found[:, : max(num_columns - constant, 1)].cpu().numpy()


def _in_old_basis(
    estimator: "BASiS",
    layer: BASiSLayer,
    points: Tensor,
    vectors: RitzVectors,
    trained_on: bool,
) -> tuple[RitzVectors, Movement]:
    """Maps the output of the layer, and its reference if it is new, to the previous
    embedding at the earlier points."""
    k, constant = layer.num_eigenvectors, layer.embedding.num_constant
    before = rows_at(estimator.layer_, points)[:, constant:]
    if not trained_on:
        vectors = _nearest(layer, points, vectors, before)
        layer.output.fit(vectors)
    rows = rows_at(layer, points)[:, constant:]
    alignment, cosines = kept_basis(rows, before, LOST)
    columns = slice(constant, k)
    linear, shift = alignment.linear.double(), alignment.shift.double()
    weight, bias = vectors.weight.clone(), vectors.bias.clone()
    weight[:, columns] = weight[:, columns] @ linear.to(weight)
    bias[columns] = bias[columns] @ linear.to(bias) + shift.to(bias)
    vectors = vectors._replace(weight=weight, bias=bias)
    layer.output.fit(vectors)
    if trained_on:
        layer.rows[:, columns] = alignment.apply(layer.rows[:, columns])
    values = vectors.values
    gap = values[k] - values[k - 1] if len(values) > k else values.new_tensor(np.nan)
    return vectors, Movement(
        alignment=alignment,
        cosines=cosines,
        change=(alignment.apply(rows) - before).norm() / before.norm(),
        eigenvalues=values[:k],
        eigengap=gap,
        num_lost=int((cosines < LOST).sum()),
        reanchored=trained_on,
    )


def _nearest(
    layer: BASiSLayer, points: Tensor, vectors: RitzVectors, before: Tensor
) -> RitzVectors:
    """Rotates the vectors so that the combinations nearest to the previous embedding
    come first."""
    blocks = points.to(layer.anchors).split(BLOCK_ROWS)
    rows = torch.cat([vectors.rows(layer.hidden(block)) for block in blocks])
    k, constant = layer.num_eigenvectors, layer.embedding.num_constant
    turn = nearest_combinations(
        rows[:, constant:], vectors.values[constant:], before, k - constant
    )
    rotation = torch.block_diag(torch.eye(constant).to(turn), turn).to(vectors.weight)
    weight, bias = vectors.weight @ rotation, vectors.bias @ rotation
    return vectors._replace(weight=weight, bias=bias)
