import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse.linalg
import torch
from torch import Tensor

from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.eigen.iterative_solver import BASES, IterativeSolver
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# Start columns with a smaller share outside the null space carry no information.
LEAST_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class LOBPCG(IterativeSolver):
    r"""Locally optimal block preconditioned conjugate gradients, from Knyazev,
    "Toward the Optimal Preconditioned Eigensolver", SIAM J. Sci. Comput. 23 (2001), by
    :func:`scipy.sparse.linalg.lobpcg`, in host memory.

    Each iteration computes the best block in the span of the current block, its
    residuals and the last search directions. A start block close to the solution
    speeds it up.

    Args:
        num_guards (int): Additional columns. The error decreases with the gap to the
            first eigenvalue outside the block, which they enlarge.
            (default: :obj:`6`)
        max_iter (int): Maximum number of iterations. (default: :obj:`200`)
        start (Tensor, optional): A guess of the eigenvectors of the operator, for the
            random walk Laplacian of its symmetric form, shape :obj:`[n, p]`. Unusable
            columns (not finite, dependent) are replaced by random ones.
            (default: :obj:`None`)
    """

    num_guards: int = 6
    max_iter: int = 200
    start: Tensor | None = None
    name: ClassVar[str] = "lobpcg"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_start()

    def _search(
        self, operator: SymmetricOperator, k: int, tol: float, seed: int
    ) -> Iterator[tuple[Tensor, int]]:
        size = min(k + self.num_guards, operator.num_nodes // BASES)
        null_space = operator.null_space
        known = null_space.basis(k)
        block = self._start_block(null_space, size - known.shape[1], seed)
        with warnings.catch_warnings():
            # Convergence is checked later, from measured residuals.
            warnings.simplefilter("ignore")
            found, history = scipy.sparse.linalg.lobpcg(
                operator.to_scipy(),
                torch.linalg.qr(block).Q.numpy(),
                Y=known if known.shape[1] else None,
                # Guards need not converge, but SciPy waits for all columns.
                tol=tol / 2,
                maxiter=self.max_iter,
                largest=False,
                retLambdaHistory=True,
            )[1:]
        yield torch.from_numpy(found), len(history)

    def _start_block(self, null_space: NullSpace, size: int, seed: int) -> Tensor:
        r"""Returns random columns outside the null space. The first are close to the
        start columns that are finite and not in the null space."""
        n = len(null_space.labels)
        noise = np.random.default_rng(seed).standard_normal((n, size)) / n**0.5
        block = torch.from_numpy(noise)
        if self.start is not None:
            self._check_start(n)
            given = self.start.detach().cpu().double()
            # Scale by the largest entries first: squares might overflow. Columns that
            # are not finite, or zero, become NaN.
            given = given / given.abs().amax(dim=0)
            length = given.norm(dim=0)
            given = null_space.project_out_(given)
            given = given[:, given.norm(dim=0) > LEAST_SHARE * length][:, :size]
            # Noise makes dependent columns independent.
            block[:, : given.size(1)] *= 1e-3
            block[:, : given.size(1)] += given / given.norm(dim=0)
        return null_space.project_out_(block)

    def _check_start(self, n: int | None = None) -> None:
        start: object = self.start
        shape = list(start.shape) if isinstance(start, Tensor) else type(start).__name__
        is_block = (
            isinstance(start, Tensor)
            and start.dim() == 2
            and start.layout == torch.strided
            and not (start.is_complex() or start.is_meta)
            and n in (None, start.size(0))
        )
        if start is not None and not is_block:
            raise ValueError(
                f"start must be a dense, real tensor of shape [{n or 'n'}, p], got "
                f"{shape}: pass the start vectors as columns, or None"
            )
