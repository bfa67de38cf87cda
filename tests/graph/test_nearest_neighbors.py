import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.graph import Landmarks, knn_graph
from pyg_basis.graph import _nearest_by_threshold as threshold
from pyg_basis.graph import _nearest_neighbors as module
from pyg_basis.graph._nearest_neighbors import nearest_neighbors

# The constants that choose a way, so that each is taken by few points.
WAYS = {
    "whole rows": {(module, "_LEAST_NODES_TREE"): 10**9},
    "sample": {(module, "_LEAST_NODES_TREE"): 10**9, (threshold, "_WHOLE_ROWS"): 0},
    "tree": {
        (module, "_LEAST_NODES_TREE"): 0,
        (module, "_MOST_DIMENSIONS_TREE"): 100,
    },
}


def set_way(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for (target, name), value in WAYS[way].items():
        monkeypatch.setattr(target, name, value)


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    set_way(monkeypatch, request.param)
    return str(request.param)


def random_points(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def assert_same_as_knn_graph(x: Tensor, num_landmarks: int, k: int) -> None:
    landmarks = Landmarks(x[:num_landmarks])
    points = landmarks.joined(x[num_landmarks:])
    columns, squares = nearest_neighbors(points, k, landmarks)
    graph = knn_graph(x.double(), k)
    own = torch.arange(len(x)).unsqueeze(1)
    expected = torch.cat([own, graph.edge_index[0].view(-1, k)], dim=1)
    order = np.argsort(columns, axis=1)
    columns = np.take_along_axis(columns, order, axis=1)
    assert np.array_equal(columns, expected.sort(dim=1).values.numpy())
    distance = np.sqrt(np.take_along_axis(squares, order, axis=1)) * landmarks.scale
    length = graph.edge_distance.view(-1, k)
    length = torch.cat([torch.zeros(len(x), 1), length], dim=1)
    length = length.gather(1, expected.sort(dim=1).indices).numpy()
    largest = length.max(axis=1, keepdims=True)
    # What the distances of few digits may be out by, beside the largest.
    assert (np.abs(distance**2 - length**2) <= 1e-7 * largest**2).all()


@pytest.mark.parametrize("num_landmarks", [1, 60, 199, 200])
@pytest.mark.parametrize(("d", "k"), [(1, 3), (3, 20), (10, 50), (2, 199)])
def test_random_points(way: str, d: int, k: int, num_landmarks: int) -> None:
    assert_same_as_knn_graph(random_points(200, d), num_landmarks, k)


@pytest.mark.parametrize(
    "x",
    [
        random_points(40, 3).repeat(4, 1),
        random_points(6, 3).repeat(25, 1),
        torch.cat([random_points(80, 3), torch.ones(80, 3)]),
        torch.cartesian_prod(*[torch.arange(6.0)] * 3),
        torch.cartesian_prod(*[torch.arange(13.0)] * 2) + 1e6,
        torch.ones(100, 2),
        torch.zeros(100, 2),
        1e4 + 1e-2 * random_points(150, 3),
        torch.cat([random_points(150, 3), torch.full((1, 3), 1e7)]),
        torch.cat([torch.full((1, 3), 1e7), random_points(150, 3)]),
        1e-20 * random_points(150, 3),
        1e20 * random_points(150, 3),
    ],
    ids=[
        "fewer copies",
        "more copies",
        "half constant",
        "grid",
        "far grid",
        "ones",
        "zeros",
        "far cluster",
        "outlier",
        "outlying landmark",
        "small",
        "large",
    ],
)
@pytest.mark.parametrize("k", [1, 4, 12])
def test_unusual_points(way: str, x: Tensor, k: int) -> None:
    assert_same_as_knn_graph(x, 30, k)


@pytest.mark.parametrize("name", list(WAYS))
@given(
    points=st.integers(1, 3).flatmap(
        lambda d: st.lists(
            st.lists(st.integers(-3, 3), min_size=d, max_size=d),
            min_size=2,
            max_size=40,
        )
    ),
    data=st.data(),
)
def test_grid_points_full_of_ties(name: str, points, data) -> None:
    x = torch.tensor(points, dtype=torch.float32)
    k = data.draw(st.integers(1, len(x) - 1))
    num_landmarks = data.draw(st.integers(1, len(x)))
    with pytest.MonkeyPatch.context() as patch:
        set_way(patch, name)
        assert_same_as_knn_graph(x, num_landmarks, k)


def test_which_search_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    for name in ("nearest_by_tree", "nearest_by_threshold"):
        search = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, n=name, f=search: (used.append(n), f(*a))[1]
        )
    monkeypatch.setattr(module, "_LEAST_NODES_TREE", 100)
    for n, d in ((100, 4), (99, 4), (100, 5)):
        assert_same_as_knn_graph(random_points(n, d), 20, 5)
    assert used == ["nearest_by_tree", "nearest_by_threshold", "nearest_by_threshold"]


@pytest.mark.parametrize(("n", "d"), [(701, 5), (2050, 3)])
def test_sizes_beyond_the_thresholds(n: int, d: int) -> None:
    assert_same_as_knn_graph(random_points(n, d), 100, 20)
