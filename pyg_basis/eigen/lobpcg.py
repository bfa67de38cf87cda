from dataclasses import dataclass, replace
from math import ceil, inf, log

import torch
from torch import Tensor

from pyg_basis.eigen._chebyshev_filter import chebyshev_filter, log_growth
from pyg_basis.eigen._orthonormalize import orthonormalize
from pyg_basis.eigen._ritz import Ritz, ritz_pairs, small_eigh
from pyg_basis.eigen._start_block import GUARD_NOISE, start_block
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.filter_window import FilterWindow
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# A windowed filter favours the wanted over the rest by e to this power: what brings
# most start blocks, off by a tenth, to seven digits. A second filter adds the rest.
WINDOW_GROWTH = 16.5
# A longer filter would leave columns that are nearly dependent.
MOST_DEGREE = 200
# How far beyond tol the residuals are driven at most, where the gap is small.
SHARPEST = 1e-4


@dataclass(frozen=True)
class LOBPCG:
    r"""Locally optimal block preconditioned conjugate gradients, from Knyazev,
    "Toward the Optimal Preconditioned Eigensolver", SIAM J. Sci. Comput. 23 (2001).

    Each iteration takes the best block within the span of the current block
    :math:`X`, its residuals :math:`R` and the last search directions :math:`P`. The
    basis :math:`[X, P, R]` is kept orthonormal, with :math:`P` from the coefficients
    of the Rayleigh-Ritz step, as in Duersch, Shao, Yang and Gu, "A Robust and
    Efficient Implementation of LOBPCG", SIAM J. Sci. Comput. 40 (2018).

    The first iterations apply a Chebyshev filter to the block instead. With a
    :obj:`window`, the first filter is as long as a good start block needs to become
    the answer, so that one Rayleigh-Ritz step behind it usually ends the work.

    Runs on any device, and gains from a start block close to the answer.

    Args:
        num_guards (int): Columns beyond those asked for. The error shrinks with the
            gap to the first eigenvalue outside the block, which they push away.
            (default: :obj:`6`)
        max_iter (int): Iterations at most, filters included. (default: :obj:`200`)
        num_filters (int): How many of the first iterations apply a filter. They
            take more products and far less of all else, which brings a block of any
            start close in a third of the time. (default: :obj:`8`)
        filter_degree (int): The degree of the first filter without a window, at
            most; later ones may be longer, as the cut gets known.
            (default: :obj:`12`)
        window (FilterWindow, optional): What is known of the spectrum, the number
            of guards included. (default: :obj:`None`)
    """

    num_guards: int = 6
    max_iter: int = 200
    num_filters: int = 8
    filter_degree: int = 12
    window: FilterWindow | None = None

    def __post_init__(self) -> None:
        lowest = {"num_guards": 1, "max_iter": 1, "num_filters": 0, "filter_degree": 1}
        for name, bound in lowest.items():
            if getattr(self, name) < bound:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be at least {bound}: leave it "
                    f"out for the default"
                )

    def solve(
        self,
        operator: SymmetricOperator,
        k: int,
        x0: Tensor | None = None,
        tol: float = 1e-6,
        seed: int = 0,
    ) -> Eigenpairs:
        r"""See :meth:`Solver.solve`.

        Hands over to :class:`Dense` where the basis of three blocks would be most
        of the whole space.
        """
        n, window = operator.num_nodes, self.window
        size = k + (self.num_guards if window is None else window.num_guards)
        if n < 5 * size:
            return Dense().solve(operator, k, x0, tol, seed)
        block = start_block(operator, k, size, x0, seed)
        # In random vectors a single direction makes up n^-1/2.
        revealing = log(10 * n**0.5 / GUARD_NOISE) if x0 is not None else 0.0
        if window is None:
            return self._unguided(operator, k, block, tol, revealing)
        guided = self._guided(operator, k, block, tol, revealing, window)
        return guided or replace(self, window=None).solve(operator, k, x0, tol, seed)

    def _guided(
        self,
        operator: SymmetricOperator,
        k: int,
        x: Tensor,
        tol: float,
        revealing: float,
        window: FilterWindow,
    ) -> Eigenpairs | None:
        r"""Filters alone, as the window has it; nothing if it is of no use here."""
        bound = operator.norm_bound
        wanted, cut, upper = bound * window.wanted, bound * window.cut, bound
        upper *= min(window.upper, 1.0)
        if cut >= upper:
            return None
        degree = degree_for(WINDOW_GROWTH, window.rate)
        growth, scale = 0.0, wanted
        for iteration in range(1, self.num_filters + 1):
            x = chebyshev_filter(operator.matrix, x, scale, cut, upper, degree)
            if _overflows(x):
                return None
            ritz = ritz_pairs(operator.matrix, x)
            x, first, last, end = ritz.x, *_at(ritz.values, 0, k - 1, -1)
            if end > upper or last >= bound * window.cut:
                return None  # The filter raised the rest, or damped all.
            growth += _favour(last, end, cut, upper, degree)
            excess = _excess(ritz, k, bound, tol)
            if growth >= revealing and excess <= 1:
                return operator.measure(x[:, :k], tol, iteration, "lobpcg")
            # Just as long as the missing digits ask for.
            scale, cut = first, min(end, cut)
            missing = max(log(max(excess, 1)), revealing - growth) + 1
            degree = degree_for(missing, log_growth(last, cut, upper, 1))
            if not first < cut:
                return None
        return None

    def _unguided(
        self,
        operator: SymmetricOperator,
        k: int,
        x: Tensor,
        tol: float,
        revealing: float,
    ) -> Eigenpairs:
        r"""Filters whose cut is the block's own last value, then LOBPCG's steps."""
        matrix, bound, size = operator.matrix, operator.norm_bound, x.size(1)
        ritz = ritz_pairs(matrix, x)
        p = image_p = x[:, :0]
        iteration, guard, growth = 0, inf, 0.0
        while True:
            earlier = guard
            last, guard = _at(ritz.values, k - 1, k)
            # Small residuals are not all: a start block may hold eigenvectors, but not
            # the first ones, while the random guards are on their way down to what is
            # missing. The filters must favour what is missing so much over all beyond
            # the block that they cannot hide it, or, after them, the guards settle.
            settled = growth >= revealing
            if iteration > self.num_filters:
                settled = settled or earlier - guard <= 0.1 * (guard - last)
            excess = _excess(ritz, k, bound, tol)
            if (settled and excess <= 1) or iteration == self.max_iter:
                pairs = operator.measure(ritz.x[:, :k], tol, iteration, "lobpcg")
                return replace(pairs, converged=pairs.converged and settled)
            iteration += 1
            first, end = _at(ritz.values, 0, -1)
            cut = min(end, bound / 2)
            rate = log_growth(last, cut, bound, 1)
            if iteration <= self.num_filters and rate > 0:
                # As long as the missing digits ask for, and as the cut can be trusted.
                missing = max(log(max(excess, 1)), revealing - growth) + 1
                most = min(self.filter_degree * iteration**2, MOST_DEGREE)
                degree = min(max(degree_for(missing, rate), self.filter_degree), most)
                x = chebyshev_filter(matrix, ritz.x, first, cut, bound, degree)
                ritz = ritz_pairs(matrix, x)
                p = image_p = x[:, :0]  # The old directions belong to the old block.
                last, end = _at(ritz.values, k - 1, -1)
                growth += _favour(last, end, cut, bound, degree)
                continue
            # Soft locking: converged columns stay in the block but need no more
            # directions, which would be roundoff.
            x, image_x, values = ritz
            residual = image_x - x * values
            norms = residual.norm(dim=0) / bound
            known = torch.cat([x, p], dim=1)
            active = norms > 0.1 * _sharpest(values, k, bound, tol)
            r = orthonormalize(residual[:, active], known)
            basis = torch.cat([known, r], dim=1)
            image = torch.cat([image_x, image_p, matrix @ r], dim=1)
            values, rotation = small_eigh(basis.t() @ image)
            values, head, others = values[:size], rotation[:, :size], rotation[:, size:]
            # The new directions: the part of the step that leaves the old block, made
            # orthogonal to the new block within the small space. All other Ritz
            # vectors are so already.
            tail = others @ torch.linalg.qr(others[:size].t()).Q
            ritz = Ritz(basis @ head, image @ head, values)
            p, image_p = basis @ tail, image @ tail


