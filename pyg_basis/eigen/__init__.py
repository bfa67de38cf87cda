r"""Eigenpairs of symmetric operators: one entry point, several solvers, and the choice
of their number."""

from pyg_basis.eigen.chebyshev import ChebyshevSubspace
from pyg_basis.eigen.component_eigenpairs import (
    ComponentEigenpairs,
    component_eigenpairs,
)
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.eigenpairs import eigenpairs
from pyg_basis.eigen.lanczos import Lanczos
from pyg_basis.eigen.lobpcg import LOBPCG
from pyg_basis.eigen.result import Eigenpairs, Solver
from pyg_basis.eigen.suggest_num_components import suggest_num_components
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

__all__ = [
    "LOBPCG",
    "ChebyshevSubspace",
    "ComponentEigenpairs",
    "Dense",
    "Eigenpairs",
    "Lanczos",
    "Solver",
    "SymmetricOperator",
    "component_eigenpairs",
    "eigenpairs",
    "suggest_num_components",
]
