import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSLayer
from pyg_basis.estimators._training import WINDOW, train_layer, warn_about_batches


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
    network = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(network.weight)
    return BASiSLayer(2, 2, num_anchors=5, network=network)


def train(**kwargs: Any) -> tuple[BASiSLayer, dict[str, list[float]], torch.Tensor]:
    layer = linear_layer()
    settings: dict[str, Any] = {
        "max_iter": 20, "learning_rate": 1e-2, "tol": None, "verbose": False,
    }  # fmt: skip
    history, values = train_layer(layer, constant_batches(), **(settings | kwargs))
    return layer, history, values


def test_regression_is_solved() -> None:
    layer, history, eigenvalues = train(max_iter=2000)
    expected = torch.tensor([[1.0, -0.5], [0.5, 2.0]])
    torch.testing.assert_close(layer.network.weight.data, expected, rtol=0, atol=1e-3)
    assert history["loss"][-1] < 1e-5 < history["loss"][0]
    assert eigenvalues.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("max_iter", [1, 2, 7, 10])
def test_rate_is_constant_and_then_falls_to_zero(max_iter: int) -> None:
    _, history, _ = train(max_iter=max_iter)
    half = max_iter / 2
    expected = [
        1e-2 if i <= half else 1e-2 * (max_iter - i) / half for i in range(max_iter)
    ]
    assert history["learning_rate"] == pytest.approx(expected)


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


def test_stops_early_when_the_loss_stalls() -> None:
    # Solved within the first window; the second one sees nothing, the third stalls.
    _, history, _ = train(max_iter=5000, learning_rate=0.3, tol=1e-3)
    count = len(history["loss"])
    assert count % (2 * WINDOW) == 0 and 4 * WINDOW <= count <= 8 * WINDOW
    rates = history["learning_rate"]
    assert rates[count // 2 - 1] == rates[0] and rates[-1] < 0.01 * rates[0]


def test_does_not_stop_while_the_loss_falls() -> None:
    _, history, _ = train(max_iter=600, learning_rate=1e-4, tol=1e-4)
    assert len(history["loss"]) == 600


def test_without_tol_it_never_stops_early() -> None:
    _, history, _ = train(max_iter=900, learning_rate=0.3, tol=None)
    assert len(history["loss"]) == 900


@pytest.mark.parametrize(
    ("max_iter", "expected"),
    [
        (6 * WINDOW, 4 * WINDOW),  # as many again as the first two windows
        (60 * WINDOW, 4 * WINDOW),
        (300, 200),  # the default: windows of 50
        (20, 20),  # two windows of 10 are no first half
        (45, 40),
    ],
)
def test_early_stop_comes_in_the_first_half_only(max_iter, expected) -> None:
    _, history, _ = train(max_iter=max_iter, learning_rate=0.3, tol=1e9)
    assert len(history["loss"]) == expected


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
    network.append(torch.nn.Linear(8, 2))
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
