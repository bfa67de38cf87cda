import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis.graph import Landmarks
from pyg_basis.graph import _nearest_by_threshold as module
from pyg_basis.graph._nearest_by_threshold import nearest_by_threshold


def random_points(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def brute_force(points: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Each node and its neighbours by (distance, index), in order of the index."""
    found = np.empty((len(points), k + 1), np.int64)
    for i, point in enumerate(points):
        square = ((point - points) ** 2).sum(axis=1)
        square[i] = -1
        found[i] = np.sort(np.lexsort((np.arange(len(points)), square))[: k + 1])
    return found


def check(x: Tensor, num_landmarks: int, k: int) -> NDArray[np.bool_]:
    """Compares all rows that are said to hold; which they are."""
    landmarks = Landmarks(x[:num_landmarks])
    points = landmarks.joined(x[num_landmarks:])
    columns, squares, certain = nearest_by_threshold(points, k, landmarks)
    assert columns.shape == squares.shape == (len(x), k + 1)
    assert columns.dtype == np.int32
    order = np.argsort(columns, axis=1)
    columns = np.take_along_axis(columns, order, axis=1)
    squares = np.take_along_axis(squares, order, axis=1)
    assert np.array_equal(columns[certain], brute_force(points, k)[certain])
    expected = ((points[columns] - points[:, None]) ** 2).sum(axis=2)
    bound = 1e-7 * expected.max(axis=1, keepdims=True) + 0 * expected
    assert (np.abs(squares - expected) <= bound)[certain].all()
    own = columns == np.arange(len(x))[:, None]
    assert (own.sum(axis=1) == 1)[certain].all()
    assert not squares[own & certain[:, None]].any()
    return certain


@pytest.fixture(params=["whole rows", "sample"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to a threshold, and blocks that end amid the landmarks."""
    if request.param == "sample":
        monkeypatch.setattr(module, "_WHOLE_ROWS", 0)
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 7 * 300)
    return str(request.param)


@pytest.mark.parametrize("num_landmarks", [1, 2, 7, 100, 299, 300])
@pytest.mark.parametrize(("d", "k"), [(1, 5), (3, 20), (16, 50), (40, 299)])
def test_random_points_are_certain(
    way: str, d: int, k: int, num_landmarks: int
) -> None:
    certain = check(random_points(300, d), num_landmarks, k)
    # A sample misjudges a row now and then, and neighbours by chance: no more.
    assert certain.mean() > (0.99 if way == "whole rows" else 0.9)


def test_the_sample_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []

    def partition(values, k, axis):
        widths.append(values.shape[1])
        return np.sort(values, axis=axis)

    x = random_points(800, 3)
    monkeypatch.setattr(module.np, "partition", partition)
    landmarks = Landmarks(x[:60])
    nearest_by_threshold(landmarks.joined(x[60:]), 10, landmarks)
    assert set(widths[::2]) == {100}  # an eighth of the nodes
    assert max(widths) < 400
    widths.clear()
    monkeypatch.setattr(module, "_WHOLE_ROWS", 800)
    nearest_by_threshold(landmarks.joined(x[60:]), 10, landmarks)
    assert set(widths) == {800}


def test_landmarks_that_tell_nothing_of_the_others(way: str) -> None:
    x = random_points(300, 3)
    x[:50] += 20
    certain = check(x, 50, 10)
    if way == "whole rows":
        assert certain.all()
    # All landmarks in one place: every distance to them is as good as the same.
    x[:50] = 20.0
    assert not check(x, 50, 10)[:50].any()


def test_ties_for_the_last_place_are_left_open(way: str) -> None:
    # On a line of integers the two neighbours at either side tie for one place.
    x = torch.arange(300.0).unsqueeze(1)
    assert not check(x, 20, 1)[1:-1].any()
    if way == "whole rows":
        certain = check(x, 20, 2)
        assert certain[1:-1].all()


def test_roundoff_is_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ties of which roundoff makes neighbours, where the order values are near 0.
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n, d, k = rng.integers([10, 4, 1], [40, 6, 8])
        x = torch.from_numpy(rng.integers(-3, 4, (n, d)).astype(np.float32))
        num_landmarks = int(rng.integers(2, 8))
        check(x, num_landmarks, int(k))
        with monkeypatch.context() as patch:
            patch.setattr(module, "_WHOLE_ROWS", 0)
            check(x, num_landmarks, int(k))


def test_duplicates_are_at_no_distance() -> None:
    # Nine copies and one further neighbour: no tie, and no distance but its.
    base = random_points(12, 3)
    x = torch.cat([base.repeat_interleave(10, 0), base + 0.1 * random_points(12, 3, 1)])
    landmarks = Landmarks(x[:30])
    points = landmarks.joined(x[30:])
    _, squares, certain = nearest_by_threshold(points, 10, landmarks)
    assert certain[:120].all()
    assert ((squares[:120] == 0).sum(axis=1) == 10).all()


@pytest.mark.parametrize("offset", [1e2, 1e3, 1e5, 1e8])
def test_near_points_far_from_the_landmarks(way: str, offset: float) -> None:
    # The fewer digits the matrix product keeps, the more rows are left open; where
    # they still tell the order, distances are taken again by differences.
    x = torch.cat([random_points(100, 3), offset + random_points(200, 3, 1)])
    certain = check(x, 100, 5)
    assert certain[:100].mean() > 0.9
    assert certain[100:].mean() > 0.9 or offset > 1e2


@given(
    points=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2), min_size=3, max_size=40
    ),
    data=st.data(),
)
def test_certain_rows_hold_for_any_points(points, data) -> None:
    x = torch.tensor(points)
    num_landmarks = data.draw(st.integers(1, len(x)))
    k = data.draw(st.integers(1, len(x) - 1))
    certain = check(x, num_landmarks, k)
    if k == len(x) - 1:
        assert certain.all()


