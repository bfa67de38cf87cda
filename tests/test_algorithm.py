import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis.algorithm import (
    batch_targets,
    fix_reference,
    train,
    update_reference,
)
from pyg_basis.align import RANSAC, Aligner, LeastSquares, MomentPreserving, Orthogonal
from pyg_basis.datasets import sphere
from pyg_basis.eigen import LOBPCG
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding, Movement, Reference, choose_anchors
from pyg_basis.training_state import DIAGNOSTICS, History, TrainingState
from tests.reference.exact import (
    SPACES,
    cloud,
    dense_embedding,
    tight_clusters,
    with_signs_of,
)

EMBEDDING = ExactEmbedding(4, 10)
ALIGNERS = [LeastSquares(), RANSAC(), Orthogonal(), MomentPreserving()]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(
    x: Tensor, embedding: ExactEmbedding = EMBEDDING, num_anchors: int = 30, **kw: Any
) -> Reference:
    return fix_reference(x, num_anchors, embedding, **kw)[0]


@cache
def of_cloud(embedding: ExactEmbedding = EMBEDDING) -> Reference:
    """Of 150 nodes, with 30 anchors."""
    return make(cloud(150), embedding)


def others(reference: Reference) -> Tensor:
    """The nodes of the reference set that are no anchors."""
    return cloud(150)[reference.nodes[reference.num_anchors :]]


# --- fix_reference


@pytest.mark.parametrize("embedding", SPACES)
def test_rows_are_the_exact_embedding_of_the_set(embedding) -> None:
    x = cloud(180).double()
    reference, graph = fix_reference(x, 30, embedding, reference_size=150)
    nodes = reference.nodes
    assert len(nodes.unique()) == 150 and reference.num_nodes == 180
    assert torch.equal(reference.anchors, x[nodes[:30]])
    assert torch.equal(reference.anchor_rows, reference.rows[:30])
    values, rows = dense_embedding(x[nodes], embedding)
    found = with_signs_of(reference.rows, rows)
    torch.testing.assert_close(found, rows, rtol=0, atol=1e-4)
    # Its graph has the same nodes, in an order of its own, and five eigenvalues more.
    assert sorted(graph.x.tolist()) == sorted(x[nodes].tolist())
    operator = embedding.operator(graph.x)
    assert torch.equal(graph.laplacian.matrix.to_dense(), operator.matrix.to_dense())
    more, _ = dense_embedding(x[nodes], embedding.widened(5))
    assert len(graph.eigenvalues) == embedding.num_pairs + 5
    torch.testing.assert_close(graph.eigenvalues[-9:], more, rtol=0, atol=1e-6)
    torch.testing.assert_close(graph.eigenvalues[-9:-5], values, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("untouched_global_generators")
def test_anchors_are_drawn_from_the_seed_or_those_given() -> None:
    x = cloud(200)
    one, again, other = (make(x, reference_size=100, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.nodes, again.nodes) and torch.equal(one.rows, again.rows)
    assert set(one.nodes.tolist()) != set(other.nodes.tolist())
    assert torch.equal(one.nodes[:30], choose_anchors(x, 30, seed=1))
    index = torch.arange(60, 0, -2)
    given = make(x, anchor_index=index, reference_size=10**6)
    assert torch.equal(given.nodes[:30], index)
    assert sorted(given.nodes.tolist()) == list(range(200))


def with_a_group() -> tuple[Tensor, Tensor]:
    """A cloud, and eight nodes far away, the last ones."""
    x = normal(240, 2)
    x[-8:] = 50 + 0.1 * x[-8:]
    return x, torch.arange(232, 240)


def test_a_group_without_an_anchor_gets_one() -> None:
    x, group = with_a_group()
    embedding, index = ExactEmbedding(3, 6), torch.arange(40)
    reference = make(x, embedding, 40, anchor_index=index)
    anchors = reference.nodes[:40]
    assert int(torch.isin(anchors, group).sum()) == 1
    assert int(torch.isin(anchors, index).sum()) == 39
    assert torch.equal(reference.nodes.sort().values, torch.arange(240))
    assert torch.equal(reference.anchors, x[anchors])
    exact = embedding(x[reference.nodes]).vectors
    assert grassmann_distance(reference.rows, exact) < 1e-3
    # The batches' targets tell the group from all others, which they could not.
    batch = batch_targets(reference, x[reference.nodes[40:]])
    assert batch.rank == 3
    assert grassmann_distance(batch.y, exact) < 0.05


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (cloud(90), {"anchor_index": torch.arange(29)}, "must hold num_anchors=30 dif"),
        (cloud(90), {"anchor_index": torch.zeros(30).long()}, "got 1 different ones"),
        (cloud(90), {"anchor_index": torch.arange(61, 91)}, "from 0 to 89"),
        (cloud(30), {}, "num_anchors=30 leaves no other node in a set of 30"),
        (cloud(90), {"reference_size": 30}, "in a set of 30: use fewer anchors, or"),
        (cloud(90).fill_(torch.nan), {}, "NaN or infinite"),
        (cloud(90).long(), {}, "x must be floating point"),
    ],
)
def test_bad_samples(x, settings, match) -> None:
    with pytest.raises(ValueError, match=match):
        make(x, **settings)


