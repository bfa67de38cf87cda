import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_basis.align import LeastSquares
from pyg_basis.loader import (
    AnchorReference,
    ExactEmbedding,
    MovingReference,
    choose_anchors,
)
from pyg_basis.metrics import grassmann_distance

SPACES = [
    ExactEmbedding(3, 15, laplacian=laplacian, drop_trivial=drop_trivial)
    for laplacian in ("sym", "rw", "comb")
    for drop_trivial in (False, True)
]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def blobs(corners: Tensor, num_points: int = 240, scale: float = 0.5) -> Tensor:
    """Blobs at the corners, one after the other in turn."""
    x = scale * normal(num_points, corners.size(1))
    return x + corners[torch.arange(num_points) % len(corners)]


RANDOM_WALK = SPACES[2]
TRIANGLE = torch.tensor([[0.0, 0.0], [2.5, 0.0], [1.0, 2.0]])


def rotated(x: Tensor, angle: float) -> Tensor:
    cosine, sine = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    return x @ torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])


def make(x: Tensor, embedding: ExactEmbedding = RANDOM_WALK, **settings: Any) -> Any:
    return MovingReference.from_sample(
        x, 40, embedding, **({"reference_size": 200} | settings)
    )


@pytest.mark.parametrize("embedding", SPACES)
def test_knows_the_graph_that_it_was_embedded_by(embedding: Any) -> None:
    x = blobs(TRIANGLE)
    moving = make(x, embedding)
    for known, features in ((moving, x), (moving.updated(2 * x)[0], 2 * x)):
        graph = known.graph
        assert graph is not None
        # The same nodes, in an order of its own.
        points = features[known.nodes]
        assert sorted(graph.x.tolist()) == sorted(points.tolist())
        operator = embedding.operator(graph.x)
        assert graph.laplacian.kind == operator.kind
        torch.testing.assert_close(
            graph.laplacian.matrix.to_dense(), operator.matrix.to_dense()
        )
        values = embedding(graph.x).all_values
        assert len(values) == embedding.num_pairs
        found = graph.eigenvalues[: len(values)]
        torch.testing.assert_close(found, values, atol=1e-4, rtol=1e-3)


def change(now: Tensor, before: Tensor) -> float:
    return float((now - before).norm() / before.norm())


def test_is_the_reference_of_algorithm_1_at_first() -> None:
    x = blobs(TRIANGLE)
    moving = make(x)
    anchors, others = moving.nodes[:40], moving.nodes[40:]
    assert len(moving.nodes.unique()) == 200 and moving.num_nodes == 240
    reference = AnchorReference.from_sample(x[anchors], x[others], RANDOM_WALK)
    assert torch.equal(moving.reference.anchors, reference.anchors)
    assert torch.equal(moving.reference.rows, reference.rows)
    assert torch.equal(moving.rows[:40], reference.rows)
    assert moving.reference.start is not None and reference.start is not None
    assert torch.equal(moving.reference.start.rows, reference.start.rows)
    assert moving.reference.start.window == reference.start.window
    exact = RANDOM_WALK(x[moving.nodes]).vectors
    signs = (exact * moving.rows).sum(dim=0).sign()
    torch.testing.assert_close(moving.rows, exact * signs, atol=1e-3, rtol=0)


@pytest.mark.parametrize("embedding", SPACES)
def test_rotated_features_leave_the_basis_where_it_is(embedding: Any) -> None:
    x = blobs(TRIANGLE)
    first = make(x, embedding)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved, movement = first.updated(rotated(x, 1.0))
    assert change(moved.rows, first.rows) < 1e-3
    assert float(movement.change) < 1e-3
    assert float(movement.alignment.condition_number) < 1.01
    assert movement.cosines.min() > 0.999
    assert movement.num_lost == 0 and not movement.reanchored
    anchors = moved.nodes[:40]
    torch.testing.assert_close(moved.reference.anchors, rotated(x, 1.0)[anchors])
    torch.testing.assert_close(moved.reference.rows, moved.rows[:40])
    # And the first one is as it was.
    assert torch.equal(first.reference.anchors, x[first.nodes[:40]])


@pytest.mark.parametrize("aligner", [None, LeastSquares()])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_chain_of_rotations_does_not_drift(aligner: Any, momentum: float) -> None:
    x = blobs(TRIANGLE)
    first = make(x)
    moving, worst = first, 0.0
    for step in range(1, 201):
        moving, movement = moving.updated(rotated(x, 0.05 * step), aligner, momentum)
        worst = max(worst, float(movement.alignment.condition_number))
    assert change(moving.rows, first.rows) < 0.01
    assert worst < 10


