from dataclasses import dataclass
from math import ceil, frexp, log2

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.eigen.rayleigh_ritz import Ritz, ritz_pairs
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.graph import Laplacian
from pyg_basis.graph._edges import SYMMETRY_TOLERANCE
from pyg_basis.graph._sparse import csr_tensor, to_scipy_csr

DTYPES = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
)
LAYOUTS = (torch.strided, torch.sparse_coo, torch.sparse_csr, torch.sparse_csc)


@dataclass(frozen=True)
class SymmetricOperator:
    r"""A symmetric matrix in double precision, with known bounds of its spectrum.

    It is scaled to a norm of about 1 by a power of two, which is exact: products of
    very large or small entries would overflow or underflow.

    Args:
        matrix (Tensor): Sparse CSR or dense matrix, float64, shape :obj:`[n, n]`.
        norm_bound (float): An upper bound of the spectral norm of :obj:`matrix`, above
            1/2 and at most 1. Residuals are relative to it.
        null_space (NullSpace): Its known null space: complete for Laplacians, empty for
            other matrices.
        exponent (int): The operator is :obj:`2**exponent * matrix`.
    """

    matrix: Tensor
    norm_bound: float
    null_space: NullSpace
    exponent: int

    @classmethod
    def of(cls, operator: Laplacian | Tensor) -> "SymmetricOperator":
        r"""Converts a Laplacian, to its symmetric form, or any symmetric matrix.

        Raises:
            ValueError: If :obj:`operator` is not a square, real, finite, symmetric
                matrix.
        """
        given = _checked_matrix(operator)
        if isinstance(operator, Laplacian) and given.dtype == torch.bfloat16:
            operator = operator.to(operator.degree.float())  # none in NumPy
        matrix = operator.symmetric() if isinstance(operator, Laplacian) else given
        matrix, norm_bound, exponent = _double(matrix), 2.0, 0
        if not isinstance(operator, Laplacian) or operator.kind == "comb":
            # Scale by the largest entry first: row sums might overflow.
            exponent = frexp(abs(_to_scipy(matrix)).max())[1]
            matrix = _times_power_of_two(matrix, -exponent)
            norm_bound = float(abs(_to_scipy(matrix)).sum(axis=1).max()) or 1.0
        last = ceil(log2(norm_bound))
        matrix, norm_bound = _times_power_of_two(matrix, -last), norm_bound / 2**last
        array = _to_scipy(matrix)
        if isinstance(operator, Laplacian):
            null_space = NullSpace.of(operator, array)
        else:
            null_space = NullSpace.unknown(len(given))
            dtype = given.dtype if given.is_floating_point() else torch.float64
            largest, asymmetry = (float(abs(a).max()) for a in (array, array - array.T))
            if asymmetry > SYMMETRY_TOLERANCE * torch.finfo(dtype).eps * largest:
                raise ValueError(
                    f"operator must be symmetric, but |A - A^T| reaches "
                    f"{asymmetry / largest:.3g} of the largest entry: pass "
                    f"(A + A^T) / 2, or a Laplacian of kind 'rw' for the random walk "
                    f"operator"
                )
        return cls(matrix, norm_bound, null_space, exponent + last)

    @property
    def num_nodes(self) -> int:
        r"""The number of rows, :math:`n`."""
        return self.matrix.shape[0]

    def to_scipy(self) -> "np.ndarray | scipy.sparse.csr_matrix":
        r"""Returns the matrix in host memory, sparse if it is sparse; shares memory."""
        return _to_scipy(self.matrix)

    def unscaled(self, values: Tensor) -> Tensor:
        r"""Converts eigenvalues of :obj:`matrix` to those of the operator."""
        return _times_power_of_two(values, self.exponent)

    def rayleigh_ritz(
        self, basis: Tensor, k: int, tol: float, iterations: int, solver: str
    ) -> Eigenpairs:
        r"""Returns the best :obj:`k` pairs in the span of a basis, with true residuals.

        Args:
            basis (Tensor): Columns of full rank, shape :obj:`[n, p]`, :obj:`p >= k`.
            k (int): The number of eigenpairs.
            tol (float): Bound of the relative residuals.
            iterations (int): Passed on to the result.
            solver (str): Passed on to the result.
        """
        ritz = ritz_pairs(self.matrix, basis.clone())
        first = Ritz(ritz.x[:, :k], ritz.image[:, :k], ritz.values[:k])
        return self.measured(first, tol, iterations, solver)

    def measured(
        self, ritz: Ritz, tol: float, iterations: int, solver: str
    ) -> Eigenpairs:
        r"""Returns the pairs with their residuals. The images are overwritten."""
        residuals = ritz.residuals() / self.norm_bound
        converged = bool((residuals <= tol).all())
        return Eigenpairs(ritz.values, ritz.x, residuals, iterations, converged, solver)


def _checked_matrix(operator: object) -> Tensor:
    r"""Returns the matrix of an operator after checking that it is square, real and
    finite."""
    matrix = operator.matrix if isinstance(operator, Laplacian) else operator
    if not isinstance(matrix, Tensor):
        raise ValueError(
            f"operator must be a Laplacian or a tensor of shape [n, n], got "
            f"{type(operator).__name__}: build one with laplacian(graph), or with "
            f"torch.as_tensor(array)"
        )
    if (
        matrix.layout not in LAYOUTS
        or matrix.dtype not in DTYPES
        or matrix.is_meta
        or matrix.is_nested
        or (matrix.is_sparse and matrix.dense_dim() > 0)
    ):
        raise ValueError(
            f"operator has dtype {matrix.dtype} and layout {matrix.layout} on "
            f"{matrix.device}, but it must hold real numbers, strided or in COO, CSR "
            f"or CSC: pass operator.to_dense(), or operator.real if the rest is zero"
        )
    if matrix.dim() != 2 or matrix.size(0) != matrix.size(1) or matrix.size(0) == 0:
        raise ValueError(
            f"operator has shape {list(matrix.shape)}, but it must be a square "
            f"matrix of at least one row: pass a tensor of shape [n, n]"
        )
    if matrix.layout == torch.sparse_coo:
        matrix = matrix.coalesce()
    entries = matrix if matrix.layout == torch.strided else matrix.values()
    # Extremes propagate NaN, and take one pass.
    if entries.numel() and not bool(torch.stack(entries.aminmax()).isfinite().all()):
        raise ValueError(
            "operator has NaN or infinite entries: look for them in the features or "
            "edge weights it was made of"
        )
    return matrix


def _double(matrix: Tensor) -> Tensor:
    matrix = matrix.detach()
    if matrix.layout == torch.strided:
        return matrix.to(torch.float64)
    if matrix.layout != torch.sparse_csr:
        matrix = matrix.to_sparse_csr()
    values = matrix.values().to(torch.float64)
    indices = matrix.crow_indices(), matrix.col_indices()
    return csr_tensor(*indices, values, matrix.shape[0])


def _to_scipy(matrix: Tensor) -> np.ndarray | scipy.sparse.csr_matrix:
    is_dense = matrix.layout == torch.strided
    return matrix.cpu().numpy() if is_dense else to_scipy_csr(matrix)


def _times_power_of_two(x: Tensor, exponent: int) -> Tensor:
    # In two steps, as the power itself may overflow or underflow.
    half = exponent // 2
    return x * 2.0**half * 2.0 ** (exponent - half)
