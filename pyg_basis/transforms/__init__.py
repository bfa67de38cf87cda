r"""Positional encodings as transforms of PyG ``Data``."""

from pyg_basis.transforms.add_basis_pe import AddBASiSPE
from pyg_basis.transforms.add_spectral_pe import AddSpectralPE

__all__ = ["AddBASiSPE", "AddSpectralPE"]
