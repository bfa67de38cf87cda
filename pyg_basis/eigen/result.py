from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from pyg_basis.eigen.symmetric_operator import SymmetricOperator


@dataclass(frozen=True)
class Eigenpairs:
    r"""The smallest eigenpairs of an operator, and their accuracy.

    Args:
        values (Tensor): Eigenvalues in ascending order, shape :obj:`[k]`.
        vectors (Tensor): Eigenvectors as columns of unit norm, shape :obj:`[n, k]`.
        residuals (Tensor): Relative residuals
            :math:`\|L v_j - \lambda_j v_j\| / \|L\|`, shape :obj:`[k]`, where
            :math:`\|L\|` is a bound of the operator's norm. For the random walk
            Laplacian, the norms are weighted by the degrees, which gives the
            residuals of its symmetric form.
        iterations (int): Block iterations of LOBPCG, products with the operator of
            Lanczos and of the filters, or 1 for the dense solver.
        converged (bool): Whether all residuals are within the tolerance.
        solver (str): The solver that gave the result.
        fell_back (bool): Whether the first solver did not converge, and others were
            tried. (default: :obj:`False`)
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    iterations: int
    converged: bool
    solver: str
    fell_back: bool = False

    def __repr__(self) -> str:
        n, k = self.vectors.shape
        return (
            f"{self.__class__.__name__}(n={n}, k={k}, solver='{self.solver}', "
            f"converged={self.converged}, iterations={self.iterations})"
        )


class Solver(Protocol):
    r"""Interface of a solver object for :meth:`~pyg_basis.eigen.eigenpairs`.

    A solver holds its settings and has no state: the same call gives the same result.
    It reports failure in :obj:`Eigenpairs.converged`.
    """

    def solve(
        self, operator: "SymmetricOperator", k: int, tol: float = 1e-6, seed: int = 0
    ) -> Eigenpairs:
        r"""Returns the :obj:`k` smallest eigenpairs of :obj:`operator.matrix`.

        Args:
            operator (SymmetricOperator): The operator, in double precision and scaled
                to a norm of about 1. Its :meth:`rayleigh_ritz` makes the result.
            k (int): The number of eigenpairs, from 1 to :math:`n`.
            tol (float): Bound of the relative residuals. (default: :obj:`1e-6`)
            seed (int): Seed of the random start. (default: :obj:`0`)
        """
        ...
