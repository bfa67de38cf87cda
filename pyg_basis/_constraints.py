"""What scikit-learn checks parameters against, each by itself."""

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
    """Integers from the least one on."""
    return Interval(Integral, least, None, closed="left")


def between(least: int, most: int) -> Interval | Options:
    """Integers from the least one to the most one."""
    if least == most:  # which is no interval to scikit-learn
        return Options(Integral, {least})
    return Interval(Integral, least, most, closed="both")


POSITIVE = Interval(Real, 0, np.inf, closed="neither")
# What both torch and NumPy take as one.
SEED = between(0, 2**63 - 1)


def check_arguments(
    constraints: dict[str, list[Any]], function: str, **given: Any
) -> None:
    """Raises a ValueError that names the first argument of a function that none of its
    constraints allows, its value, and what is allowed."""
    validate_parameter_constraints(constraints, given, function)
