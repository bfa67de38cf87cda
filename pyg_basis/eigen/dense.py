from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator


@dataclass(frozen=True)
class Dense:
    r"""The dense eigensolver of LAPACK (or cuSOLVER), :math:`O(n^3)`.

    On the host, only the wanted part of the spectrum is computed (tridiagonal
    reduction, bisection, inverse iteration), in a quarter of the time of all of it.
    """

    def solve(
        self, operator: SymmetricOperator, k: int, tol: float = 1e-6, seed: int = 0
    ) -> Eigenpairs:
        r"""See :meth:`Solver.solve`; :obj:`seed` is ignored."""
        dense = operator.matrix.to_dense()
        if dense.is_cuda:
            vectors = torch.linalg.eigh(dense).eigenvectors[:, :k]
        else:
            vectors = torch.from_numpy(_smallest(dense.numpy(), k))
        # Inverse iteration may leave close vectors orthogonal to 1e-10 only. The
        # Rayleigh-Ritz step repairs this at negligible cost.
        return operator.rayleigh_ritz(vectors, k, tol, 1, "dense")


def _smallest(array: np.ndarray, k: int) -> np.ndarray:
    try:
        vectors = scipy.linalg.eigh(
            array, subset_by_index=[0, k - 1], driver="evr", check_finite=False
        )[1]
    except np.linalg.LinAlgError:
        # Inverse iteration can fail on large eigenvalue clusters; the full QR does not.
        vectors = scipy.linalg.eigh(array, driver="ev", check_finite=False)[1]
    return np.ascontiguousarray(vectors[:, :k])
