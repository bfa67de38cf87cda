import warnings
from dataclasses import replace
from math import inf

import torch
from torch import Tensor

from pyg_basis._precision import without_autocast
from pyg_basis.eigen._normalize_signs import normalize_signs
from pyg_basis.eigen._trivial_first import trivial_first
from pyg_basis.eigen._validation import (
    check_k,
    check_solver,
    check_start,
    check_tol,
    checked_matrix,
)
from pyg_basis.eigen.chebyshev import ChebyshevSubspace
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.lanczos import Lanczos
from pyg_basis.eigen.lobpcg import LOBPCG
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.solver import Solver
from pyg_basis.eigen.symmetric_operator import SymmetricOperator
from pyg_basis.graph import Laplacian

SOLVERS: dict[str, Solver] = {
    "chebyshev": ChebyshevSubspace(),
    "dense": Dense(),
    "lanczos": Lanczos(),
    "lobpcg": LOBPCG(),
}

# Dense is quicker than Lanczos up to so many nodes. Filters are quicker from so many
# on, if there are so many for each eigenpair (benchmarks/experiments/step_cost.py).
DENSE_FIRST_UP_TO = 256
FILTERS_FROM, FILTERS_FROM_EACH = 1024, 60
# Dense is no fallback beyond: it would take minutes and gigabytes.
DENSE_UP_TO = 8192


@torch.no_grad()
def eigenpairs(
    operator: Laplacian | Tensor,
    k: int,
    solver: str | Solver = "auto",
    x0: Tensor | None = None,
    tol: float = 1e-6,
    seed: int = 0,
) -> Eigenpairs:
    r"""The :obj:`k` smallest eigenvalues of a symmetric operator and their vectors.

    .. math::
        L v_j = \lambda_j v_j, \quad 0 \le \lambda_1 \le \dots \le \lambda_k

    The work is done in double precision; the result has the operator's dtype and
    device. A solver that does not reach :obj:`tol` is followed by the next of its own
    choice, Lanczos and dense; :obj:`Eigenpairs.solver` names the one that gave the
    result. Of each vector the entry of largest magnitude is positive. If the null
    space of a Laplacian is multiple, the trivial vector comes first.

    Args:
        operator (Laplacian or Tensor): A Laplacian, or any symmetric matrix, dense
            or sparse, shape :obj:`[n, n]`. For the random walk Laplacian the
            eigenvectors :math:`u` of its symmetric form are found and
            :math:`D^{-1/2} u` returned, columns of unit norm.
        k (int): The number of eigenpairs, from 1 to :math:`n`.
        solver (str or Solver): :obj:`"chebyshev"`, :obj:`"dense"`, :obj:`"lanczos"`,
            :obj:`"lobpcg"`, a solver object with settings of its own, or
            :obj:`"auto"`, which chooses by size and device. (default: :obj:`"auto"`)
        x0 (Tensor, optional): A guess of the vectors, in the form they are returned
            in, shape :obj:`[n, p]`. Unusable columns (not finite, dependent) are
            replaced by random ones. Only LOBPCG gains from it.
            (default: :obj:`None`)
        tol (float): Bound of the residuals relative to the operator's norm. The
            subspace is off by about the residual over the relative gap between the
            last eigenvalue and the next. (default: :obj:`1e-6`)
        seed (int): Seed of the random start vectors. (default: :obj:`0`)

    Returns:
        Eigenpairs: Values, vectors, residuals, and whether they converged.

    Raises:
        ValueError: If :obj:`operator` is not a square, symmetric, finite matrix,
            :obj:`k` is not in 1 to :math:`n`, :obj:`solver` is unknown, :obj:`x0`
            does not have :math:`n` rows, or :obj:`tol` is not positive.

    Warns:
        RuntimeWarning: If no solver reached :obj:`tol`. The best result is returned,
            with :obj:`converged=False`.
    """
    matrix = checked_matrix(operator)
    check_k(k, matrix.size(0))
    check_solver(solver, ["auto", *SOLVERS])
    check_start(x0, matrix.size(0))
    check_tol(tol)
    scale = None
    if isinstance(operator, Laplacian):
        symmetric = SymmetricOperator.from_laplacian(operator)
        if operator.kind == "rw":
            degree = operator.degree.to(torch.float64)
            scale = torch.where(degree > 0, degree, 1.0).rsqrt().unsqueeze(1)
            x0 = x0 if x0 is None else x0.to(scale) / scale
    else:
        symmetric = SymmetricOperator.from_tensor(operator)

    dtype = matrix.dtype if matrix.is_floating_point() else torch.get_default_dtype()
    with without_autocast(matrix.device):
        best = _solve(symmetric, int(k), solver, x0, tol, seed)
        best = trivial_first(best, symmetric, torch.finfo(dtype).eps, tol)
    if not best.converged:
        warnings.warn(
            f"eigenpairs: residual {float(best.residuals.max()):.2e} of solver "
            f"'{best.solver}' is above tol={tol:.2e} after {best.iterations} "
            f"iterations: raise tol, or pass a solver object that may do more, such as "
            f"Lanczos(max_iter=10000)",
            RuntimeWarning,
            stacklevel=3,  # the decorator is a frame as well
        )
    values, vectors = best.values, best.vectors
    if isinstance(operator, Laplacian):
        values = values.clamp(min=0)  # Roundoff may leave -1e-16.
    if scale is not None:
        vectors = vectors * scale
        vectors = vectors / vectors.norm(dim=0)
    return replace(
        best,
        values=values.to(dtype),
        vectors=normalize_signs(vectors.to(dtype)),
        residuals=best.residuals.to(dtype),
    )


def _solve(
    operator: SymmetricOperator,
    k: int,
    solver: str | Solver,
    x0: Tensor | None,
    tol: float,
    seed: int,
) -> Eigenpairs:
    r"""The first converged result of the chain of solvers, or else the best one."""
    results = []
    for candidate in _solver_chain(solver, operator, k):
        results.append(candidate.solve(operator, k, x0, tol, seed))
        if results[-1].converged:
            return replace(results[-1], fell_back=len(results) > 1)
    # A residual of NaN never counts as the best.
    best = min(results, key=lambda pairs: float(pairs.residuals.max().nan_to_num(inf)))
    return replace(best, fell_back=len(results) > 1)


def _solver_chain(
    solver: str | Solver, operator: SymmetricOperator, k: int
) -> list[Solver]:
    r"""The solver asked for, and those to be tried after it if it does not converge.

    Args:
        solver (str or Solver): A name, :obj:`"auto"` among them, or an object.
        operator (SymmetricOperator): The operator.
        k (int): The number of eigenpairs.
    """
    n = operator.num_nodes
    if solver != "auto":
        first = SOLVERS[solver] if isinstance(solver, str) else solver
    elif n <= DENSE_FIRST_UP_TO:
        first = SOLVERS["dense"]
    elif n >= max(FILTERS_FROM, FILTERS_FROM_EACH * k) or operator.matrix.is_cuda:
        first = SOLVERS["chebyshev"]
    else:
        first = SOLVERS["lanczos"]
    chain = [first]
    if not isinstance(first, (Dense, Lanczos)):
        chain.append(SOLVERS["lanczos"])
    if not isinstance(first, Dense) and n <= DENSE_UP_TO:
        chain.append(SOLVERS["dense"])
    return chain
