from dataclasses import dataclass
from math import ceil, inf, log

import torch
from torch import Tensor

from pyg_basis.eigen._chebyshev_filter import chebyshev_filter, log_growth
from pyg_basis.eigen._hubs_first import hubs_first, reordered
from pyg_basis.eigen._null_space import NullSpace
from pyg_basis.eigen._orthonormal_basis import orthonormal_basis
from pyg_basis.eigen._ritz import Ritz, ritz_pairs
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.lobpcg import degree_for
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# Blocks of a multiple of this many columns take the least time a column.
COLUMNS = 8
# Columns beyond the wanted, at least: the filter's rate hangs on the gap to the last.
LEAST_GUARDS = 5
# Where the first filter damps from, as a share of the norm's bound, and its degree; by
# how much the degree may grow from one filter to the next, as the cut gets known; and
# the least degree that is worth a Rayleigh-Ritz step.
FIRST_CUT, FIRST_DEGREE, GROWTH, LEAST_DEGREE = 0.15, 16, 2, 8
# Beyond what the residual shows to be missing, as the block's last value still falls.
MARGIN = 1.25
# Relative residuals below these are roundoff of a long filter.
ROUNDOFF = {torch.float32: 4e-6, torch.float64: 1e-13}


@dataclass(frozen=True)
class ChebyshevSubspace:
    r"""Subspace iteration with Chebyshev filters, from Zhou, Saad, Tiago and
    Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered subspace
    iteration", J. Comput. Phys. 219 (2006), in single precision as far as it carries.

    For a sparse graph and some dozen eigenpairs, a product with a block of columns
    takes a tenth of the time, a column, of one with a single vector, and in single
    precision half of that again. That outweighs the more products that a block needs
    than Lanczos does. Each filter is followed by a Rayleigh-Ritz step, which tells
    where the next one may cut and how long it must be. Residuals below
    :obj:`4e-6` need double precision, which goes on where single precision ends.

    The null space of a Laplacian is written down from the components of its graph.
    Copies of an eigenvalue are found together, as many as the block has room for.

    Args:
        max_products (int): Products of the operator and the block at most. Where
            the gaps are so small that more would be needed, the search ends at once.
            (default: :obj:`2000`)
    """

    max_products: int = 2000

    def __post_init__(self) -> None:
        if self.max_products < 1:
            raise ValueError(
                f"max_products={self.max_products} must be at least 1: leave it out "
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
        r"""See :meth:`Solver.solve`; :obj:`x0` plays no role. The work is done in host
        memory.

        Hands over to :class:`Dense` where the block would be much of the whole space.
        """
        n = operator.num_nodes
        size = COLUMNS * ceil((k + LEAST_GUARDS) / COLUMNS)
        if n < 5 * size:
            return Dense().solve(operator, k, x0, tol, seed)
        null_space = NullSpace.of(operator, tol)
        known = torch.from_numpy(null_space.basis(k))
        if known.shape[1] == k:
            known = known.to(operator.matrix.device)
            return operator.rayleigh_ritz(known, k, tol, 0, "chebyshev")
        search = _Search(operator, null_space, k - known.shape[1], size, seed)
        for dtype, floor in ROUNDOFF.items():
            goal = max(0.8 * tol, floor)
            block = search.refine(dtype, goal, self.max_products)
            basis = torch.empty(n, k, dtype=torch.float64)
            basis[:, : known.shape[1]] = known
            basis[:, known.shape[1] :] = block
            vectors = orthonormal_basis(basis.to(operator.matrix.device))
            pairs = operator.measure(
                vectors, tol, search.products, "chebyshev", spare=basis
            )
            if pairs.converged or search.is_stuck:
                break
        return pairs


class _Search:
    r"""Brings a random block to the first eigenvectors off a null space."""

    def __init__(
        self,
        operator: SymmetricOperator,
        null_space: NullSpace,
        k: int,
        size: int,
        seed: int,
    ) -> None:
        self.matrix = operator.matrix.cpu()
        self.order = hubs_first(self.matrix)
        self.bound = operator.norm_bound
        if self.order is not None:
            null_space = null_space.reordered(self.order.numpy())
        self.null_space = null_space
        self.k = k
        generator = torch.Generator().manual_seed(seed)
        self.block = torch.rand(operator.num_nodes, size, generator=generator).sub_(0.5)
        self.first, self.cut = 0.0, FIRST_CUT * self.bound
        self.degree = FIRST_DEGREE
        self.products = 0
        self.is_stuck = False

    def refine(self, dtype: torch.dtype, goal: float, max_products: int) -> Tensor:
        r"""Filters in this precision until the relative residuals of the first
        :obj:`k` columns, which are returned, are below the goal."""
        matrix = self.matrix.to(dtype)
        if self.order is not None:
            matrix = reordered(matrix, self.order)
        self.block = self.null_space.project_out_(self.block.to(dtype))
        spare = torch.empty_like(self.block)
        while True:
            filtered = chebyshev_filter(
                matrix,
                self.block,
                self.first,
                self.cut,
                self.bound,
                self.degree,
                spare,
            )
            spare = self.block if filtered is spare else spare
            # The filter favours the null space over all that is looked for.
            filtered = self.null_space.project_out_(filtered)
            ritz = ritz_pairs(matrix, filtered, spare)
            self.block, spare = ritz.x, ritz.image
            self.products += self.degree + 1
            residual = self._residual(ritz)
            still_needed = self._plan(ritz, residual / goal)
            if residual <= goal or self.products + still_needed > max_products:
                self.is_stuck = residual > goal
                return self._in_the_order_of_the_operator(self.block[:, : self.k])

    def _in_the_order_of_the_operator(self, block: Tensor) -> Tensor:
        if self.order is None:
            return block
        return torch.empty_like(block).index_copy_(0, self.order, block)

    def _residual(self, ritz: Ritz) -> float:
        # In the place of the image, which is not needed any more.
        residual = ritz.image.addcmul_(ritz.x, ritz.values, value=-1)[:, : self.k]
        return float(residual.norm(dim=0).max()) / self.bound

    def _plan(self, ritz: Ritz, excess: float) -> float:
        r"""Sets the next filter; the number of products that are still needed."""
        self.first, last, end = (float(ritz.values[i]) for i in (0, self.k - 1, -1))
        self.cut = min(end, 0.5 * self.bound)
        rate = log_growth(last, self.cut, self.bound, 1)
        missing = log(max(excess, 1.0)) + MARGIN
        degree = min(degree_for(missing, rate), GROWTH * self.degree)
        self.degree = max(LEAST_DEGREE, degree)
        return missing / rate if rate > 0 else inf
