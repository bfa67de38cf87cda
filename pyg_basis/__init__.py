r"""Learned spectral embeddings that also embed new points."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_basis.estimators import BASiS, BASiSClustering, DiffusionMap
    from pyg_basis.nn import BASiSLayer

__version__: str

__all__ = ["BASiS", "BASiSClustering", "BASiSLayer", "DiffusionMap"]

# Imported on first use: importing torch takes seconds, and help texts do not need it.
_FOLDERS = {
    "BASiS": "estimators",
    "BASiSClustering": "estimators",
    "BASiSLayer": "nn",
    "DiffusionMap": "estimators",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _FOLDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FOLDERS[name]}"), name)


def _version() -> str:
    """The installed version, which the build takes from the git tag."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pyg-basis")
    except PackageNotFoundError:  # a source tree on the path
        return "0+unknown"
