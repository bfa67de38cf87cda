import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import (
    ArpackError,
    ArpackNoConvergence,
    LinearOperator,
    eigsh,
)
from torch import Tensor

from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.eigen.iterative_solver import IterativeSolver
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# ARPACK restarts from its own vector after a breakdown; only newer versions of SciPy
# (1.17) let the caller seed it.
SEEDABLE = "rng" in inspect.signature(eigsh).parameters

# Krylov spaces do not depend on the shift c. Twice the norm separates the wanted
# eigenvalues from the zeros of deflation.
SHIFT = 2.0


@dataclass(frozen=True)
class Lanczos(IterativeSolver):
    r"""Implicitly restarted Lanczos (ARPACK) on the flipped operator
    :math:`c I - L`, whose largest eigenvalues are the wanted ones.

    For the normalized Laplacian, :math:`c = 2`, the operator is
    :math:`I + D^{-1/2} W D^{-1/2}`: only products are needed, no linear solves.

    The Krylov space of a single vector contains one copy of every multiple eigenvalue,
    so a plain call can miss copies. Therefore the vectors found are deflated, and the
    iteration runs again. If it finds an eigenvalue below the largest one found, the
    result is merged, and the search is repeated.

    Args:
        max_iter (int): Maximum number of restarts of each ARPACK run.
            (default: :obj:`1000`)
    """

    max_iter: int = 1000
    name: ClassVar[str] = "lanczos"

    def _search(
        self, operator: SymmetricOperator, k: int, tol: float, seed: int
    ) -> Iterator[tuple[Tensor, int]]:
        generator = np.random.default_rng(seed)
        search = _Search(
            operator.to_scipy(), operator.null_space, self.max_iter, generator
        )
        found = search.leading(k - operator.null_space.dimension, tol)
        yield torch.from_numpy(found), search.products


@dataclass
class _Search:
    r"""Searches leading eigenvectors of the flipped operator outside a null space."""

    matrix: np.ndarray | csr_matrix
    null_space: NullSpace
    max_iter: int
    generator: np.random.Generator
    products: int = 0

    def leading(self, k: int, tol: float) -> np.ndarray:
        n = self.matrix.shape[0]
        # A residual 100 times smaller than requested costs a quarter more products, and
        # reduces the error of the subspace (residual over gap) by the same factor.
        sharp = max(tol / 100, 4 * np.finfo(np.float64).eps)
        values, vectors = self._arpack(np.zeros(0), np.zeros((n, 0)), k, sharp)
        for _ in range(k):
            if len(values) < k:
                break
            # Any Ritz value is a lower bound of the leading eigenvalue, so a coarse
            # tolerance suffices to detect a missed one.
            missed, _ = self._arpack(values, vectors, 1, max(tol, 1e-4))
            if not len(missed) or missed[0] <= values[0] + tol:
                break
            _, more = self._arpack(values, vectors, k, sharp)
            values, vectors = self._merge(np.hstack([vectors, more]), k)
        if len(values) < k:
            rest = self.generator.standard_normal((n, k - len(values)))
            vectors = np.hstack([vectors, rest])
        return vectors

    def _merge(self, basis: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        basis = np.linalg.qr(basis)[0]
        gram = SHIFT * np.eye(basis.shape[1]) - basis.T @ (self.matrix @ basis)
        values, rotation = np.linalg.eigh((gram + gram.T) / 2)
        return values[-k:], basis @ rotation[:, -k:]

    def _arpack(
        self, values: np.ndarray, vectors: np.ndarray, k: int, tol: float
    ) -> tuple[np.ndarray, np.ndarray]:
        n = self.matrix.shape[0]
        weighted = vectors * values

        def product(x: np.ndarray) -> np.ndarray:
            self.products += 1
            x = self.null_space.project_out(x.reshape(-1))
            y = SHIFT * x - self.matrix @ x
            if vectors.shape[1]:
                y -= weighted @ (vectors.T @ x)
            return self.null_space.project_out(y)

        start = self.null_space.project_out(self.generator.standard_normal((n,)))
        options: dict[str, Any] = {"rng": self.generator} if SEEDABLE else {}
        flipped = LinearOperator((n, n), matvec=product, dtype=np.float64)
        try:
            # Twice ARPACK's default number of Krylov vectors costs nothing if few
            # are needed, and halves the products if the gap is small.
            found: tuple[np.ndarray, np.ndarray] = eigsh(
                flipped,
                k,
                which="LA",
                v0=start,
                ncv=min(n, 2 * k + 20),
                tol=tol,
                maxiter=self.max_iter,
                **options,
            )
        except ArpackNoConvergence as error:
            found = error.eigenvalues, error.eigenvectors
        except ArpackError:
            found = np.zeros(0), np.zeros((n, 0))
        return found
