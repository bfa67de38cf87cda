r"""scikit-learn estimators."""

from pyg_basis.estimators.basis import BASiS
from pyg_basis.estimators.basis_clustering import BASiSClustering

__all__ = ["BASiS", "BASiSClustering"]