@pytest.mark.parametrize("embedding", SPACES)
def test_too_few_anchors(embedding) -> None:
    num_mapped = 4 - (embedding.laplacian != "sym" and not embedding.drop_first)
    assert make(cloud(90), embedding, num_mapped + 1).num_anchors == num_mapped + 1
    match = (
        f"num_anchors={num_mapped} cannot fix an affine map of {num_mapped} columns: "
        f"use at least {num_mapped + 1}"
    )
    with pytest.raises(ValueError, match=match):
        make(cloud(90), embedding, num_mapped)


def test_reference_on_another_device() -> None:
    reference = of_cloud()
    moved = reference.to("meta")
    assert moved.anchors.is_meta and moved.rows.is_meta and moved.nodes.is_meta
    assert moved.embedding == reference.embedding
    assert repr(moved) == (
        "Reference(reference_size=150, num_anchors=30, num_eigenvectors=4)"
    )


# --- batch_targets


def mapped(source: Tensor, reference: Tensor) -> Tensor:
    """All rows by the affine map of least squares from the first ones."""
    source = torch.cat([source, torch.ones(len(source), 1).to(source)], dim=1)
    fitted = torch.linalg.lstsq(source[: len(reference)], reference, driver="gelsd")
    return source @ fitted.solution


@pytest.mark.parametrize("embedding", SPACES)
def test_targets_are_the_affinely_mapped_eigenvectors_of_the_batch(embedding) -> None:
    reference = make(cloud(150).double(), embedding)
    # In another basis, which no batch comes up with by itself.
    constant = embedding.num_constant
    free = slice(constant, None)
    rows = reference.rows.clone()
    rows[:, free] = rows[:, free] @ normal(4 - constant, 4 - constant).double() + 2
    reference = replace(reference, rows=rows)
    batch = batch_targets(reference, cloud(120, 1).double())
    assert torch.equal(batch.x, torch.cat([reference.anchors, cloud(120, 1).double()]))
    values, vectors = dense_embedding(batch.x, embedding)
    # The constant column is the same in every batch, and is left as it is.
    expected = mapped(vectors[:, free], rows[:30, free])
    torch.testing.assert_close(batch.y[:, free], expected, rtol=0, atol=1e-4)
    ones = torch.ones(150, constant).double()
    torch.testing.assert_close(batch.y[:, :constant].abs(), ones)
    torch.testing.assert_close(batch.eigenvalues, values, rtol=0, atol=1e-6)
    torch.testing.assert_close(batch.degree, embedding(batch.x).degree)
    error = (batch.y[:30, free] - rows[:30, free]).norm()
    spread = (rows[:30, free] - rows[:30, free].mean(dim=0)).norm()
    assert batch.residual == pytest.approx(float(error / spread), rel=1e-6)
    assert 0 < batch.residual < 1
    assert (batch.rank, batch.num_components) == (4 - constant, 1)
    assert (batch.converged, batch.fell_back) == (True, False)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("aligner", ALIGNERS)
