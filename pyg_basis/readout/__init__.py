r"""Extraction of the eigenvectors from the hidden features of a trained network."""

from pyg_basis.readout.closest_in_span import closest_in_span
from pyg_basis.readout.rayleigh_ritz import RayleighRitz, RitzVectors

__all__ = ["RayleighRitz", "RitzVectors", "closest_in_span"]
