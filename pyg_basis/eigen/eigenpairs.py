from dataclasses import replace
from math import inf

import torch
from sklearn.utils._param_validation import HasMethods
from torch import Tensor

from pyg_basis._constraints import (
    POSITIVE,
    SEED,
    StrOptions,
    between,
    check_arguments,
)
from pyg_basis._precision import without_autocast
from pyg_basis._warn import warn
from pyg_basis.eigen._canonical_basis import normalize_signs
from pyg_basis.eigen.chebyshev import ChebyshevSubspace
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.lanczos import Lanczos
from pyg_basis.eigen.lobpcg import LOBPCG
from pyg_basis.eigen.rayleigh_ritz import Ritz
from pyg_basis.eigen.result import Eigenpairs, Solver
from pyg_basis.eigen.symmetric_operator import SymmetricOperator
from pyg_basis.graph import Laplacian

SOLVERS: dict[str, Solver] = {
    "chebyshev": ChebyshevSubspace(),
    "dense": Dense(),
    "lanczos": Lanczos(),
    "lobpcg": LOBPCG(),
}

# Up to this many nodes, dense is faster than Lanczos. From this many nodes on, and this
# many per eigenpair, filters are faster (benchmarks/experiments/step_cost.py).
DENSE_FIRST_UP_TO = 256
FILTERS_FROM, FILTERS_FROM_EACH = 1024, 60
# For more nodes, dense is no fallback: it would take minutes and gigabytes.
DENSE_UP_TO = 8192

SOLVER = [StrOptions({"auto", *SOLVERS}), HasMethods("solve")]
CONSTRAINTS = {"tol": [POSITIVE], "seed": [SEED]}


@torch.no_grad()
def eigenpairs(
    operator: Laplacian | Tensor,
    k: int,
    solver: str | Solver = "auto",
    tol: float = 1e-6,
    seed: int = 0,
) -> Eigenpairs:
    r"""The :obj:`k` smallest eigenpairs of a symmetric operator.

    .. math::
        L v_j = \lambda_j v_j, \quad 0 \le \lambda_1 \le \dots \le \lambda_k

    The result is refined and its residuals are measured in double precision; it has
    the operator's dtype and device. If a solver does not reach :obj:`tol`, Lanczos is
    tried next, and, up to 8,192 nodes, the dense solver. :obj:`Eigenpairs.solver`
    names the one that gave the result. The entry of largest magnitude of each vector is
    positive. If the null space of a Laplacian is multiple, the trivial vector comes
    first.

    Args:
        operator (Laplacian or Tensor): A Laplacian, or any symmetric matrix, dense
            or sparse, shape :obj:`[n, n]`. For the random walk Laplacian, the
            eigenvectors :math:`u` of its symmetric form are computed and
            :math:`D^{-1/2} u` returned, with columns of unit norm.
        k (int): The number of eigenpairs, from 1 to :math:`n`.
        solver (str or Solver): :obj:`"chebyshev"`, :obj:`"dense"`, :obj:`"lanczos"`,
            :obj:`"lobpcg"`, a solver object with its own settings, or :obj:`"auto"`,
            which chooses by size and device. (default: :obj:`"auto"`)
        tol (float): Bound of the residuals relative to the operator's norm. The error
            of the subspace is about the residual over the relative gap between the
            last eigenvalue and the next. Within it, vectors whose eigenvalues differ by
            less than the squared residual over that gap are mixed; only
            :func:`component_eigenpairs` separates them. (default: :obj:`1e-6`)
        seed (int): Seed of the random start vectors. (default: :obj:`0`)

    Returns:
        Eigenpairs: Values, vectors, residuals, and whether they converged.

    Raises:
        ValueError: If :obj:`operator` is not a square, symmetric, finite matrix,
            :obj:`k` is not in 1 to :math:`n`, :obj:`solver` is unknown,
            :obj:`tol` is not positive, or :obj:`seed` is negative.

    Warns:
        RuntimeWarning: If no solver reached :obj:`tol`. The best result is returned,
            with :obj:`converged=False`.
    """
    symmetric = SymmetricOperator.of(operator)
    n = symmetric.num_nodes
    constraints = {"k": [between(1, n)], **CONSTRAINTS}
    check_arguments(constraints, "eigenpairs", k=k, tol=tol, seed=seed)
    k, tol, seed = int(k), float(tol), int(seed)
    solvers = solver_chain(solver, symmetric, k)
    given = operator.matrix if isinstance(operator, Laplacian) else operator
    dtype = given.dtype if given.is_floating_point() else torch.get_default_dtype()
    with without_autocast(given.device):
        best = first_converged(symmetric, k, solvers, tol, seed)
        best = _trivial_first(best, symmetric, torch.finfo(dtype).eps, tol)
    warn_unless_converged(best, tol)
    values, vectors = symmetric.unscaled(best.values), best.vectors
    if isinstance(operator, Laplacian):
        values = values.clamp(min=0)  # Rounding may leave -1e-16.
        if operator.kind == "rw":
            vectors = vectors / operator.root_degree.double().unsqueeze(1)
            vectors = vectors / vectors.norm(dim=0)
    return replace(
        best,
        values=values.to(dtype),
        vectors=normalize_signs(vectors.to(dtype)),
        residuals=best.residuals.to(dtype),
    )


