r"""Spectral embeddings that are learned once and work on any new point."""

from pyg_basis.estimators import BASiS, BASiSClustering
from pyg_basis.nn import BASiSLayer

__version__ = "0.1.0"

__all__ = ["BASiS", "BASiSClustering", "BASiSLayer"]
