r"""Learned spectral embeddings that also embed new points."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_basis.estimators import BASiS, BASiSClustering, DiffusionMap
    from pyg_basis.nn import BASiSLayer

__version__ = "0.1.0"

__all__ = ["BASiS", "BASiSClustering", "BASiSLayer", "DiffusionMap"]

# Imported on first use: importing torch takes seconds, and help texts do not need it.
_FOLDERS = {
    "BASiS": "estimators",
    "BASiSClustering": "estimators",
    "BASiSLayer": "nn",
    "DiffusionMap": "estimators",
}


def __getattr__(name: str) -> Any:
    if name not in _FOLDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FOLDERS[name]}"), name)
