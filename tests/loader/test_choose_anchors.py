from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.graph import knn_graph
from pyg_basis.loader import choose_anchors

METHODS = ["random", "poisson_disk", "kmeans++", "farthest", "per_class"]
# The methods that measure distances.
SPREAD_OUT = ["kmeans++", "farthest"]
WITH_DISTANCES = [*SPREAD_OUT, "poisson_disk"]


def points(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    return x, torch.randint(0, 3, (n,), generator=generator)


@given(
    st.sampled_from(METHODS),
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_anchors_are_distinct_nodes(method, sizes, seed, duplicates) -> None:
    n, num_anchors = sizes
    x, y = points(n, seed)
    if duplicates:
        x = x[torch.arange(n) % 2]
    chosen = choose_anchors(x, num_anchors, method, y, seed)
    assert chosen.dtype == torch.int64
    assert chosen.shape == (num_anchors,)
    assert len(chosen.unique()) == num_anchors
    assert chosen.min() >= 0
    assert chosen.max() < n


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("method", METHODS)
def test_seed(method) -> None:
    x, y = points(200)
    before = x.clone()
    one = choose_anchors(x, 20, method, y, seed=3)
    assert torch.equal(one, choose_anchors(x, 20, method, y, seed=3))
    assert not torch.equal(one, choose_anchors(x, 20, method, y, seed=4))
    assert torch.equal(x, before)


def test_random_is_uniform() -> None:
    x, _ = points(10)
    counts = torch.zeros(10)
    for seed in range(500):
        counts[choose_anchors(x, 3, "random", seed=seed)] += 1
    # 150 expected, with a standard deviation of 10.
    assert counts.min() > 100
    assert counts.max() < 200


@pytest.mark.parametrize("seed", range(5))
def test_farthest_spreads(seed) -> None:
    x, _ = points(300, seed)

    def min_distance(method: str) -> float:
        chosen = choose_anchors(x, 20, method, seed=seed)
        return float(torch.nn.functional.pdist(x[chosen]).min())

    # Gonzalez: the points are at least as far apart as any point is from them.
    chosen = choose_anchors(x, 20, "farthest", seed=seed)
    assert min_distance("farthest") >= torch.cdist(x, x[chosen]).amin(1).max() - 1e-5
    assert min_distance("farthest") > min_distance("kmeans++")
    assert min_distance("farthest") > min_distance("random")


def test_farthest_on_a_line_is_known() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [8.0]])
    expected = {0: [0, 3, 2, 1], 1: [1, 3, 2, 0], 2: [2, 3, 0, 1], 3: [3, 0, 2, 1]}
    seen = set()
    for seed in range(20):
        chosen = choose_anchors(x, 4, "farthest", seed=seed).tolist()
        assert chosen == expected[chosen[0]]
        seen.add(chosen[0])
    assert seen == {0, 1, 2, 3}


def test_kmeans_plus_plus_draws_by_the_squared_distance() -> None:
    # From 0 the others are drawn with 1 : 4, from 1 with 1 : 1, from 2 with 4 : 1.
    x = torch.tensor([[0.0], [1.0], [2.0]])
    pairs = np.zeros((3, 3))
    for seed in range(1500):
        first, second = choose_anchors(x, 2, "kmeans++", seed=seed).tolist()
        pairs[first, second] += 1
    share = pairs / pairs.sum(axis=1, keepdims=True)
    expected = [[0, 0.2, 0.8], [0.5, 0, 0.5], [0.8, 0.2, 0]]
    assert np.abs(share - expected).max() < 0.08
    assert np.abs(pairs.sum(axis=1) / 1500 - 1 / 3).max() < 0.05


@pytest.mark.parametrize("method", SPREAD_OUT)
def test_every_distinct_point_before_a_duplicate(method) -> None:
    x = torch.tensor([[0.0], [5.0], [5.0], [5.0], [9.0]])
    for seed in range(10):
        chosen = choose_anchors(x, 3, method, seed=seed)
        assert x[chosen].unique().tolist() == [0, 5, 9]


@pytest.mark.parametrize("method", WITH_DISTANCES)
def test_duplicates_only(method) -> None:
    chosen = choose_anchors(torch.ones(8, 3), 8, method)
    assert sorted(chosen.tolist()) == list(range(8))


@pytest.mark.parametrize("seed", range(3))
def test_poisson_disk_leaves_room_around_each_anchor(seed) -> None:
    x, _ = points(400, seed)
    chosen = choose_anchors(x, 40, "poisson_disk", seed=seed)

    def num_close(chosen: Tensor) -> int:
        """Anchors among the three nearest neighbours of others."""
        nearest = knn_graph(x, 3).edge_index[0].view(-1, 3)[chosen]
        return int(torch.isin(nearest, chosen).sum())

    assert num_close(chosen) == 0
    assert num_close(choose_anchors(x, 40, "random", seed=seed)) > 0


