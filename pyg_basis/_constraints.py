"""Parameter constraints for scikit-learn's validation."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

__all__ = ["POSITIVE", "SEED", "StrOptions", "at_least", "between", "check_arguments"]


def at_least(least: int) -> Interval:
    """Integers from a minimum."""
    return Interval(Integral, least, None, closed="left")


def between(least: int, most: int) -> Interval | Options:
    """Integers from a minimum to a maximum."""
    if least == most:  # not an interval to scikit-learn
        return Options(Integral, {least})
    return Interval(Integral, least, most, closed="both")


POSITIVE = Interval(Real, 0, np.inf, closed="neither")
# Seeds that both torch and NumPy accept.
SEED = between(0, 2**63 - 1)


def check_arguments(
    constraints: dict[str, list[Any]], function: str, **given: Any
) -> None:
    """Raises a ValueError for the first argument of a function that satisfies none of
    its constraints, with its name, its value, and what is allowed."""
    validate_parameter_constraints(constraints, given, function)
