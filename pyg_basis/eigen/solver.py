from typing import Protocol

from torch import Tensor

from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator


class Solver(Protocol):
    r"""What :meth:`~pyg_basis.eigen.eigenpairs` asks of a solver object.

    A solver holds its own settings and has no state: the same call gives the same
    result. It must not hide that it failed, but say so in
    :obj:`Eigenpairs.converged`.
    """

    def solve(
        self,
        operator: SymmetricOperator,
        k: int,
        x0: Tensor | None = None,
        tol: float = 1e-6,
        seed: int = 0,
    ) -> Eigenpairs:
        r"""Returns the :obj:`k` smallest eigenpairs of :obj:`operator`.

        Args:
            operator (SymmetricOperator): The operator, in double precision.
            k (int): The number of eigenpairs, from 1 to :math:`n`.
            x0 (Tensor, optional): A guess of the eigenvectors, shape :obj:`[n, p]`,
                which may hold anything, NaN included.
            tol (float): Bound of the relative residuals.
            seed (int): Seed of the random start.
        """
        ...
