import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg
import torch
from torch import Tensor

from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# Columns of a start block with less of themselves off the null space say nothing.
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class LOBPCG:
    r"""Locally optimal block preconditioned conjugate gradients, from Knyazev,
    "Toward the Optimal Preconditioned Eigensolver", SIAM J. Sci. Comput. 23 (2001), by
    :func:`scipy.sparse.linalg.lobpcg`.

    Each iteration takes the best block within the span of the current block, its
    residuals and the last search directions. It gains from a start block close to the
    answer. The null space of a Laplacian is written down from the components of its
    graph and kept out of the iteration.

    Args:
        num_guards (int): Columns beyond those asked for. The error shrinks with the
            gap to the first eigenvalue outside the block, which they push away.
            (default: :obj:`6`)
        max_iter (int): Iterations at most. (default: :obj:`200`)
    """

    num_guards: int = 6
    max_iter: int = 200

    def __post_init__(self) -> None:
        for name in ("num_guards", "max_iter"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be at least 1: leave it out "
                    f"for the default"
                )

    def solve(
        self,
        operator: SymmetricOperator,
        k: int,
        x0: Tensor | None = None,
        tol: float = 1e-6,
        seed: int = 0,
    ) -> Eigenpairs:
        r"""See :meth:`Solver.solve`. The work is done in host memory.

        Hands over to :class:`Dense` where the basis of three blocks would be most of
        the whole space.
        """
        n, size = operator.num_nodes, k + self.num_guards
        if n < 5 * size:
            return Dense().solve(operator, k, x0, tol, seed)
        null_space = NullSpace.of(operator, tol)
        known = null_space.basis(k)
        if known.shape[1] < k:
            start = _start_block(x0, null_space, size - known.shape[1], seed)
            with warnings.catch_warnings():
                # What is reached is measured below.
                warnings.simplefilter("ignore")
                found, history = scipy.sparse.linalg.lobpcg(
                    operator.to_scipy() / operator.norm_bound,
                    torch.linalg.qr(start).Q.numpy(),
                    Y=known if known.shape[1] else None,
                    # The guards need not converge, and SciPy waits for all columns.
                    tol=tol / 2,
                    maxiter=self.max_iter,
                    largest=False,
                    retLambdaHistory=True,
                )[1:]
            known, iterations = np.hstack([known, found]), len(history)
        else:
            iterations = 0
        basis = torch.from_numpy(known).to(operator.matrix.device)
        return operator.rayleigh_ritz(basis, k, tol, iterations, "lobpcg")


def _start_block(
    x0: Tensor | None, null_space: NullSpace, size: int, seed: int
) -> Tensor:
    r"""Random columns off the null space, the first of which are close to those of a
    start block that are finite and have a part off it."""
    n = len(null_space.labels)
    noise = np.random.default_rng(seed).standard_normal((n, size)) / n**0.5
    block = torch.from_numpy(noise)
    if x0 is not None:
        given = x0.detach().cpu().double()
        # First by the largest entries, whose squares might overflow. Columns that are
        # not finite, or zero, turn to NaN.
        given = given / given.abs().amax(dim=0)
        length = given.norm(dim=0)
        given = null_space.project_out_(given)
        given = given[:, given.norm(dim=0) > LEAST_SHARE * length][:, :size]
        # Some noise in each keeps columns that depend on each other apart.
        block[:, : given.size(1)] *= 1e-3
        block[:, : given.size(1)] += given / given.norm(dim=0)
    return null_space.project_out_(block)
