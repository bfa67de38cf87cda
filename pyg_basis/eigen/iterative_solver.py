from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from pyg_basis._constraints import at_least, check_arguments
from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# The solvers' bases have up to five times the wanted vectors, and some more. If that is
# the whole space, the dense solver is faster.
BASES, GUARDS = 5, 10
# Each solver has some of these settings.
CONSTRAINTS = {
    "num_guards": [at_least(1)],
    "max_iter": [at_least(1)],
    "max_products": [at_least(1)],
}


class IterativeSolver(ABC):
    r"""Base class of the iterative solvers.

    The null space of a Laplacian is constructed from the components of its graph, and
    the other eigenvectors are searched in its complement. :class:`Dense` solves
    operators that are too small for a search.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_arguments(CONSTRAINTS, type(self).__name__, **vars(self))

    def solve(
        self, operator: SymmetricOperator, k: int, tol: float = 1e-6, seed: int = 0
    ) -> Eigenpairs:
        r"""See :meth:`Solver.solve`."""
        n = operator.num_nodes
        if n < BASES * (k + GUARDS):
            return Dense().solve(operator, k, tol, seed)
        if operator.null_space.residual > tol / 2 * operator.norm_bound:
            operator = replace(operator, null_space=NullSpace.unknown(n))
        known = torch.from_numpy(operator.null_space.basis(k))
        known = known.to(operator.matrix.device)
        if known.size(1) == k:
            return operator.rayleigh_ritz(known, k, tol, 0, self.name)
        for found, iterations in self._search(operator, k, tol, seed):
            basis = torch.cat([known, found.to(known)], dim=1)
            pairs = operator.rayleigh_ritz(basis, k, tol, iterations, self.name)
            if pairs.converged:
                break
        return pairs

    @abstractmethod
    def _search(
        self, operator: SymmetricOperator, k: int, tol: float, seed: int
    ) -> Iterator[tuple[Tensor, int]]:
        r"""Yields increasingly accurate bases of the first :obj:`k` eigenvectors,
        without those of the null space, and the number of iterations so far."""
