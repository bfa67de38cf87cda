r"""scikit-learn estimators."""

from pyg_basis.estimators.basis import BASiS
from pyg_basis.estimators.basis_clustering import BASiSClustering
from pyg_basis.estimators.diffusion_map import DiffusionMap
from pyg_basis.estimators.presets import preset

__all__ = ["BASiS", "BASiSClustering", "DiffusionMap", "preset"]
