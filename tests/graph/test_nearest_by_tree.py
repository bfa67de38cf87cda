import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyg_basis.graph._nearest_by_tree import nearest_by_tree


def random_points(n: int, d: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, d))


def check(points: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
    """Compares all rows that are said to hold; which they are."""
    columns, squares, certain = nearest_by_tree(points, k)
    assert columns.shape == squares.shape == (len(points), k + 1)
    for i in np.flatnonzero(certain):
        square = ((points[i] - points) ** 2).sum(axis=1)
        assert sorted(squares[i]) == pytest.approx(sorted(square[columns[i]]))
        square[i] = -1
        expected = np.lexsort((np.arange(len(points)), square))[: k + 1]
        assert set(columns[i]) == set(expected)
        assert i in columns[i]
    return certain


@pytest.mark.parametrize(("d", "k"), [(1, 5), (2, 20), (4, 50), (3, 149)])
def test_random_points(d: int, k: int) -> None:
    assert check(random_points(150, d), k).all()


def test_ties_within_reach_go_to_the_lower_index() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * 2), axis=-1).reshape(-1, 2)
    # k = 2: two of up to four at distance 1.
    assert check(grid, 2).all()


def test_each_node_is_its_own_first_neighbour() -> None:
    # Four copies of each node, and room for two of them.
    assert check(np.repeat(random_points(30, 2), 4, axis=0), 2).all()


def test_more_ties_than_are_looked_at_are_left_open() -> None:
    points = np.concatenate([np.zeros((30, 2)), random_points(30, 2)])
    certain = check(points, 5)
    assert not certain[:30].any()
    assert certain[30:].any()
    # Every node there is has been looked at.
    assert check(np.zeros((10, 2)), 5).all()


@given(
    points=st.lists(st.tuples(*[st.integers(-2, 2)] * 2), min_size=2, max_size=60),
    data=st.data(),
)
def test_grid_points_full_of_ties(points, data) -> None:
    k = data.draw(st.integers(1, len(points) - 1))
    check(np.array(points, dtype=np.float64), k)


def test_as_a_whole_from_torch() -> None:
    points = torch.from_numpy(random_points(100, 3))
    columns, squares, certain = nearest_by_tree(points.numpy(), 9)
    assert certain.all()
    nearest = torch.cdist(points, points).topk(10, largest=False)
    assert np.array_equal(np.sort(columns), nearest.indices.sort().values.numpy())
    np.testing.assert_allclose(
        np.sort(squares), nearest.values.square().numpy(), atol=1e-12
    )
