from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.graph import (
    Landmarks,
    Laplacian,
    affinity,
    knn_graph,
    laplacian,
    neighbor_laplacian,
)
from pyg_basis.graph import _nearest_by_threshold as threshold
from pyg_basis.graph import _nearest_neighbors as nearest

KINDS = ["sym", "comb"]
BANDWIDTHS = ["self_tuning", "global", 0.7]
# Weights below are raised to it, so that no edge is lost: see affinity.
TINY = torch.finfo(torch.float32).tiny


@pytest.fixture(params=["whole rows", "sample", "tree"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each search for neighbours, by few points."""
    if request.param == "sample":
        monkeypatch.setattr(threshold, "_WHOLE_ROWS", 0)
    if request.param == "tree":
        monkeypatch.setattr(nearest, "_LEAST_NODES_TREE", 0)
        monkeypatch.setattr(nearest, "_MOST_DIMENSIONS_TREE", 100)
    return str(request.param)


def random_points(n: int, d: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def of_all(x: Tensor, k: int, bandwidth: Any, kind: Any) -> Laplacian:
    """What it stands for, in double precision."""
    return laplacian(affinity(knn_graph(x.double(), k), bandwidth), kind)


def assert_same(
    x: Tensor,
    k: int,
    bandwidth: Any,
    kind: Any,
    num_landmarks: int = 30,
    rtol: float = 1e-12,
    atol: float = 50 * TINY,
) -> Laplacian:
    landmarks = Landmarks(x[:num_landmarks])
    found = neighbor_laplacian(landmarks, x[num_landmarks:], k, bandwidth, kind)
    expected = of_all(x, k, bandwidth, kind)
    assert found.kind == kind
    # The same edges, in order, and the whole diagonal.
    for name in ("crow_indices", "col_indices"):
        one, other = (getattr(o.matrix, name)() for o in (found, expected))
        assert torch.equal(one.long(), other.long()), name
    values, degree = found.matrix.values(), found.degree
    assert values.dtype == degree.dtype == torch.float64
    torch.testing.assert_close(values, expected.matrix.values(), rtol=rtol, atol=atol)
    torch.testing.assert_close(degree, expected.degree, rtol=rtol, atol=50 * TINY)
    dense = found.matrix.to_dense()
    assert torch.equal(dense, dense.t())
    return found


def test_line_by_hand() -> None:
    # 0 - 1 - 3 - 7, one neighbour each: edges (0, 1), (1, 3), (3, 7) with sigma 1.
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    found = neighbor_laplacian(Landmarks(x[:2]), x[2:], 1, 2.0, "comb")
    a, b, c = (torch.exp(torch.tensor(-(d**2) / 8).double()) for d in (1.0, 2.0, 4.0))
    zero = torch.zeros(()).double()
    expected = torch.stack(
        [
            torch.stack([a, -a, zero, zero]),
            torch.stack([-a, a + b, -b, zero]),
            torch.stack([zero, -b, b + c, -c]),
            torch.stack([zero, zero, -c, c]),
        ]
    )
    torch.testing.assert_close(found.matrix.to_dense(), expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(found.degree, expected.diagonal(), rtol=1e-14, atol=0)


@pytest.mark.parametrize("num_landmarks", [1, 40, 149, 150])
@pytest.mark.parametrize(("d", "k"), [(3, 10), (12, 30), (2, 149)])
@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_random_points(
    way: str, kind: str, bandwidth: Any, d: int, k: int, num_landmarks: int
) -> None:
    assert_same(random_points(150, d), k, bandwidth, kind, num_landmarks)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
def test_nearest_pairs_on_a_line(way: str, bandwidth: Any) -> None:
    # Distances down to 1e-5 keep fewer digits, in any order of the operations.
    assert_same(random_points(150, 1), 1, bandwidth, "comb", rtol=1e-8)


def two_clusters(offset: float) -> Tensor:
    return torch.cat([random_points(60), offset + random_points(60, seed=1)])


SETS = {
    "far from the origin": 1e6 + random_points(120),
    "two clusters": two_clusters(1e6),
    "fewer copies than neighbours": random_points(30).repeat(4, 1),
    "more copies than neighbours": random_points(6).repeat(20, 1),
    "half constant": torch.cat([random_points(60), torch.ones(60, 3).double()]),
    "grid": torch.cartesian_prod(*[torch.arange(5.0).double()] * 3),
    "far grid": torch.cartesian_prod(*[torch.arange(5.0).double()] * 3) + 1e6,
    "constant": torch.ones(120, 3).double(),
    "zeros": torch.zeros(120, 3).double(),
    "small": 1e-20 * random_points(120),
    "large": 1e20 * random_points(120),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(SETS))
def test_unusual_points(
    way: str, name: str, kind: str, bandwidth: Any, dtype: torch.dtype
) -> None:
    assert_same(SETS[name].to(dtype), 10, bandwidth, kind)


@pytest.mark.parametrize("offset", [1e2, 1e3, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_in_clusters_far_apart(
    way: str, kind: str, bandwidth: Any, offset: float
) -> None:
    # Their middle is far from all of them. Distances that lose more digits than this
    # are taken again by differences.
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    assert_same(two_clusters(offset)[order], 10, bandwidth, kind, rtol=1e-8)


@pytest.mark.parametrize("far", [1e6, 1e12, 1e25])
@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_outlier(way: str, kind: str, bandwidth: Any, far: float) -> None:
    x = torch.cat([random_points(119), torch.full((1, 3), far).double()])
    # Normalised, its weights are smaller than any that matters, but not as small.
    atol = 1e-15 if kind == "sym" else 50 * TINY
    assert_same(x, 10, bandwidth, kind, atol=atol)
    found = neighbor_laplacian(Landmarks(x.flip(0)[:30]), x.flip(0)[30:], 10)
    assert bool(found.matrix.values().isfinite().all())


def test_median_of_duplicates_and_one_neighbour_more() -> None:
    # Most distances are 0: of the others the median is the bandwidth.
    base = random_points(12)
    near = base + 0.1 * random_points(12, seed=1)
    x = torch.cat([base.repeat_interleave(10, 0), near])
    found = assert_same(x, 10, "global", "comb", rtol=1e-8)
    assert found.degree.min() > 0.5


@pytest.mark.parametrize(
    ("magnitude", "bandwidth"),
    [(1.0, 1e-200), (1.0, 1e200), (1e-200, 0.7), (1e200, 0.7)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_bandwidth_far_from_the_distances(
    kind: str, magnitude: float, bandwidth: float
) -> None:
    # All weights are 1, or the smallest, and no number leaves its range on the way.
    x = magnitude * random_points(100)
    x[50:60] = x[40:50]
    atol = 1e-15 if kind == "sym" else 50 * TINY
    assert_same(x, 10, bandwidth, kind, atol=atol)


def test_weights_that_vanish_in_single_precision() -> None:
    # All are raised to its smallest number, in double precision as well.
    assert_same(random_points(100), 10, 1e-2, "comb")
    found = neighbor_laplacian(
        Landmarks(random_points(30)), 3 + random_points(30), 5, 1e-3
    )
    assert found.degree.min() >= 4.9 * TINY


@given(
    points=st.lists(st.tuples(*[st.integers(-2, 2)] * 2), min_size=2, max_size=30),
    bandwidth=st.sampled_from(BANDWIDTHS),
    kind=st.sampled_from(KINDS),
    data=st.data(),
)
def test_any_grid_points(points, bandwidth, kind, data) -> None:
    x = torch.tensor(points, dtype=torch.float32)
    k = data.draw(st.integers(1, len(x) - 1))
    num_landmarks = data.draw(st.integers(1, len(x)))
    assert_same(x, k, bandwidth, kind, num_landmarks)


@given(
    points=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2), min_size=2, max_size=30
    ),
    bandwidth=st.sampled_from(["self_tuning", "global", 1e-3, 1e3]),
    kind=st.sampled_from(KINDS),
    data=st.data(),
)
def test_is_a_laplacian_for_any_points(points, bandwidth, kind, data) -> None:
    x = torch.tensor(points)
    k = data.draw(st.integers(1, len(x) - 1))
    num_landmarks = data.draw(st.integers(1, len(x)))
    landmarks = Landmarks(x[:num_landmarks])
    found = neighbor_laplacian(landmarks, x[num_landmarks:], k, bandwidth, kind)
    dense, degree = found.matrix.to_dense(), found.degree
    assert torch.equal(dense, dense.t())
    assert bool(dense.isfinite().all())
    assert bool((degree > 0).all())
    assert bool((((dense != 0).sum(dim=1) - 1) >= k).all())
    null = degree.sqrt() if kind == "sym" else torch.ones_like(degree)
    assert (dense @ null).abs().max() <= 1e-12 * max(null.max(), degree.max())
    assert torch.linalg.eigvalsh(dense)[0] >= -1e-12 * dense.abs().max()


def test_sizes_beyond_the_thresholds() -> None:
    for n, d in ((701, 6), (2050, 3)):
        assert_same(random_points(n, d), 15, "self_tuning", "sym", 100)


def test_landmarks_serve_many_sets() -> None:
    x = random_points(40)
    landmarks = Landmarks(x)
    for seed in range(1, 4):
        new = random_points(50, seed=seed)
        found = neighbor_laplacian(landmarks, new, 8)
        expected = of_all(torch.cat([x, new]), 8, "self_tuning", "sym")
        torch.testing.assert_close(
            found.matrix.to_dense(), expected.matrix.to_dense(), rtol=1e-12, atol=1e-15
        )


@pytest.mark.usefixtures("untouched_global_generators")
def test_features_are_left_as_they_were() -> None:
    x = random_points(60).requires_grad_()
    before = x.detach().clone()
    found = neighbor_laplacian(Landmarks(x[:20]), x[20:], 5)
    assert torch.equal(x.detach(), before)
    assert not found.matrix.requires_grad


@pytest.mark.parametrize(
    ("x", "k", "settings", "match"),
    [
        (random_points(20).fill_(torch.nan), 5, {}, "x must be finite.*20 rows"),
        (random_points(20).fill_(torch.inf), 5, {}, "x must be finite"),
        (random_points(20), 30, {}, "k=30 needs.*20 rows beside 10 others.*k <= 29"),
        (random_points(20), 0, {}, "k must be at least 1"),
        (random_points(20), 5.0, {}, "k must be an integer"),
        (random_points(20).long(), 5, {}, "x must be floating point"),
        (random_points(20)[:, 0], 5, {}, "x must have shape"),
        (random_points(20), 5, {"bandwidth": "wide"}, "bandwidth must be.*'wide'"),
        (random_points(20), 5, {"bandwidth": -1.0}, "bandwidth must be.*-1"),
        (random_points(20), 5, {"bandwidth": torch.nan}, "bandwidth must be"),
        (random_points(20), 5, {"kind": "rw"}, "kind='rw' is unknown: pass 'sym'"),
    ],
)
def test_bad_input(x: Tensor, k: int, settings: dict[str, Any], match: str) -> None:
    landmarks = Landmarks(random_points(10))
    with pytest.raises(ValueError, match=f"(?s){match}"):
        neighbor_laplacian(landmarks, x, k, **settings)


def test_most_neighbours_of_landmarks_and_others() -> None:
    assert_same(random_points(30), 29, "self_tuning", "sym", 10)
