r"""Neural network modules."""

from pyg_basis.nn.basis_layer import BASiSLayer
from pyg_basis.nn.degree_extension import DegreeExtension

__all__ = ["BASiSLayer", "DegreeExtension"]
