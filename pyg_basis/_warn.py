import sys
import warnings

# Decorators and base classes stand between a caller and the package.
INSIDE = {"pyg_basis", "contextlib", "functools", "sklearn", "torch"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns whoever called the package, however far up that is."""
    frame, level = sys._getframe(), 1
    while frame.f_back and _package(frame.f_globals) in INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
