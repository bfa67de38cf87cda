"""The judge can find each kind of fault."""

import time
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from pyg_basis.graph import knn_graph, laplacian
from pyg_basis.metrics import grassmann_distance
from tests.fuzz import judge as module
from tests.fuzz.judge import Case, Finding, Hang, RawError, WrongAnswer, judge

X = torch.arange(6.0).reshape(3, 2)


def test_an_answer_and_refusals() -> None:
    assert judge(Case(knn_graph, {"x": X, "k": 1})) == "answer"
    assert judge(Case(knn_graph, {"x": X, "k": 3})) == "refused"
    columns = {"y": [["a"]], "reference": [[1.0]]}
    assert judge(Case(grassmann_distance, columns)) == "refused"


def changes(x: torch.Tensor) -> None:
    x += 1


def draws(x: torch.Tensor) -> torch.Tensor:
    return torch.rand(2)


def drifts(state: Any) -> int:
    state.count += 1
    return state.count


def is_infinite(x: torch.Tensor) -> Any:
    return {"rows": [x / 0]}


def warns(x: torch.Tensor) -> None:
    warnings.warn("invalid value encountered in log", RuntimeWarning, stacklevel=2)


def fails(x: torch.Tensor) -> None:
    raise ValueError("x is bad, but the package did not say so")


def sleeps(x: torch.Tensor) -> None:
    time.sleep(1)


class Counter:
    count = 0

    def __repr__(self) -> str:
        return "Counter()"


@pytest.mark.parametrize(
    ("function", "argument", "kind", "text"),
    [
        (changes, X.clone(), WrongAnswer, "changed its arguments"),
        (draws, X, WrongAnswer, "moved a global generator"),
        (is_infinite, X, WrongAnswer, r"answer\.rows\.0 is not finite"),
        (warns, X, RawError, "invalid value encountered"),
        (fails, X, RawError, "did not say so"),
        (sleeps, X, Hang, "took over"),
    ],
)
def test_faults(
    function: Any,
    argument: Any,
    kind: type[Finding],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.1)
    with pytest.raises(kind, match=text):
        judge(Case(function, {"x": argument}))


def test_another_answer_the_second_time() -> None:
    with pytest.raises(WrongAnswer, match="not the same again"):
        judge(Case(drifts, {"state": Counter()}))


def test_a_wrong_answer() -> None:
    def check(answer: Any) -> None:
        assert answer.num_edges == 7, "not 7 edges"

    with pytest.raises(WrongAnswer, match="not 7 edges"):
        judge(Case(knn_graph, {"x": X, "k": 1}, check))


def test_an_error_that_is_not_documented() -> None:
    with pytest.raises(RawError, match=r"ValueError.*k=3"):
        judge(Case(knn_graph, {"x": X, "k": 3}, kinds=(TypeError,)))


def test_an_error_that_names_nothing_given() -> None:
    def call(given: Any) -> Any:
        return laplacian(given)

    with pytest.raises(RawError, match="names nothing that was given"):
        judge(Case(call, {"given": None}))


def test_an_error_of_an_operator_in_the_package() -> None:
    # As if it stood there: nothing in the package is known to fail so.
    scope: dict[str, Any] = {}
    exec(
        compile(
            "def compare(k):\n    return k < 1", f"{module.OWN}/compare.py", "exec"
        ),
        scope,
    )
    with pytest.raises(RawError, match="TypeError"):
        judge(Case(scope["compare"], {"k": "many"}))


def test_fingerprints_are_of_bits() -> None:
    one, other = np.array([0.0, np.nan]), np.array([-0.0, np.nan])
    assert module.fingerprint(one) == module.fingerprint(one.copy())
    assert module.fingerprint(one) != module.fingerprint(other)
