from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from pyg_basis.baselines._minimize import minimize


class Point(nn.Module):
    def __init__(self, value: float = 5.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value], dtype=torch.float64))


def test_finds_the_minimum() -> None:
    point = Point()
    history = minimize(
        point, lambda: (point.value - 2).square().sum() + 1, 400, 0.1, False, "x"
    )
    assert point.value.item() == pytest.approx(2, abs=1e-3)
    assert len(history) == 400
    assert history[0] == 10  # before any step
    assert history[-1] == pytest.approx(1, abs=1e-5)
    assert all(type(value) is float for value in history)


@pytest.mark.parametrize("max_iter", [1, 2, 7, 20])
def test_learning_rate_is_constant_and_then_falls_linearly(max_iter: int) -> None:
    # Of a constant gradient every step of Adam is the learning rate.
    point = Point(0.0)
    values = []

    def loss() -> Tensor:
        values.append(point.value.item())
        return -point.value.sum()

    minimize(point, loss, max_iter, 0.1, False, "x")
    values.append(point.value.item())
    steps = [later - earlier for earlier, later in pairwise(values)]
    half = max_iter / 2
    expected = [
        0.1 if done <= half else 0.1 * (max_iter - done) / half
        for done in range(max_iter)
    ]
    assert steps == pytest.approx(expected, rel=1e-6)


def test_trains_in_training_mode_and_ends_in_evaluation() -> None:
    point = Point().eval()
    modes = []

    def loss() -> Tensor:
        modes.append(point.training)
        return point.value.sum()

    minimize(point, loss, 3, 0.1, False, "x")
    assert modes == [True, True, True]
    assert not point.training


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    point = Point()
    minimize(point, lambda: point.value.sum(), 7, 0.1, False, "descent")
    assert capsys.readouterr().err == ""
    minimize(point, lambda: point.value.sum(), 7, 0.1, True, "descent")
    shown = capsys.readouterr()
    assert "descent" in shown.err and "7/7" in shown.err and shown.out == ""
