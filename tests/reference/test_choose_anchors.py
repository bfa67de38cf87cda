from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.graph import knn_graph
from pyg_basis.reference import choose_anchors

METHODS = ["random", "poisson_disk", "per_class"]


def points(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    return x, torch.randint(0, 3, (n,), generator=generator)


@given(
    st.sampled_from(METHODS),
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.integers(0, 2**32),
    st.integers(1, 30),
)
def test_anchors_are_distinct_nodes(method, sizes, seed, num_different) -> None:
    n, num_anchors = sizes
    x, y = points(n, seed)
    x = x[torch.arange(n) % num_different]  # with duplicates
    chosen = choose_anchors(x, num_anchors, method, y, seed)
    assert chosen.dtype == torch.int64
    assert chosen.shape == (num_anchors,)
    assert len(chosen.unique()) == num_anchors
    assert chosen.min() >= 0 and chosen.max() < n


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("method", METHODS)
def test_seed(method) -> None:
    x, y = points(200)
    one = choose_anchors(x, 20, method, y, seed=3)
    assert torch.equal(one, choose_anchors(x, 20, method, y, seed=3))
    assert not torch.equal(one, choose_anchors(x, 20, method, y, seed=4))


def test_small_integers_of_numpy_do_not_wrap() -> None:
    x, _ = points(400)
    assert torch.equal(choose_anchors(x, np.uint8(30)), choose_anchors(x, 30))


def test_random_is_uniform() -> None:
    x, _ = points(10)
    counts = torch.zeros(10)
    for seed in range(500):
        counts[choose_anchors(x, 3, "random", seed=seed)] += 1
    # 150 expected, with a standard deviation of 10.
    assert counts.min() > 100
    assert counts.max() < 200


@pytest.mark.parametrize("seed", range(3))
def test_poisson_disk_leaves_room_around_each_anchor(seed) -> None:
    x, _ = points(400, seed)

    def num_close(chosen: Tensor) -> int:
        """Anchors among the three nearest neighbors of others."""
        nearest = knn_graph(x, 3).edge_index[0].view(-1, 3)[chosen]
        return int(torch.isin(nearest, chosen).sum())

    assert num_close(choose_anchors(x, 40, seed=seed)) == 0  # it is the default
    assert num_close(choose_anchors(x, 40, "random", seed=seed)) > 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16])
def test_distances_do_not_wrap_or_overflow(dtype) -> None:
    x = (100 * points(60)[0].abs()).to(dtype)
    assert torch.equal(choose_anchors(x, 9), choose_anchors(x.double(), 9))


def test_poisson_disks_of_a_large_set_need_little_memory() -> None:
    # The neighbors in disks of all nodes would be 10^10 and more.
    x = torch.arange(200_000.0).unsqueeze(1)
    seen = torch.stack([choose_anchors(x, 3, seed=seed) for seed in range(20)])
    # They come from everywhere, and lie apart.
    assert seen.min() < 40_000
    assert seen.max() > 160_000
    assert seen.sort(dim=1).values.diff(dim=1).min() > 10_000


@pytest.mark.parametrize(
    ("num_anchors", "counts"),
    [
        (3, {-1: 1, 3: 1, 7: 1}),
        (6, {-1: 2, 3: 2, 7: 2}),
        (12, {-1: 5, 3: 2, 7: 5}),  # class 3 has run out
        (30, {-1: 8, 3: 2, 7: 20}),
        (100, {-1: 8, 3: 2, 7: 90}),
    ],
)
def test_per_class_is_balanced(num_anchors, counts) -> None:
    y = torch.tensor([7] * 90 + [-1] * 8 + [3] * 2)
    chosen = choose_anchors(torch.zeros(100, 1), num_anchors, "per_class", y)
    assert Counter(y[chosen].tolist()) == counts


def test_per_class_does_not_favor_a_class_with_what_is_left_over() -> None:
    y = torch.arange(30) % 3
    x = torch.zeros(30, 1)
    seen = {int(y[choose_anchors(x, 1, "per_class", y, s)][0]) for s in range(30)}
    assert seen == {0, 1, 2}


@pytest.mark.parametrize(
    ("num_anchors", "match"),
    [(0, "num_anchors.*Got 0"), (11, "num_anchors=11 must be at most 10.* fewer")],
)
@pytest.mark.parametrize("method", METHODS)
def test_number_out_of_range(method, num_anchors, match) -> None:
    x, y = points(10)
    with pytest.raises(ValueError, match=match):
        choose_anchors(x, num_anchors, method, y)


@pytest.mark.parametrize("y", [None, torch.zeros(9), torch.zeros(10, 1)])
def test_per_class_without_labels(y) -> None:
    match = r"'per_class' needs one label a node.* y of shape \(10,\), got .*: pass y"
    with pytest.raises(ValueError, match=match):
        choose_anchors(torch.zeros(10, 2), 3, "per_class", y)


def test_unknown_method() -> None:
    match = "'method' .* among .*'per_class'.*Got 'kmeans'"
    with pytest.raises(ValueError, match=match):
        choose_anchors(torch.zeros(10, 2), 3, "kmeans")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_features_without_distances(bad) -> None:
    x, _ = points(10)
    x[4, 1] = bad
    match = (
        "x holds NaN or infinite values.* clean the features, or use method='random'"
    )
    with pytest.raises(ValueError, match=match):
        choose_anchors(x, 3)
