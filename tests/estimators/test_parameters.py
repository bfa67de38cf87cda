from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

from pyg_basis import BASiS
from pyg_basis.estimators._parameters import (
    GRAPHS,
    RULES,
    check_parameters,
    least_anchors,
)


def test_every_parameter_but_the_free_ones_has_a_rule() -> None:
    # Any value of verbose is true or false; scikit-learn checks random_state.
    assert set(RULES) == set(BASiS().get_params()) - {"verbose", "random_state"}


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"n_components": np.int32(3), "max_iter": 1, "n_workers": 2},
        {"n_anchors": 2, "batch_size": 3, "n_neighbors": 2},
        {"n_components": 2, "n_anchors": 3, "drop_trivial": True},
        {"laplacian": "rw", "alignment": "ransac", "anchors": "kmeans++"},
        {"bandwidth": "global"},
        {"bandwidth": np.float32(0.5), "learning_rate": 1, "tol": 0},
        {"tol": None, "network": torch.nn.Identity(), "readout": False},
        {"device": torch.device("cpu")},
        *[{"graph": graph} for graph in GRAPHS],
    ],
)
def test_good_parameters(good: dict[str, Any]) -> None:
    check_parameters(BASiS(**good))


@pytest.mark.parametrize(("name", "rule"), RULES.items())
def test_message_names_parameter_value_and_what_is_allowed(
    name: str, rule: tuple[Any, str]
) -> None:
    value = ["bad"]
    with pytest.raises(ValueError) as caught:
        check_parameters(BASiS(**{name: value}))
    message = str(caught.value)
    assert message == f"{name}=['bad'] cannot be used: it must be {rule[1]}"


@pytest.mark.parametrize("graph", ["knn", "AUTO", "", None, True, ["whole"]])
def test_graphs_that_are_none(graph: Any) -> None:
    names = "'auto', 'neighbors', 'whole', 'coarsened', 'induced'"
    with pytest.raises(ValueError) as caught:
        check_parameters(BASiS(graph=graph))
    expected = f"graph={graph!r} cannot be used: it must be one of {names}"
    assert str(caught.value) == expected


def test_parameters_are_only_read() -> None:
    basis = BASiS()
    before = basis.get_params()
    check_parameters(basis)
    assert basis.get_params() == before
    assert set(vars(basis)) == set(before)
    assert isinstance(basis, BaseEstimator)


@pytest.mark.parametrize(
    ("n_components", "drop_trivial", "least"),
    [(1, False, 2), (1, True, 2), (2, False, 2), (2, True, 3), (10, False, 10)],
)
def test_least_anchors(n_components: int, drop_trivial: bool, least: int) -> None:
    basis = BASiS(n_components, drop_trivial=drop_trivial)
    assert least_anchors(basis) == least
    check_parameters(basis.set_params(n_anchors=least))
    with pytest.raises(ValueError, match=f"least {least}|least 1"):
        check_parameters(basis.set_params(n_anchors=least - 1))
