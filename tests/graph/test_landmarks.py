import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.graph import Landmarks


def random_points(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def test_points_by_hand() -> None:
    landmarks = Landmarks(torch.tensor([[0.0, 2.0], [4.0, 2.0], [2.0, 5.0]]))
    assert len(landmarks) == 3
    assert landmarks.scale == 8  # the power of two above 5
    assert landmarks.origin.tolist() == [0.25, 0.375]  # the mean, on that scale
    expected = [[-0.25, -0.125], [0.25, -0.125], [0, 0.25]]
    assert landmarks.points.tolist() == expected
    joined = landmarks.joined(torch.tensor([[8.0, -8.0]]))
    assert joined.tolist() == [*expected, [0.75, -1.375]]


def test_order_values_order_as_squared_distances_do() -> None:
    landmarks = Landmarks(random_points(40, 3))
    points = landmarks.points
    square = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    norm = (points**2).sum(axis=1)
    expected = square - norm[:, None]
    np.testing.assert_allclose(landmarks.order_values, expected, atol=1e-14)


@given(
    x=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, width=32, allow_subnormal=False)] * 2),
        min_size=1,
        max_size=20,
    ),
    others=st.lists(st.tuples(*[st.integers(-1000, 1000)] * 2), max_size=20),
)
def test_joined_is_one_map_of_all_points(x, others) -> None:
    landmarks = Landmarks(torch.tensor(x))
    new = torch.tensor(others, dtype=torch.float32).view(-1, 2)
    joined = landmarks.joined(new)
    # To and back: what is subtracted and divided by is the same for all.
    back = torch.from_numpy((joined + landmarks.origin) * landmarks.scale)
    expected = torch.cat([torch.tensor(x), new]).double()
    size = landmarks.scale * max(1.0, np.abs(joined).max())
    assert torch.allclose(back, expected, rtol=0, atol=1e-15 * size)
    assert np.array_equal(joined[: len(x)], landmarks.points)
    assert np.abs(landmarks.points).max() <= 2


@pytest.mark.parametrize("offset", [0.0, 2.0**20, 1e6])
def test_ties_of_single_precision_stay_ties(offset: float) -> None:
    # The origin rounds, but differences of points are exact.
    x = torch.cartesian_prod(*[torch.arange(5.0)] * 2) + offset
    landmarks = Landmarks(x[:7])
    points = landmarks.joined(x[7:]) * landmarks.scale
    difference = points[:, None] - points[None]
    assert np.array_equal(difference, difference.round())


@pytest.mark.parametrize("magnitude", [1e-300, 1e-20, 1.0, 1e20, 1e300])
def test_magnitude_does_not_matter(magnitude: float) -> None:
    landmarks = Landmarks(magnitude * random_points(20, 2))
    assert 0.2 < np.abs(landmarks.points).max() <= 2
    assert np.isfinite(landmarks.order_values).all()


def test_zeros() -> None:
    landmarks = Landmarks(torch.zeros(4, 2))
    assert landmarks.scale == 1
    assert not landmarks.order_values.any()


def test_precision_and_gradient_of_the_features_stay_behind() -> None:
    x = random_points(10, 2).float().requires_grad_()
    assert Landmarks(x).points.dtype == np.float64
    assert Landmarks(x).joined(x).shape == (20, 2)