def test_poisson_disk_is_the_default() -> None:
    x, _ = points(100)
    assert torch.equal(choose_anchors(x, 9), choose_anchors(x, 9, "poisson_disk"))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16])
def test_poisson_disk_takes_other_dtypes(dtype) -> None:
    x = (100 * points(60)[0].abs()).to(dtype)
    expected = choose_anchors(x.double(), 9, "poisson_disk")
    assert torch.equal(choose_anchors(x, 9, "poisson_disk"), expected)


@pytest.mark.parametrize("num_anchors", [1, 3])
def test_poisson_disks_of_a_large_set_need_little_memory(num_anchors) -> None:
    # The neighbours in disks of all nodes would be 10^10 and more.
    x = torch.arange(200_000.0).unsqueeze(1)
    seen = []
    for seed in range(20):
        chosen = choose_anchors(x, num_anchors, "poisson_disk", seed=seed)
        assert len(chosen.unique()) == num_anchors
        seen.append(chosen)
    every = torch.cat(seen)
    # They come from everywhere.
    assert every.min() < 40_000
    assert every.max() > 160_000
    if num_anchors == 3:
        closest = torch.stack(seen).sort(dim=1).values.diff(dim=1).min()
        assert closest > 10_000


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16])
def test_distances_do_not_wrap_or_overflow(dtype) -> None:
    # 200 - 255 is 201 in uint8; 3 * 60000 is infinite in half precision.
    x = torch.tensor([[0], [10], [200], [255]]).to(dtype)
    if dtype == torch.float16:
        x = (x - 128) * 400
    for seed in range(10):
        first, second, *_ = choose_anchors(x, 4, "farthest", seed=seed).tolist()
        assert second == (3 if first < 2 else 0)


def test_per_class_is_balanced() -> None:
    y = torch.tensor([7] * 90 + [-1] * 8 + [3] * 2)
    x = torch.zeros(100, 1)
    for num_anchors, counts in [
        (3, {-1: 1, 3: 1, 7: 1}),
        (6, {-1: 2, 3: 2, 7: 2}),
        (12, {-1: 5, 3: 2, 7: 5}),  # class 3 has run out
        (30, {-1: 8, 3: 2, 7: 20}),
        (100, {-1: 8, 3: 2, 7: 90}),
    ]:
        drawn = y[choose_anchors(x, num_anchors, "per_class", y)].tolist()
        assert Counter(drawn) == counts


@pytest.mark.parametrize("num_anchors", [1, 5, 7, 8, 14])
def test_per_class_numbers_differ_by_one_at_most(num_anchors) -> None:
    y = torch.arange(300) % 5
    drawn = y[choose_anchors(torch.zeros(300, 1), num_anchors, "per_class", y)]
    counts = torch.bincount(drawn, minlength=5)
    assert counts.max() - counts.min() <= 1


def test_per_class_does_not_favour_a_class_with_what_is_left_over() -> None:
    y = torch.arange(30) % 3
    x = torch.zeros(30, 1)
    seen = {int(y[choose_anchors(x, 1, "per_class", y, s)][0]) for s in range(30)}
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("num_anchors", [0, -1, 11])
@pytest.mark.parametrize("method", METHODS)
def test_number_out_of_range(method, num_anchors) -> None:
    x, y = points(10)
    match = f"num_anchors={num_anchors} must be between 1 and the 10 nodes .* fewer"
    with pytest.raises(ValueError, match=match):
        choose_anchors(x, num_anchors, method, y)


@pytest.mark.parametrize("y", [None, torch.zeros(9), torch.zeros(10, 1)])
def test_per_class_without_labels(y) -> None:
    match = (
        r"'per_class' needs one label a node, y of shape \(10,\), got .*: pass y, or"
    )
    with pytest.raises(ValueError, match=match):
        choose_anchors(torch.zeros(10, 2), 3, "per_class", y)


def test_unknown_method() -> None:
    match = "method='kmeans' is unknown: use 'random', .*'per_class'"
    with pytest.raises(ValueError, match=match):
        choose_anchors(torch.zeros(10, 2), 3, "kmeans")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("method", WITH_DISTANCES)
def test_features_without_distances(method, bad) -> None:
    x, _ = points(10)
    x[4, 1] = bad
    match = (
        "x holds NaN or infinite values.* clean the features, or use method='random'"
    )
    with pytest.raises(ValueError, match=match):
        choose_anchors(x, 3, method)
