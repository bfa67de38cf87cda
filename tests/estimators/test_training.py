import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSLayer
from pyg_basis.estimators._read_out import SAMPLING, TrainingReadOut
from pyg_basis.estimators._training import (
    FIRST_LOOK,
    train_layer,
    warn_about_batches,
)
from pyg_basis.estimators._whole_read_out import LITTLE, WholeReadOut


def constant_batches(noise: float = 0.0) -> Iterator[Data]:
    """The same points in every batch, with targets that a linear map gives."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 2, generator=generator)
    while True:
        y = x @ torch.tensor([[1.0, 0.5], [-0.5, 2.0]])
        yield Data(
            x=x,
            y=y + noise * torch.randn(20, 2, generator=generator),
            eigenvalues=torch.tensor([0.0, 0.5]),
            residual=torch.tensor(0.25),
            rank=torch.tensor(2),
            num_components=1,
            converged=True,
        )


def linear_layer() -> BASiSLayer:
    layer = BASiSLayer(2, 2, num_anchors=5, network=nn.Identity())
    nn.init.zeros_(layer.readout.weight)
    return layer


def train(**kwargs: Any) -> tuple[BASiSLayer, dict[str, list[float]], torch.Tensor]:
    layer = linear_layer()
    settings: dict[str, Any] = {
        "max_iter": 20, "learning_rate": 1e-2, "tol": None, "verbose": False,
    }  # fmt: skip
    history, values = train_layer(layer, constant_batches(), **(settings | kwargs))
    return layer, history, values


class Looks(TrainingReadOut):
    """What is found missing, one value a look; a further look fails."""

    def __init__(self, *values: float) -> None:
        self.layer = linear_layer()
        self.found = iter(values)

    def excess(self) -> float:
        return next(self.found)


class LooksAtWhole(WholeReadOut):
    """The same for the whole graph."""

    def __init__(self, *values: float) -> None:
        self.eigenvectors = torch.zeros(7, 2)
        self.found = iter(values)

    def excess(self) -> float:
        return next(self.found)


def test_regression_is_solved() -> None:
    layer, history, eigenvalues = train(max_iter=2000)
    expected = torch.tensor([[1.0, -0.5], [0.5, 2.0]])
    torch.testing.assert_close(layer.readout.weight.data, expected, rtol=0, atol=1e-3)
    assert history["loss"][-1] < 1e-5 < history["loss"][0]
    assert eigenvalues.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("max_iter", [1, 2, 7, 10])
def test_rate_falls_to_zero_without_a_read_out(max_iter: int) -> None:
    _, history, _ = train(max_iter=max_iter)
    half = max_iter / 2
    expected = [
        1e-2 if i <= half else 1e-2 * (max_iter - i) / half for i in range(max_iter)
    ]
    assert history["learning_rate"] == pytest.approx(expected)


@pytest.mark.parametrize("max_iter", [1, 2, 7, 10, 25])
def test_rate_is_constant_before_a_read_out(max_iter: int) -> None:
    _, history, _ = train(max_iter=max_iter, read_out=Looks(1.0))
    assert history["learning_rate"] == [1e-2] * max_iter


def test_history_holds_the_diagnostics() -> None:
    _, history, _ = train(max_iter=3)
    assert history.pop("loss")[0] > 0
    assert history.pop("learning_rate") == pytest.approx([1e-2, 1e-2, 1e-2 / 1.5])
    assert history == {
        "residual": [0.25] * 3,
        "num_components": [1] * 3,
        "converged": [True] * 3,
        "rank": [2] * 3,
    }
    assert type(history) is dict  # one that raises for a name it does not have


def test_layer_ends_in_evaluation_mode() -> None:
    assert not train(max_iter=2)[0].training


@pytest.mark.parametrize(
    ("excesses", "num_batches"),
    [
        ([1.0, 0.95], 20),  # less than a tenth smaller
        ([1.0, 2.0], 20),
        ([1.0, 0.8, 0.75], 40),
        ([1.0, 0.8, 0.6, 0.6], 80),
        # Features that do not span all directions yet may come to do so.
        ([float("inf"), float("inf"), 1.0, 0.95], 80),
        ([2 * SAMPLING], 10),  # what the sampling leaves, for both vectors
        ([1.0, 2 * SAMPLING], 20),
        ([1.0, 0.8, 0.6, 0.4, 0.4], 100),  # max_iter
    ],
)
def test_ends_when_there_is_nothing_to_gain(
    excesses: list[float], num_batches: int
) -> None:
    _, history, _ = train(max_iter=100, tol=0.1, read_out=Looks(*excesses))
    assert FIRST_LOOK == 10
    assert history["excess"] == excesses
    assert len(history["loss"]) == len(history["rank"]) == num_batches


def test_a_share_that_is_asked_for() -> None:
    excesses = [1.0, 0.8]
    assert len(train(tol=0.5, max_iter=30, read_out=Looks(*excesses))[1]["loss"]) == 20
    excesses = [1.0, 0.999, 0.998, 0.998]  # with 0, any gain will do
    assert len(train(tol=0, max_iter=60, read_out=Looks(*excesses))[1]["loss"]) == 60
    assert len(train(tol=0, max_iter=60, read_out=Looks(1.0, 1.001))[1]["loss"]) == 20


def test_without_tol_only_the_last_network_is_looked_at() -> None:
    _, history, _ = train(max_iter=45, tol=None, read_out=Looks(1.0))
    assert len(history["loss"]) == 45 and history["excess"] == [1.0]


def test_last_look_is_at_the_last_network() -> None:
    for max_iter, excesses in ((3, [1.0]), (20, [1.0, 0.5]), (23, [1.0, 0.5, 0.4])):
        _, history, _ = train(max_iter=max_iter, tol=0.1, read_out=Looks(*excesses))
        assert len(history["loss"]) == max_iter and history["excess"] == excesses


def test_of_a_whole_graph_only_when_hardly_anything_is_missing() -> None:
    excesses = [1.0, 1.0, 0.9, 0.9, 0.2]
    _, history, _ = train(max_iter=100, tol=0.5, read_out=LooksAtWhole(*excesses))
    assert len(history["loss"]) == 100
    excesses = [1.0, 2 * LITTLE]
    _, history, _ = train(max_iter=100, tol=0.5, read_out=LooksAtWhole(*excesses))
    assert len(history["loss"]) == 20


def test_without_a_read_out_training_never_ends_early() -> None:
    _, history, _ = train(max_iter=300, learning_rate=0.3, tol=1e9)
    assert len(history["loss"]) == 300 and "excess" not in history


def history_of(num_batches: int = 20, **kwargs: list[Any]) -> dict[str, list[Any]]:
    history: dict[str, list[Any]] = {
        "loss": [0.1] * num_batches,
        "num_components": [1] * num_batches,
        "converged": [True] * num_batches,
        "rank": [2] * num_batches,
    }
    return history | kwargs


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"num_components": [4, 4] + [1] * 18}, "more than 3 comp.*raise n_neighbors"),
        ({"converged": [False, False] + [True] * 18}, "tolerance of the eigensolver"),
        ({"rank": [1, 1] + [2] * 18}, "determine the alignment: raise n_anchors"),
    ],
)
def test_warnings(bad: dict[str, list[Any]], text: str) -> None:
    with pytest.warns(UserWarning, match=rf"2 of 20 batches .*{text}") as caught:
        warn_about_batches(history_of(**bad), 3, drop_trivial=False, uses_edges=False)
    assert len(caught) == 1
    # One batch of twenty is ordinary.
    ((name, values),) = bad.items()
    rare = {name: [values[0], *[values[-1]] * 19]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_about_batches(history_of(**rare), 3, drop_trivial=False, uses_edges=False)


def test_more_neighbours_are_no_advice_for_a_given_graph() -> None:
    with pytest.warns(UserWarning, match="not unique: raise batch_size or n_comp"):
        warn_about_batches(
            history_of(num_components=[9] * 20), 3, drop_trivial=False, uses_edges=True
        )


def test_as_many_components_as_null_vectors_is_no_cause() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_about_batches(
            history_of(num_components=[3] * 20), 3, drop_trivial=False, uses_edges=False
        )
        deeper = history_of(num_components=[4] * 20, rank=[3] * 20)
        warn_about_batches(deeper, 3, drop_trivial=True, uses_edges=False)
    with pytest.warns(UserWarning, match="more than 4 components"):
        deeper = history_of(num_components=[5] * 20, rank=[3] * 20)
        warn_about_batches(deeper, 3, drop_trivial=True, uses_edges=False)


def test_dropout_draws_from_the_seed_and_leaves_the_generator_alone() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.5))
    x = torch.randn(80, 2, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    first, second = (
        BASiS(
            2,
            network=network,
            batch_size=60,
            n_anchors=20,
            n_neighbors=10,
            max_iter=5,
            random_state=0,
        ).fit(x)
        for _ in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.transform(x), second.transform(x))
    assert first.history_["loss"] == second.history_["loss"]


def test_rank_deficient_anchors_in_every_batch_are_told() -> None:
    history = {
        "loss": [0.1] * 10,
        "num_components": [1] * 10,
        "converged": [True] * 10,
        "rank": [1] * 10,
    }
    with pytest.warns(UserWarning, match="raise n_anchors"):
        warn_about_batches(history, 3, drop_trivial=False, uses_edges=False)
