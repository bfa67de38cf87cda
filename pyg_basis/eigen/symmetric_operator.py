from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from pyg_basis.eigen.rayleigh_ritz import ritz_pairs
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.graph import Laplacian
from pyg_basis.graph._sparse import csr_tensor, to_scipy_csr

# Asymmetry allowed in a matrix, relative to its largest entry, in units of the
# machine epsilon of its dtype: products such as D^-1/2 W D^-1/2 round the two
# triangles differently.
SYMMETRY_TOLERANCE = 100


@dataclass(frozen=True)
class SymmetricOperator:
    r"""A symmetric matrix in double precision, with what is known of its spectrum.

    Args:
        matrix (Tensor): Sparse CSR or dense matrix, float64, shape :obj:`[n, n]`.
        norm_bound (float): An upper bound of the spectral norm. Residuals are
            relative to it.
        null_vector (Tensor, optional): For Laplacians, the known null vector, of
            unit norm, shape :obj:`[n]`. It is zero at isolated nodes only.
        laplacian (Laplacian, optional): The Laplacian it is made of, if it is.
    """

    matrix: Tensor
    norm_bound: float
    null_vector: Tensor | None = None
    laplacian: Laplacian | None = None

    @classmethod
    def from_laplacian(cls, laplacian: Laplacian) -> "SymmetricOperator":
        r"""The symmetric form of a Laplacian. Its symmetry is taken for granted."""
        matrix, norm_bound = laplacian.symmetric(), laplacian.norm_bound
        null_vector = laplacian.trivial().detach().to(torch.float64)
        null_vector = null_vector / null_vector.norm()  # to double precision
        return cls(_double(matrix), norm_bound or 1.0, null_vector, laplacian)

    @classmethod
    def from_tensor(cls, matrix: Tensor) -> "SymmetricOperator":
        r"""Any symmetric matrix, dense or sparse; its symmetry is checked.

        Raises:
            ValueError: If :obj:`matrix` is not symmetric.
        """
        double = _double(matrix)
        magnitude = double.abs() if matrix.layout == torch.strided else None
        if magnitude is not None:
            largest = float(magnitude.max())
            norm_bound = float(magnitude.sum(dim=1).max())
            asymmetry = float((double - double.t()).abs().max())
        else:
            array = to_scipy_csr(double)
            largest = float(abs(array).max())
            norm_bound = float(abs(array).sum(axis=1).max())
            asymmetry = float(abs(array - array.T).max())
        dtype = matrix.dtype if matrix.is_floating_point() else torch.float64
        if asymmetry > SYMMETRY_TOLERANCE * torch.finfo(dtype).eps * largest:
            raise ValueError(
                f"operator must be symmetric, but |A - A^T| reaches {asymmetry:.3g} "
                f"where the largest entry is {largest:.3g}: pass (A + A^T) / 2, or a "
                f"Laplacian of kind 'rw' for the random walk operator"
            )
        return cls(double, norm_bound or 1.0)

    @property
    def num_nodes(self) -> int:
        r"""The number of rows, :math:`n`."""
        return self.matrix.shape[0]

    def to_dense(self) -> Tensor:
        r"""The matrix as a dense tensor, shape :obj:`[n, n]`."""
        dense = self.matrix.to_dense()
        return dense.clone() if dense is self.matrix else dense

    def to_scipy(self) -> "np.ndarray | scipy.sparse.csr_matrix":
        r"""The matrix in host memory, sparse if it is so here; shares memory."""
        if self.matrix.layout == torch.strided:
            return self.matrix.detach().cpu().numpy()
        return to_scipy_csr(self.matrix)

    def rayleigh_ritz(
        self, basis: Tensor, k: int, tol: float, iterations: int, solver: str
    ) -> Eigenpairs:
        r"""The best :obj:`k` pairs within the span of a basis, with true residuals.

        Args:
            basis (Tensor): Columns of full rank, shape :obj:`[n, p]`, :obj:`p >= k`.
            k (int): The number of eigenpairs.
            tol (float): Bound of the relative residuals.
            iterations (int): Passed on to the result.
            solver (str): Passed on to the result.
        """
        vectors, image, values = ritz_pairs(self.matrix, basis.clone())
        vectors, image, values = vectors[:, :k], image[:, :k], values[:k]
        residuals = (image - vectors * values).norm(dim=0) / self.norm_bound
        converged = bool((residuals <= tol).all())
        return Eigenpairs(values, vectors, residuals, iterations, converged, solver)


def _double(matrix: Tensor) -> Tensor:
    matrix = matrix.detach()
    if matrix.layout == torch.strided:
        return matrix.to(torch.float64)
    if matrix.layout != torch.sparse_csr:
        matrix = matrix.to_sparse_csr()
    values = matrix.values().to(torch.float64)
    indices = matrix.crow_indices(), matrix.col_indices()
    return csr_tensor(*indices, values, matrix.shape[0])
