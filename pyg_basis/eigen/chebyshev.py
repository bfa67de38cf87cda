from collections.abc import Iterator
from dataclasses import dataclass
from math import acosh, ceil, inf, log
from typing import ClassVar

import torch
from torch import Tensor

from pyg_basis.eigen.iterative_solver import IterativeSolver
from pyg_basis.eigen.rayleigh_ritz import ritz_pairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# Blocks of a multiple of this many columns take the least time per column.
COLUMNS = 8
# Number of guard columns, at least, and relative to the wanted ones: the convergence
# rate depends on the gap to the last column.
LEAST_GUARDS, GUARDS = 5, 0.25
# The first filter: lower end of its damped interval, relative to the norm bound, and
# its degree; and by how much the degree may grow between filters, as the cut improves.
# Filters below the least degree are not worth a Rayleigh-Ritz step; those above the
# largest make columns nearly dependent.
FIRST_CUT, FIRST_DEGREE, GROWTH = 0.15, 16, 2
LEAST_DEGREE, MOST_DEGREE = 8, 200
# Added to the required log reduction, as the block's last value still decreases.
MARGIN = 1.25
# Smaller relative residuals are rounding errors of a long filter.
ROUNDOFF = {torch.float32: 4e-6, torch.float64: 1e-13}


@dataclass(frozen=True)
class ChebyshevSubspace(IterativeSolver):
    r"""Subspace iteration with Chebyshev filters, from Zhou, Saad, Tiago and
    Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered subspace
    iteration", J. Comput. Phys. 219 (2006), in single precision while that suffices.

    For a sparse graph and some dozen eigenpairs, a product with a block takes a tenth
    of the time per column of one with a single vector, and half of that in single
    precision. This outweighs that a block needs more products than Lanczos. A
    Rayleigh-Ritz step after each filter determines the cut and the degree of the next.
    Residuals below :obj:`4e-6` are reached in double precision, which continues from
    the single precision result.

    Copies of an eigenvalue are found together, up to the size of the block.

    Args:
        max_products (int): Maximum number of products of the operator and the block. If
            the gaps are so small that more are needed, the search stops at once.
            (default: :obj:`2000`)
    """

    max_products: int = 2000
    name: ClassVar[str] = "chebyshev"

    def _search(
        self, operator: SymmetricOperator, k: int, tol: float, seed: int
    ) -> Iterator[tuple[Tensor, int]]:
        size = COLUMNS * ceil((k + max(LEAST_GUARDS, GUARDS * k)) / COLUMNS)
        null_space, bound = operator.null_space, operator.norm_bound
        k -= null_space.dimension
        generator = torch.Generator().manual_seed(seed)
        block = torch.rand(operator.num_nodes, size, generator=generator).sub_(0.5)
        block = block.to(operator.matrix.device)
        first, cut, degree, products = 0.0, FIRST_CUT * bound, FIRST_DEGREE, 0
        for dtype, floor in ROUNDOFF.items():
            if dtype == torch.float32 and _is_coarse(operator.matrix):
                continue
            goal, residual = max(0.8 * tol, floor), inf
            matrix = operator.matrix.to(dtype)
            block = null_space.project_out_(block.to(dtype))
            spare = torch.empty_like(block)
            while residual > goal:
                filtered, spare = chebyshev_filter(
                    matrix, block, first, cut, bound, degree, spare
                )
                products += degree + 1
                # The filter favors the null space over the wanted eigenvectors.
                ritz = ritz_pairs(matrix, null_space.project_out_(filtered), spare)
                block, spare, values = ritz
                residual = float(ritz.residuals()[:k].max()) / bound
                first, last, end = (float(values[i]) for i in (0, k - 1, -1))
                cut = min(end, 0.5 * bound)
                rate = log_growth(last, cut, bound)
                missing = log(max(residual / goal, 1.0)) + MARGIN
                needed = missing / rate if rate > 0 else inf
                if residual > goal and products + needed > self.max_products:
                    yield block[:, :k], products
                    return
                degree = ceil(min(needed, GROWTH * degree, MOST_DEGREE))
                degree = max(LEAST_DEGREE, degree)
            yield block[:, :k], products


def _is_coarse(matrix: Tensor) -> bool:
    """Whether single precision products have reduced precision, such as TF32."""
    return matrix.is_cuda and torch.get_float32_matmul_precision() != "highest"


def chebyshev_filter(
    matrix: Tensor,
    block: Tensor,
    wanted: float,
    cut: float,
    upper: float,
    degree: int,
    spare: Tensor,
) -> tuple[Tensor, Tensor]:
    r"""Damps the eigencomponents of a block between :obj:`cut` and :obj:`upper`.

    Applies the Chebyshev polynomial that is small on that interval, scaled to be 1
    at :obj:`wanted`, by the three-term recurrence of Zhou, Saad, Tiago and
    Chelikowsky (2006). The scaling keeps high degrees from overflowing.

    Args:
        matrix (Tensor): The symmetric operator, shape :obj:`[n, n]`.
        block (Tensor): Columns to be filtered, shape :obj:`[n, p]`. They are
            overwritten, as new memory takes about as long as a product.
        wanted (float): A point below :obj:`cut`, near the wanted eigenvalues.
        cut (float): The lower end of the damped interval.
        upper (float): An upper bound of the spectrum.
        degree (int): The degree, which is the number of products.
        spare (Tensor): Memory of the shape of the block, which is overwritten.

    Returns:
        tuple: The filtered columns, and the memory that is free again.
    """
    center, radius = (upper + cut) / 2, (upper - cut) / 2
    scale = first = radius / (wanted - center)
    factor = scale / radius
    previous = block
    current = torch.addmm(
        block, matrix, block, beta=-center * factor, alpha=factor, out=spare
    )
    for _ in range(degree - 1):
        following = 1 / (2 / first - scale)
        # One pass over the matrix, no temporary: the product is added in place.
        factor = 2 * following / radius
        torch.addmm(
            previous,
            matrix,
            current,
            beta=-scale * following,
            alpha=factor,
            out=previous,
        )
        previous.add_(current, alpha=-center * factor)
        previous, current = current, previous
        scale = following
    return current, previous


def log_growth(value: float, cut: float, upper: float) -> float:
    r"""Logarithm of the factor by which each degree of the filter amplifies an
    eigenvalue: :math:`\operatorname{arcosh} |t|`, with :math:`t` the eigenvalue in
    units in which the damped interval is :math:`[-1, 1]`; 0 within the interval."""
    return acosh(max((upper + cut - 2 * value) / (upper - cut), 1.0))