@pytest.mark.parametrize("embedding", SPACES)
def test_targets_of_the_reference_set_are_the_reference(embedding, aligner) -> None:
    reference = replace(of_cloud(embedding), aligner=aligner)
    batch = batch_targets(reference, others(reference))
    torch.testing.assert_close(batch.y, reference.rows, rtol=0, atol=1e-3)
    assert batch.residual < 1e-3


@given(st.integers(0, 2**32))
def test_the_order_of_the_nodes_does_not_matter(seed) -> None:
    reference, x = of_cloud(), cloud(120, 1)
    order = torch.randperm(120, generator=torch.Generator().manual_seed(seed))
    one, other = batch_targets(reference, x), batch_targets(reference, x[order])
    torch.testing.assert_close(other.y[30:], one.y[30:][order], rtol=0, atol=1e-4)


def test_the_aligner_is_used() -> None:
    # A rigid map keeps the distances within the batch.
    batch = batch_targets(replace(of_cloud(), aligner=Orthogonal()), cloud(120, 1))
    own = EMBEDDING(batch.x).vectors
    expected = torch.cdist(own, own)
    torch.testing.assert_close(
        torch.cdist(batch.y, batch.y), expected, rtol=0, atol=0.01
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("data", [sphere, tight_clusters])
def test_usual_batches_need_one_eigensolver(data) -> None:
    reference = make(data(2048), ExactEmbedding(10), 200)
    for seed in (1, 2):
        batch = batch_targets(reference, data(2048 - 200, seed=seed))
        assert batch.converged is True and batch.fell_back is False
        assert batch.rank == 10


def test_a_fall_back_is_reported_and_changes_nothing() -> None:
    reference, x = of_cloud(), cloud(400, 1)
    hasty: Any = replace(EMBEDDING, solver=LOBPCG(max_iter=1))
    batch = batch_targets(replace(reference, embedding=hasty), x)
    assert batch.fell_back is True and batch.converged is True
    expected = batch_targets(reference, x).y
    torch.testing.assert_close(batch.y, expected, rtol=0, atol=1e-3)


def test_disconnected_batches() -> None:
    batch = batch_targets(of_cloud(), torch.cat([cloud(40, 1), cloud(40, 2) + 100]))
    assert batch.num_components == 2
    assert torch.isfinite(batch.y).all()


@pytest.mark.filterwarnings("ignore")  # a warning at most
@pytest.mark.parametrize("aligner", ALIGNERS)
@pytest.mark.parametrize("embedding", SPACES)
def test_unusual_features_are_finite(embedding, aligner) -> None:
    outlier = cloud(90, 1)
    outlier[17] = 1e6
    duplicates = cloud(4).repeat(20, 1)
    constant = torch.cat([torch.ones(30, 2), cloud(60)])
    references = make(cloud(90), embedding), make(duplicates, embedding)
    constants = make(constant, embedding, anchor_index=torch.arange(30))
    for reference in (*references, constants):
        reference = replace(reference, aligner=aligner)
        for x in (cloud(90, 1), outlier, duplicates, torch.ones(90, 2)):
            batch = batch_targets(reference, x)
            assert torch.isfinite(batch.y).all() and batch.converged
            assert 0 <= batch.residual < 1e6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_trivial_column_alone(laplacian) -> None:
    embedding = ExactEmbedding(1, 10, laplacian=laplacian, drop_first=False)
    reference = make(cloud(60), embedding, 5)
    batch = batch_targets(reference, cloud(40, 1))
    assert torch.allclose(batch.y, reference.rows[0].expand(45, 1), atol=1e-5)


@pytest.mark.parametrize("learned", [True, False])
def test_targets_are_constants_of_the_anchors_dtype(learned) -> None:
    x = cloud(90).requires_grad_(learned)
    for dtype in (torch.float32, torch.float64):
        reference = make(x.to(dtype))
        for other in (torch.float32, torch.float64):
            batch = batch_targets(reference, x.to(other) + 0.1)
            for value in (batch.y, batch.eigenvalues, reference.rows):
                assert value.dtype == dtype
                assert not value.requires_grad
            # Gradients reach the features by the network.
            assert batch.x.dtype == dtype and batch.x.requires_grad is learned


def test_targets_are_the_same_again_and_under_autocast() -> None:
    reference, x = of_cloud(), cloud(90, 1)
    expected = batch_targets(reference, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = batch_targets(reference, x)
    assert torch.equal(found.y, expected.y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_targets_on_a_gpu() -> None:
    reference, x = of_cloud(), cloud(90, 1)
    batch = batch_targets(reference.to("cuda"), x)
    assert batch.y.is_cuda
    expected = batch_targets(reference, x).y
    torch.testing.assert_close(batch.y.cpu(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", [(90, 3), (90,), (2, 90, 2)])
def test_batches_of_another_shape_or_not_finite(shape) -> None:
    with pytest.raises(ValueError, match=r"x has shape .*, expected \[nodes, 2\]"):
        batch_targets(of_cloud(), torch.zeros(shape))
    with pytest.raises(ValueError, match="x has no rows"):
        batch_targets(of_cloud(), torch.zeros(0, 2))
    with pytest.raises(ValueError, match=r"x must be finite.*drop those rows"):
        batch_targets(of_cloud(), torch.full((90, 2), torch.nan))


# --- train


class Linear(nn.Linear):
    """A layer in which nothing but the regression is left."""

    def __init__(self) -> None:
        super().__init__(2, 2, bias=False)
        nn.init.zeros_(self.weight)

    def loss(self, batch: Data) -> Tensor:
        assert self.training
        return (self(batch.x) - batch.y).square().mean()


def same_batches() -> Iterator[Data]:
    x = normal(20, 2)
    y = x @ torch.tensor([[1.0, 0.5], [-0.5, 2.0]])
    while True:
        yield Data(
            x=x,
            y=y,
            residual=0.25,
            rank=2,
            consensus=True,
            num_components=1,
            converged=True,
            fell_back=False,
        )


class Looks:
    """What is found missing, one value a look, until there is nothing more to gain."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)
        self.left = list(values)

    def missing(self) -> float:
        return self.left.pop(0)

    def has_nothing_to_gain(self, missing: list[float], tol: float) -> bool:
        assert missing == self.values[: len(missing)] and tol == 0.1
        return not self.left


def trained(
    layer: Linear,
    max_iter: int,
    learning_rate: float,
    reading: Looks | None = None,
    tol: float | None = None,
) -> History:
    state = TrainingState(layer, learning_rate)
    train(state, same_batches(), max_iter, reading, tol)
    assert state.is_finished
    return state.history


def test_training_solves_the_regression() -> None:
    layer = Linear()
    history = trained(layer, 300, 0.1)
    expected = torch.tensor([[1.0, -0.5], [0.5, 2.0]])
    torch.testing.assert_close(layer.weight.data, expected, rtol=0, atol=1e-3)
    assert history["loss"][-1] < 1e-5 < history["loss"][0]
    assert not layer.training
    assert {name: history[name][-1] for name in DIAGNOSTICS} == {
        "residual": 0.25,
        "rank": 2,
        "consensus": True,
        "num_components": 1,
        "converged": True,
        "fell_back": False,
    }
    assert {len(values) for values in history.values()} == {300}


@pytest.mark.parametrize("max_iter", [1, 2, 7, 10])
def test_the_rate_falls_to_zero_without_a_read_out_only(max_iter: int) -> None:
    half = max_iter / 2
    expected = [1e-2 * min(1, (max_iter - i) / half) for i in range(max_iter)]
    history = trained(Linear(), max_iter, 1e-2)
    assert history["learning_rate"] == pytest.approx(expected)
    history = trained(Linear(), max_iter, 1e-2, Looks(1.0))
    assert history["learning_rate"] == [1e-2] * max_iter


@pytest.mark.parametrize(
    ("max_iter", "tol", "missing", "num_batches"),
    [
        # After 10, 20, 40, ... batches.
        (100, 0.1, [1.0], 10),
        (100, 0.1, [1.0, 0.5], 20),
        (100, 0.1, [3.0, 2.0, 1.0, 0.9], 80),
        (100, 0.1, [5.0, 4.0, 3.0, 2.0, 1.0, 0.9], 100),
        # And after the last one, whatever it is.
        (3, 0.1, [1.0, 0.5], 3),
        (23, 0.1, [1.0, 0.5, 0.4], 23),
        (45, None, [1.0], 45),
    ],
)
def test_training_ends_when_there_is_nothing_to_gain(
    max_iter: int, tol: float | None, missing: list[float], num_batches: int
) -> None:
    looks = Looks(*missing)
    history = trained(Linear(), max_iter, 1e-2, looks, tol)
    assert len(history["loss"]) == num_batches
    num_looks = len(missing) - len(looks.left)
    assert history["missing"] == missing[:num_looks]
    if num_batches == max_iter:  # of the last network too
        assert num_looks == {100: 5, 3: 1, 23: 3, 45: 1}[max_iter]


# --- update_reference

TRIANGLE = torch.tensor([[0.0, 0.0], [2.5, 0.0], [1.0, 2.0]])
MOVING = [replace(each, num_eigenvectors=3, num_neighbors=15) for each in SPACES]
WALK = ExactEmbedding(3, 15, drop_first=False)


def blobs(corners: Tensor = TRIANGLE, num_points: int = 240) -> Tensor:
    """Blobs at the corners, one after the other in turn."""
    x = 0.5 * normal(num_points, corners.size(1))
    return x + corners[torch.arange(num_points) % len(corners)]


def rotated(x: Tensor, angle: float) -> Tensor:
    cosine, sine = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    return x @ torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])


def of_blobs(
    x: Tensor | None = None, embedding: ExactEmbedding = WALK, **kw: Any
) -> Reference:
    kw = {"num_anchors": 40, "reference_size": 200, **kw}
    return make(blobs() if x is None else x, embedding, **kw)


def change(now: Tensor, before: Tensor) -> float:
    return float((now - before).norm() / before.norm())


def quietly(reference: Reference, x: Tensor) -> tuple[Reference, Movement]:
    """An update without any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return update_reference(reference, x)


@pytest.mark.parametrize("embedding", MOVING)
def test_rotated_features_keep_the_rows(embedding) -> None:
    x = blobs()
    first = of_blobs(x, embedding)
    moved, movement = quietly(first, rotated(x, 1.0))
    assert change(moved.rows, first.rows) < 1e-3
    assert float(movement.change) < 1e-3
    assert float(movement.alignment.condition_number) < 1.01
    assert movement.cosines.min() > 0.999
    assert movement.num_lost == 0 and not movement.reanchored
    assert torch.equal(moved.nodes, first.nodes)
    assert torch.equal(moved.anchors, rotated(x, 1.0)[moved.nodes[:40]])
    # And the first one is as it was.
    assert torch.equal(first.anchors, x[first.nodes[:40]])


@pytest.mark.parametrize("embedding", MOVING)
def test_rows_are_the_mapped_eigenvectors_of_the_new_features(embedding) -> None:
    x = blobs() + 0.2 * normal(240, 2, seed=1)
    first, constant = of_blobs(None, embedding), embedding.num_constant
    moved, movement = quietly(first, x)
    exact = embedding(x[first.nodes])
    source, target = exact.vectors[:, constant:], first.rows[:, constant:]
    expected = MomentPreserving().fit(source, target).apply(source)
    torch.testing.assert_close(moved.rows[:, constant:], expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(moved.rows[:, :constant], first.rows[:, :constant])
    assert float(movement.change) == pytest.approx(
        change(moved.rows, first.rows), rel=1e-4
    )
    assert 0 < float(movement.change) < 1
    # Canonical correlations are the cosines of the angles between the two spans.
    now, before = (torch.linalg.qr(rows).Q for rows in (source, target))
    cosines = torch.linalg.svdvals(now.t() @ before)
    torch.testing.assert_close(movement.cosines, cosines, rtol=0, atol=1e-4)
    beyond = replace(embedding, num_eigenvectors=4)(x[first.nodes]).values
    torch.testing.assert_close(movement.eigenvalues, beyond[:3], rtol=0, atol=1e-5)
    gap = beyond[3] - beyond[2]
    torch.testing.assert_close(movement.eigengap, gap, rtol=0, atol=1e-5)


@pytest.mark.parametrize("aligner", [None, LeastSquares()])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_chain_of_rotations_does_not_drift(aligner, momentum) -> None:
    x, first = blobs(), of_blobs()
    moving = first
    for step in range(1, 31):
        moving, _ = update_reference(moving, rotated(x, 0.1 * step), aligner, momentum)
    assert change(moving.rows, first.rows) < 0.01


def chain(aligner: Aligner | None = None, momentum: float = 0.0) -> Reference:
    """Thirty updates under noise, and one without, to what the basis is by then."""
    moving = of_blobs()
    for step in range(30):
        noisy = blobs() + 0.5 * normal(240, 2, seed=step + 1)
        moving, _ = update_reference(moving, noisy, aligner, momentum)
    return update_reference(moving, blobs(), aligner)[0]


def test_noise_shrinks_a_chain_of_least_squares_and_not_ours() -> None:
    first, ours, lstsq = of_blobs(), chain(), chain(LeastSquares())
    norm = float(first.rows[:, 1:].norm())
    assert ours.rows[:, 1:].norm() == pytest.approx(norm, rel=1e-3)
    assert lstsq.rows[:, 1:].norm() < 0.9 * norm
    # It is still the eigenspace, in the basis of old.
    assert grassmann_distance(ours.rows, first.rows) < 1e-3
    assert change(ours.rows, first.rows) < 0.15


def test_an_average_drifts_less_under_noise() -> None:
    first, newest, averaged = of_blobs(), chain(), chain(momentum=0.9)
    drift = change(newest.rows, first.rows)
    assert change(averaged.rows, first.rows) < 0.5 * drift
    assert averaged.rows.norm() == pytest.approx(float(newest.rows.norm()), rel=0.01)


def test_momentum_aims_at_an_average() -> None:
    first, noisy = of_blobs(), blobs() + 0.2 * normal(240, 2, seed=1)
    newest, _ = update_reference(first, noisy)
    averaged, _ = update_reference(first, noisy, momentum=0.75)
    mean = 0.75 * first.rows + 0.25 * newest.rows
    # What is averaged gets shorter; it is given the newer rows' second moments.
    moments, expected = averaged.rows.T @ averaged.rows, newest.rows.T @ newest.rows
    torch.testing.assert_close(moments, expected, rtol=1e-4, atol=1e-2)
    assert grassmann_distance(averaged.rows, mean) < 1e-3
    assert mean.norm() < averaged.rows.norm()
    assert change(averaged.rows, mean) < change(newest.rows, mean)


def merged_and_parted() -> tuple[Tensor, Tensor]:
    """Four blobs far apart; and with the last two in one place, and the first one
    parted in two."""
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    apart = blobs(corners)
    together = apart.clone()
    together[3::4] += corners[2] - corners[3]
    first = together[0::4]
    together[0::4] = first + (first[:, :1] < 0) * torch.tensor([[-9.0, 0]])
    return apart, together


@pytest.mark.parametrize("aligner", [None, LeastSquares()])
def test_a_lost_direction_is_reported_and_replaced(aligner) -> None:
    apart, together = merged_and_parted()
    embedding = ExactEmbedding(4, 10, drop_first=False)
    first = of_blobs(apart, embedding)
    match = "a direction of the reference space is"
    with pytest.warns(RuntimeWarning, match=match) as record:
        moved, movement = update_reference(first, together, aligner)
    assert record[0].filename == __file__
    assert movement.num_lost == 1
    assert movement.cosines[-1] < 0.1 < 0.9 < movement.cosines[1]
    # Least squares would flatten the reference for ever.
    assert movement.alignment.method == "moments"
    assert float(movement.alignment.condition_number) < 10
    # The basis is complete, and of the present eigenvectors.
    exact = embedding(together[moved.nodes]).vectors
    assert grassmann_distance(moved.rows, exact) < 1e-3
    assert torch.linalg.svdvals(moved.rows)[-1] > 0.5 * 200**0.5
    # From there on it is followed as ever.
    again, movement = quietly(moved, rotated(together, 0.3))
    assert change(again.rows, moved.rows) < 1e-3
    assert movement.num_lost == 0


def test_anchors_that_miss_a_new_cluster_are_chosen_anew() -> None:
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    x = blobs(corners)
    joined = x.clone()
    joined[2::3] += corners[1] - corners[2]
    # No anchor is among those that will part.
    candidates = torch.arange(240)[torch.arange(240) % 3 < 2]
    first = of_blobs(joined, anchor_index=candidates[:40])
    with pytest.warns(RuntimeWarning) as record:
        moved, movement = update_reference(first, x)
    assert any("anchors did not spread" in str(one.message) for one in record)
    assert movement.reanchored
    assert (moved.nodes[:40] % 3 == 2).any()
    # The nodes are the same, in another order, each with its own row.
    assert torch.equal(moved.nodes.sort().values, first.nodes.sort().values)
    assert grassmann_distance(moved.rows, WALK(x[moved.nodes]).vectors) < 1e-3
    assert torch.equal(moved.anchors, x[moved.nodes[:40]])
    # Batches have targets in every direction again.
    batch = batch_targets(moved, blobs(corners, 90))
    assert batch.rank == 2
    assert torch.linalg.svdvals(batch.y - batch.y.mean(dim=0))[1] > 1
    again, movement = quietly(moved, x)
    assert not movement.reanchored
    assert change(again.rows, moved.rows) < 1e-3


@pytest.mark.filterwarnings("ignore:the features moved")
def test_anchors_chosen_anew_are_exchanged_where_they_miss_a_group() -> None:
    x, embedding = blobs(), ExactEmbedding(3, 3)
    first = of_blobs(x, embedding, num_anchors=5, reference_size=240)
    parted, group = x.clone(), first.nodes[-5:]
    parted[group] = 50 + 0.1 * normal(5, 2)
    chosen = choose_anchors(parted[first.nodes], 5)
    assert not torch.isin(first.nodes[chosen], group).any()
    with pytest.warns(RuntimeWarning, match="anchors did not spread"):
        moved, movement = update_reference(first, parted)
    assert movement.reanchored
    assert torch.isin(moved.nodes[:5], group).any()
    assert torch.equal(moved.anchors, parted[moved.nodes[:5]])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("x", [torch.ones(240, 2), torch.arange(240).repeat(2, 1).T])
def test_features_that_collapse_leave_a_finite_reference(x: Tensor) -> None:
    moved, _ = update_reference(of_blobs(), x.float())
    again, _ = update_reference(moved, blobs())
    for reference in (moved, again):
        assert torch.isfinite(reference.rows).all()
        assert torch.linalg.matrix_rank(reference.rows) == 3


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (torch.zeros(239, 2), {}, r"made of 240 nodes with 2 features.*same order"),
        (torch.zeros(240, 3), {}, r"x has shape \(240, 3\)"),
        (torch.full((240, 2), torch.nan), {}, "finite"),
        (blobs(), {"momentum": 1.0}, r"momentum.*Got 1\.0"),
        (blobs(), {"momentum": -0.1}, r"momentum.*Got -0\.1"),
    ],
)
def test_bad_input_to_an_update(x: Tensor, settings: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        update_reference(of_blobs(), x, **settings)


def test_full_precision_of_filters_under_autocast() -> None:
    # From 1,024 nodes on, in single precision at first.
    x = cloud(1500)
    expected = make(x, num_anchors=30, reference_size=1500)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = make(x, num_anchors=30, reference_size=1500)
    assert torch.equal(found.rows, expected.rows)


@pytest.mark.parametrize("num_anchors", [10, 13, 18])
def test_few_anchors_are_not_interpolated(num_anchors: int) -> None:
    corners = 6 * normal(7, 5)
    reference = of_blobs(
        blobs(corners, 1400),
        ExactEmbedding(6, 15),
        num_anchors=num_anchors,
        reference_size=1400,
    )
    x = blobs(corners, 400)
    batch = batch_targets(reference, x)
    # Whitened distance to the reference's own rows at the nodes nearest to these.
    nearest = torch.cdist(batch.x, blobs(corners, 1400)[reference.nodes]).argmin(dim=1)
    assert change(batch.y, reference.rows[nearest]) < 0.2