def degree_for(growth: float, rate: float) -> int:
    r"""The degree of a filter that favours the wanted by :obj:`growth`, at
    :obj:`rate` for each degree; :obj:`MOST_DEGREE` at most."""
    return MOST_DEGREE if rate * MOST_DEGREE <= growth else ceil(growth / rate)


def _at(values: Tensor, *places: int) -> list[float]:
    return [float(values[place]) for place in places]


def _sharpest(values: Tensor, k: int, bound: float, tol: float) -> float:
    r"""What relative residuals must not exceed. The subspace is off by the residual
    over the gap, so they are to be small beside the gap, as far as it can be told and
    roundoff allows; what is reached is held against tol."""
    gap = float(values[k] - values[k - 1]) / bound
    return max(tol * min(max(gap, SHARPEST), 1.0), min(tol, 1e-12))


def _excess(ritz: Ritz, k: int, bound: float, tol: float) -> float:
    r"""The largest residual of the wanted, in units of what it must not exceed."""
    residual = (ritz.image - ritz.x * ritz.values)[:, :k]
    largest = float(residual.norm(dim=0).max()) / bound
    return largest / _sharpest(ritz.values, k, bound, tol)


def _favour(
    wanted: float, beyond: float, cut: float, upper: float, degree: int
) -> float:
    r"""The logarithm of the factor by which a filter favours anything below the last
    wanted value over all that the block has no room for."""
    favour = log_growth(wanted, cut, upper, degree)
    return favour - log_growth(beyond, cut, upper, degree)


def _overflows(block: Tensor) -> bool:
    r"""Whether a window was so far off that the filter raised the rest beyond what
    can be made orthonormal."""
    return not bool(block.norm(dim=0).isfinite().all())
