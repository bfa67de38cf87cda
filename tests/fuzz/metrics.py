"""The measures of embeddings and of clusters."""

import sys
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    linear_probe_accuracy,
    normalized_mutual_information,
    orthogonality,
)
from tests.fuzz.inputs import (
    arguments,
    arrays,
    labels,
    odd_arrays,
    odd_labels,
    one_of,
)
from tests.fuzz.judge import Case

VARIANTS = one_of("paper", "official")


def within(low: float, high: float) -> Any:
    """Checks that an answer is a float of this range."""

    def check(answer: Any) -> None:
        assert type(answer) is float and low <= answer <= high, f"{answer}"

    return check


@st.composite
def cases(draw: DrawFn) -> Case:
    """Calls of all of them."""
    make = draw(one_of(_distance, _orthogonality, _accuracy, _information, _probe))
    return draw(make(draw(st.integers(1, 20)), draw(st.integers(1, 3))))


def _distance(n: int, k: int) -> SearchStrategy[Case]:
    rows, other = arrays(st.just(n), st.just(k)), odd_arrays(st.just(n), st.just(k))
    good = {"y": rows, "reference": rows, "variant": VARIANTS}

    def case(given: dict[str, Any]) -> Case:
        is_paper = given["variant"] == "paper"
        least, most = (0.0, k) if is_paper else (-(k**2), k)
        return Case(grassmann_distance, given, within(least, most + 1e-9))

    return arguments(good, {"y": other, "reference": other}).map(case)


def deviation(y: Any, variant: Any) -> Any:
    """The orthogonality; infinite ones, of columns of 1e80, count as the largest."""
    return min(orthogonality(y, variant), sys.float_info.max)


def _orthogonality(n: int, k: int) -> SearchStrategy[Case]:
    rows, other = arrays(st.just(n), st.just(k)), odd_arrays(st.just(n), st.just(k))

    def case(given: dict[str, Any]) -> Case:
        most = np.inf if given["variant"] == "paper" else k + 1e-9
        return Case(deviation, given, within(0.0, most))

    return arguments({"y": rows, "variant": VARIANTS}, {"y": other}).map(case)


def _labelings(n: int) -> dict[str, SearchStrategy[Any]]:
    return {name: labels(st.just(n)) for name in ("labels_true", "labels_pred")}


def _odd_labelings(n: int) -> dict[str, SearchStrategy[Any]]:
    return {name: odd_labels(st.just(n)) for name in ("labels_true", "labels_pred")}


def _accuracy(n: int, _: int) -> SearchStrategy[Case]:
    return arguments(_labelings(n), _odd_labelings(n)).map(
        lambda given: Case(clustering_accuracy, given, within(1 / n - 1e-9, 1.0))
    )


def _information(n: int, _: int) -> SearchStrategy[Case]:
    good = _labelings(n) | {"average": one_of("max", "arithmetic")}
    return arguments(good, _odd_labelings(n)).map(
        lambda given: Case(normalized_mutual_information, given, within(0.0, 1 + 1e-9))
    )


def _probe(n: int, k: int) -> SearchStrategy[Case]:
    rows, other = arrays(st.just(n), st.just(k)), odd_arrays(st.just(n), st.just(k))
    y, other_y = labels(st.just(n)), odd_labels(st.just(n))
    good = {"z_train": rows, "y_train": y, "z_test": rows, "y_test": y}
    odd = {"z_train": other, "y_train": other_y, "z_test": other, "y_test": other_y}
    return arguments(good, odd).map(
        lambda given: Case(linear_probe_accuracy, given, within(0.0, 1.0))
    )