def test_noise_shrinks_a_chain_of_least_squares_and_not_ours() -> None:
    x = blobs(TRIANGLE)
    chains = {"ours": make(x), "lstsq": make(x)}
    for step in range(60):
        noisy = x + 0.15 * normal(*x.shape, seed=step + 1)
        chains["ours"], _ = chains["ours"].updated(noisy)
        chains["lstsq"], _ = chains["lstsq"].updated(noisy, LeastSquares())
    norms = {name: moving.rows[:, 1:].norm() for name, moving in chains.items()}
    assert norms["ours"] == pytest.approx(float(make(x).rows[:, 1:].norm()), rel=1e-3)
    assert norms["lstsq"] < 0.8 * norms["ours"]
    # It is still the eigenspace, in the basis of old.
    exact = RANDOM_WALK(noisy[chains["ours"].nodes]).vectors
    assert grassmann_distance(chains["ours"].rows, exact) < 1e-3
    again, _ = chains["ours"].updated(x)
    signs = (again.rows * make(x).rows).sum(dim=0)
    assert change(again.rows, make(x).rows) < 0.15 and (signs > 0).all()


def test_an_average_drifts_less_under_noise() -> None:
    x = blobs(TRIANGLE)
    left, drift = {}, {}
    for momentum in (0.0, 0.9):
        moving = make(x)
        for step in range(60):
            noisy = x + 0.15 * normal(*x.shape, seed=step + 1)
            moving, _ = moving.updated(noisy, momentum=momentum)
        moving, _ = moving.updated(x, momentum=momentum)
        left[momentum] = float(moving.reference.rows.norm())
        drift[momentum] = change(moving.reference.rows, make(x).reference.rows)
    assert left[0.9] == pytest.approx(left[0.0], rel=0.01)
    assert drift[0.9] < 0.5 * drift[0.0]


def test_momentum_aims_at_an_average() -> None:
    x = blobs(TRIANGLE)
    first = make(x)
    noisy = x + 0.2 * normal(*x.shape, seed=1)
    newest, _ = first.updated(noisy)
    averaged, _ = first.updated(noisy, momentum=0.75)
    mean = 0.75 * first.rows + 0.25 * newest.rows
    # What is averaged gets shorter; it is given the newer rows' second moments.
    moments, expected = averaged.rows.T @ averaged.rows, newest.rows.T @ newest.rows
    torch.testing.assert_close(moments, expected, rtol=1e-4, atol=1e-2)
    assert (mean.norm() < averaged.rows.norm()).all()
    assert change(averaged.rows, mean) < change(newest.rows, mean)
    # Batches are aligned to the newest rows, which fit the present features.
    assert torch.equal(averaged.reference.rows, newest.reference.rows)


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


def test_a_lost_direction_is_told_and_replaced() -> None:
    apart, together = merged_and_parted()
    embedding = ExactEmbedding(4, 10, laplacian="rw")
    first = make(apart, embedding)
    with pytest.warns(RuntimeWarning, match="a direction of the reference space is"):
        moved, movement = first.updated(together)
    assert movement.num_lost == 1
    assert movement.cosines[-1] < 0.1 < 0.9 < movement.cosines[1]
    # The basis is complete, and of the present eigenvectors.
    exact = embedding(together[moved.nodes]).vectors
    assert grassmann_distance(moved.rows, exact) < 1e-3
    assert torch.linalg.matrix_rank(moved.rows) == 4
    # From there on it is followed as ever.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, movement = moved.updated(rotated(together, 0.3))
    assert change(again.rows, moved.rows) < 1e-3
    assert movement.num_lost == 0


def test_least_squares_does_not_flatten_the_reference() -> None:
    apart, together = merged_and_parted()
    embedding = ExactEmbedding(4, 10, laplacian="rw")
    with pytest.warns(RuntimeWarning, match="a direction"):
        moved, movement = make(apart, embedding).updated(together, LeastSquares())
    assert movement.alignment.method == "moments"
    assert float(movement.alignment.condition_number) < 10
    assert torch.linalg.svdvals(moved.rows)[-1] > 0.5 * 200**0.5


def test_anchors_that_miss_a_new_cluster_are_chosen_anew() -> None:
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    x = blobs(corners)
    joined = x.clone()
    joined[2::3] += corners[1] - corners[2]
    # No anchor is among those that will part.
    candidates = torch.arange(240)[torch.arange(240) % 3 < 2]
    first = make(joined, anchor_index=candidates[:40])
    with pytest.warns(RuntimeWarning) as record:
        moved, movement = first.updated(x)
    assert any("anchors did not spread" in str(one.message) for one in record)
    assert movement.reanchored
    assert (moved.nodes[:40] % 3 == 2).any()
    # The nodes are the same, in another order, each with its own row.
    assert torch.equal(moved.nodes.sort().values, first.nodes.sort().values)
    exact = RANDOM_WALK(x[moved.nodes]).vectors
    assert grassmann_distance(moved.rows, exact) < 1e-3
    torch.testing.assert_close(moved.reference.anchors, x[moved.nodes[:40]])
    # Batches have targets in every direction again.
    batch = moved.reference.targets(blobs(corners, 90))
    assert int(batch.rank) == 2
    assert torch.linalg.svdvals(batch.y - batch.y.mean(dim=0))[1] > 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, movement = moved.updated(x)
    assert not movement.reanchored
    assert change(again.rows, moved.rows) < 1e-3