def test_overflow_of_single_precision_is_no_warning() -> None:
    x = torch.cat([random_points(60, 3), torch.full((1, 3), 1e25)])
    assert check(x, 20, 5)[:-1].all()


def test_buffers_are_not_shared_with_the_result() -> None:
    x, other = random_points(100, 3), random_points(100, 3, 1)
    landmarks = Landmarks(x[:20])
    first = nearest_by_threshold(landmarks.joined(x[20:]), 5, landmarks)
    kept = [array.copy() for array in first]
    nearest_by_threshold(landmarks.joined(other), 5, landmarks)
    for array, copy in zip(first, kept, strict=True):
        assert np.array_equal(array, copy)


@pytest.mark.parametrize(
    ("beyond", "alone"), [(0.0, False), (1e-14, False), (1e-9, True)]
)
def test_what_lies_within_roundoff_of_the_last_candidate_counts(
    monkeypatch: pytest.MonkeyPatch, beyond: float, alone: bool
) -> None:
    # The farthest of the sample is the 20th neighbour, as it happens, so that the
    # limit of the candidates is no farther than where the neighbours end.
    monkeypatch.setattr(module, "_WHOLE_ROWS", 0)
    limit = float(np.nextafter(np.float32(0.5), np.float32(1)))
    values = np.full((1, 100), 0.9)
    values[0, :10] = np.linspace(0.1, 0.5, 10)
    values[0, 10:21] = 0.2
    flat, slack, told = module._candidates(values, np.ones(1), 3, 20, 10)
    assert len(flat) == 21
    assert 1e-14 < slack[0] < 1e-9
    assert not told.any()
    # In whole rows nothing is cut off, and what is that near is a candidate.
    monkeypatch.setattr(module, "_WHOLE_ROWS", 100)
    values[0, 50] = limit + beyond
    flat, _, told = module._candidates(values, np.ones(1), 3, 20, 10)
    assert told.all()
    assert len(flat) == (21 if alone else 22)
