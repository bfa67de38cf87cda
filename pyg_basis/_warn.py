import sys
import warnings

# Decorators and base classes may be between the caller and the package.
INSIDE = {"pyg_basis", "contextlib", "functools", "sklearn", "torch"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issues a warning at the line that called the package, at any stack depth."""
    frame, level = sys._getframe(), 1
    while frame.f_back and _package(frame.f_globals) in INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
