from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.baselines.training import batch_laplacian, draw, minimize
from pyg_basis.graph import affinity, knn_graph, laplacian


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Permuted (the size above a quarter), and drawn with replacement.
@given(
    num_points=st.integers(1, 300), size=st.integers(1, 400), seed=st.integers(0, 2**31)
)
def test_draws_different_points(num_points: int, size: int, seed: int) -> None:
    drawn = draw(num_points, size, seeded(seed))
    assert drawn.shape == drawn.unique().shape == (min(size, num_points),)
    assert drawn.min() >= 0 and drawn.max() < num_points


def test_a_few_points_are_never_fewer() -> None:
    # Twice the size, drawn with replacement, can hold too few different ones.
    generator = seeded(0)
    assert all(len(draw(8, 2, generator).unique()) == 2 for _ in range(3000))


@pytest.mark.parametrize("size", [6, 25])
def test_every_point_is_as_likely_and_in_any_order(size: int) -> None:
    generator = seeded(0)
    num_draws, num_points = 4000, 40
    draws = torch.stack([draw(num_points, size, generator) for _ in range(num_draws)])
    for counted, share in ((draws, size / num_points), (draws[:, 0], 1 / num_points)):
        counts = torch.bincount(counted.reshape(-1), minlength=num_points).double()
        deviation = (num_draws * share * (1 - share)) ** 0.5
        assert (counts - num_draws * share).abs().max() < 4.5 * deviation


def test_no_work_grows_with_the_points() -> None:
    assert len(draw(10**15, 100, seeded(0)).unique()) == 100


def test_the_laplacian_is_that_of_the_graph() -> None:
    x = torch.randn(90, 2, generator=seeded(0))
    operator = batch_laplacian(x, 8)
    expected = laplacian(affinity(knn_graph(x.double(), 8)), "sym")
    assert operator.matrix.dtype == operator.degree.dtype == x.dtype
    torch.testing.assert_close(operator.degree, expected.degree.float())
    dense = operator.matrix.to_dense(), expected.matrix.to_dense().float()
    torch.testing.assert_close(*dense)


def test_a_gradient_passes_through_the_laplacian() -> None:
    operator = batch_laplacian(torch.randn(40, 2, generator=seeded(0)), 5)
    rows = torch.randn(40, 2, generator=seeded(1), requires_grad=True)
    (rows * (operator.matrix @ rows)).sum().backward()
    expected = 2 * operator.matrix.to_dense() @ rows.detach()
    torch.testing.assert_close(rows.grad, expected)


class Point(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value], dtype=torch.float64))


def test_finds_the_minimum() -> None:
    point = Point(5.0)
    history = minimize(point, lambda: (point.value - 2).square().sum() + 1, 400, 0.1)
    assert point.value.item() == pytest.approx(2, abs=1e-3)
    assert history[0] == 10  # before any step
    assert history[-1] == pytest.approx(1, abs=1e-5)
    assert not point.training


@pytest.mark.parametrize("max_iter", [1, 7, 20])
def test_the_rate_is_constant_and_then_falls_linearly(max_iter: int) -> None:
    # Of a constant gradient every step of Adam is the learning rate.
    point = Point(0.0)
    values = []

    def loss() -> Tensor:
        values.append(point.value.item())
        return -point.value.sum()

    minimize(point, loss, max_iter, 0.1)
    values.append(point.value.item())
    half = max_iter / 2
    steps = [later - earlier for earlier, later in pairwise(values)]
    assert steps == pytest.approx(
        [0.1 * min(1, (max_iter - done) / half) for done in range(max_iter)], rel=1e-6
    )


def test_a_loss_that_is_not_finite_names_the_rate() -> None:
    point = Point(1.0)
    with pytest.raises(FloatingPointError, match=r"learning_rate=0.1 is too high"):
        minimize(point, lambda: point.value.sum() * torch.inf, 3, 0.1)
