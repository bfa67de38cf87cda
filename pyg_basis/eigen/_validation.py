from numbers import Integral, Real

import numpy as np

# More eigenpairs than a solver finds in any time.
MOST_PAIRS = 2**16


def checked_integer(
    name: str, value: object, least: int, remedy: str, most: int | None = None
) -> int:
    r"""The value, once it is known to be an integer of this range."""
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if is_integer else least - 1  # type: ignore[call-overload]
    if least <= number and (most is None or number <= most):
        return number
    bounds = f"at least {least}" if most is None else f"from {least} to {most}"
    raise ValueError(f"{name}={value!r} must be an integer, {bounds}: {remedy}")


def checked_seed(seed: object) -> int:
    r"""The seed, once it is known to be one of torch and of NumPy."""
    return checked_integer("seed", seed, 0, "pass 0", 2**63 - 1)


def checked_tol(tol: object) -> float:
    r"""The bound, once it is known to be one that a residual can meet."""
    # The bound itself overflows in NumPy's lower precisions.
    number = tol.item() if isinstance(tol, np.generic) else tol
    if not isinstance(number, Real) or not 0 < number < 1e300:  # type: ignore[operator]
        raise ValueError(f"tol={tol!r} must be a positive finite number: pass 1e-6")
    return float(number)