@pytest.mark.parametrize("batch_size", [None, 80])
def test_a_group_without_an_anchor_gets_one(batch_size: int | None) -> None:
    x = blobs(TRIANGLE)
    group = torch.arange(200, 208)
    x[group] = 50 + 0.1 * normal(8, 2)
    embedding = ExactEmbedding(3, 6, laplacian="rw", drop_trivial=True)
    moving = make(
        x,
        embedding,
        anchor_index=torch.arange(40),
        reference_size=240,
        batch_size=batch_size,
    )
    anchors = moving.nodes[:40]
    assert int(torch.isin(anchors, group).sum()) == 1
    assert int(torch.isin(anchors, torch.arange(40)).sum()) == 39
    assert torch.equal(moving.nodes.sort().values, torch.arange(240))
    torch.testing.assert_close(moving.reference.anchors, x[anchors])
    torch.testing.assert_close(moving.reference.rows, moving.rows[:40])
    start = moving.reference.start
    assert start is not None
    if batch_size is None:
        torch.testing.assert_close(start.rows[:, 1:4], moving.rows[:40])
    exact = embedding(x[moving.nodes]).vectors
    assert grassmann_distance(moving.rows, exact) < 1e-3
    # The batches' targets tell the group from all others, which they could not.
    batch = moving.reference.targets(x[moving.nodes[40:]])
    assert int(batch.rank) == 3
    assert grassmann_distance(batch.y, exact) < 0.05


def test_anchors_chosen_anew_are_exchanged_where_they_miss_a_group() -> None:
    x = blobs(TRIANGLE)
    embedding = ExactEmbedding(3, 3, laplacian="rw", drop_trivial=True)
    first = MovingReference.from_sample(x, 5, embedding, reference_size=240)
    parted = x.clone()
    group = first.nodes[-5:]
    parted[group] = 50 + 0.1 * normal(5, 2)
    chosen = choose_anchors(parted[first.nodes], 5)
    assert not torch.isin(first.nodes[chosen], group).any()
    with pytest.warns(RuntimeWarning, match="anchors did not spread"):
        moved, movement = first.updated(parted)
    assert movement.reanchored
    assert torch.isin(moved.nodes[:5], group).any()
    torch.testing.assert_close(moved.reference.anchors, parted[moved.nodes[:5]])


@pytest.mark.parametrize("x", [torch.ones(240, 2), torch.arange(240).repeat(2, 1).T])
def test_features_that_collapse_leave_a_finite_reference(x: Tensor) -> None:
    first = make(blobs(TRIANGLE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moved, _ = first.updated(x.float())
        again, _ = moved.updated(blobs(TRIANGLE))
    for moving in (moved, again):
        assert torch.isfinite(moving.rows).all()
        assert torch.linalg.matrix_rank(moving.rows) == 3


def test_oversamples_and_a_smaller_set_for_the_start() -> None:
    x = blobs(TRIANGLE)
    moving = make(x, batch_size=80, num_oversamples=2)
    start = moving.reference.start
    assert start is not None and moving.reference.num_oversamples == 2
    nodes = moving.nodes
    of_a_batch = AnchorReference.from_sample(
        x[nodes[:40]], x[nodes[40:80]], RANDOM_WALK.widened(2)
    )
    assert of_a_batch.start is not None
    assert start.window == of_a_batch.start.window
    assert torch.equal(start.rows, of_a_batch.start.rows)
    assert moving.rows.shape == (200, 3)
    moved, _ = moving.updated(rotated(x, 0.5))
    assert change(moved.rows, moving.rows) < 1e-3
    assert moved.reference.targets(x[:50]).y.shape == (90, 3)


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (torch.zeros(239, 2), {}, r"made of 240 nodes with 2 features.*same order"),
        (torch.zeros(240, 3), {}, r"x has shape \(240, 3\)"),
        (torch.full((240, 2), torch.nan), {}, "finite"),
        (blobs(TRIANGLE), {"momentum": 1.0}, "momentum=1.0"),
        (blobs(TRIANGLE), {"momentum": -0.1}, "momentum=-0.1"),
    ],
)
def test_bad_input_to_an_update(x: Tensor, settings: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(blobs(TRIANGLE)).updated(x, **settings)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"anchor_index": torch.arange(39)}, "anchor_index must hold num_anchors=40"),
        ({"anchor_index": torch.arange(201, 241)}, "from 0 to 239"),
        ({"reference_size": 40}, "num_anchors=40 leaves no other node in a set of 40"),
        ({"batch_size": 40}, "num_anchors=40 leaves no other node in a set of 40"),
        ({"num_oversamples": 38}, "use at least 41"),
    ],
)
def test_bad_samples(settings: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(blobs(TRIANGLE), **settings)


def test_repr() -> None:
    assert repr(make(blobs(TRIANGLE))) == (
        "MovingReference(num_nodes=200, num_anchors=40, num_eigenvectors=3)"
    )
