from pyg_basis.eigen.chebyshev import ChebyshevSubspace
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.lanczos import Lanczos
from pyg_basis.eigen.lobpcg import LOBPCG
from pyg_basis.eigen.solver import Solver
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

SOLVERS: dict[str, Solver] = {
    "chebyshev": ChebyshevSubspace(),
    "dense": Dense(),
    "lanczos": Lanczos(),
    "lobpcg": LOBPCG(),
}

# Dense is quicker than Lanczos up to here (k = 10, one core: 2.9 and 3.1 ms).
DENSE_FIRST_UP_TO = 256
# Dense is no fallback beyond: it would take minutes and gigabytes.
DENSE_UP_TO = 8192
# With a start block LOBPCG is about as quick as Lanczos from here on the host (one
# core), and quicker where the gap is small (sphere, n = 10,000: 0.16 and 0.22 s).
START_BLOCK_FROM = 2048
# From this tolerance on single precision does nearly all the work, and is quicker than
# Lanczos from about here (benchmarks/positional_encoding.py).
SINGLE_PRECISION_FROM = 1e-5
BLOCK_FROM = 1024


def solver_chain(
    solver: str | Solver, operator: SymmetricOperator, has_start: bool, tol: float
) -> list[Solver]:
    r"""The solver asked for, and those to be tried after it if it does not converge.

    Args:
        solver (str or Solver): A name, :obj:`"auto"` among them, or an object.
        operator (SymmetricOperator): The operator.
        has_start (bool): Whether there is a start block.
        tol (float): Bound of the relative residuals.
    """
    n = operator.num_nodes
    if solver != "auto":
        first = SOLVERS[solver] if isinstance(solver, str) else solver
    elif operator.matrix.is_cuda:
        first = SOLVERS["lobpcg"]
    elif n <= DENSE_FIRST_UP_TO:
        first = SOLVERS["dense"]
    elif has_start and n >= START_BLOCK_FROM:
        first = SOLVERS["lobpcg"]
    elif tol >= SINGLE_PRECISION_FROM and n >= BLOCK_FROM:
        first = SOLVERS["chebyshev"]
    else:
        first = SOLVERS["lanczos"]
    chain = [first]
    if not isinstance(first, (Dense, Lanczos)):
        chain.append(SOLVERS["lanczos"])
    if not isinstance(first, Dense) and n <= DENSE_UP_TO:
        chain.append(SOLVERS["dense"])
    return chain