def warn_unless_converged(pairs: Eigenpairs, tol: float) -> None:
    r"""Warns if residuals are above :obj:`tol`."""
    if not pairs.converged:
        warn(
            f"eigenpairs: residual {float(pairs.residuals.max()):.2e} of solver "
            f"'{pairs.solver}' is above tol={tol:.2e} after {pairs.iterations} "
            f"iterations: raise tol, or pass a solver object that may do more, such as "
            f"Lanczos(max_iter=10000)",
            RuntimeWarning,
        )


def first_converged(
    operator: SymmetricOperator, k: int, solvers: list[Solver], tol: float, seed: int
) -> Eigenpairs:
    r"""Returns the first converged result of a chain of solvers, or the best one."""
    results = []
    for solver in solvers:
        found = solver.solve(operator, k, tol, seed)
        if getattr(found, "vectors", torch.empty(0)).shape != (operator.num_nodes, k):
            raise ValueError(
                f"solver={solver!r} does not return Eigenpairs with vectors of shape "
                f"[{operator.num_nodes}, {k}]: correct its method solve"
            )
        results.append(found)
        if found.converged:
            return replace(found, fell_back=len(results) > 1)
    # NaN residuals never count as the best.
    best = min(results, key=lambda pairs: float(pairs.residuals.max().nan_to_num(inf)))
    return replace(best, fell_back=len(results) > 1)


def solver_chain(
    solver: str | Solver, operator: SymmetricOperator, k: int
) -> list[Solver]:
    r"""Returns the requested solver and its fallbacks."""
    n = operator.num_nodes
    has_solve = callable(getattr(solver, "solve", None))
    if isinstance(solver, str) and solver in SOLVERS:
        first = SOLVERS[solver]
    elif has_solve and not isinstance(solver, (str, type, Tensor)):
        first = solver
    elif not isinstance(solver, str) or solver != "auto":
        raise ValueError(
            f"solver={solver!r} is neither a name nor an object with a method solve: "
            f"pass 'auto', {', '.join(map(repr, SOLVERS))}, or an object such as "
            f"LOBPCG()"
        )
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


def _trivial_first(
    pairs: Eigenpairs, operator: SymmetricOperator, precision: float, tol: float
) -> Eigenpairs:
    r"""Rotates the basis of a multiple null space so that the trivial vector is first.

    For several components, solvers return a random basis of the null space. With the
    trivial vector in the first column, dropping this column drops nothing else.

    Eigenvalues up to :obj:`precision`, relative to the norm bound, are zero within the
    rounding of the operator.
    """
    null = pairs.values.abs() <= min(precision, tol / 10) * operator.norm_bound
    size = int(null.sum())
    # A single null vector is the trivial one, unless k truncates the null space.
    is_alone = size < 2 and size < pairs.vectors.size(1)
    if operator.null_space.dimension == 0 or size == 0 or is_alone:
        return pairs
    trivial = torch.from_numpy(operator.null_space.trivial).to(pairs.vectors)
    trivial = trivial.unsqueeze(1)
    # The orthogonal complement of the trivial vector within the span.
    turn = torch.linalg.qr(pairs.vectors.t() @ trivial, mode="complete").Q[:, 1:]
    rest, k = pairs.vectors @ turn, pairs.vectors.size(1)
    if k > 1:
        rest = operator.rayleigh_ritz(rest, k - 1, tol, 0, "").vectors
    vectors = torch.cat([trivial, rest], dim=1)
    image = operator.matrix @ vectors
    # Rayleigh quotients of one eigenspace differ by rounding, in any order.
    values = (vectors * image).sum(dim=0).sort().values
    turned = operator.measured(
        Ritz(vectors, image, values), tol, pairs.iterations, pairs.solver
    )
    return replace(turned, fell_back=pairs.fell_back)
