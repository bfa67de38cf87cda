from dataclasses import dataclass
from math import acosh, sqrt

import torch
from torch import Tensor

from pyg_basis.eigen.symmetric_operator import SymmetricOperator

# Lanczos steps that bound a spectrum from above; more of them change the bound by
# less than its margin.
BOUND_STEPS = 12
# Operators alike differ in their largest eigenvalue by less than this share, and a
# filter gains little from a tighter bound. One that turns out too low is noticed.
UPPER_MARGIN = 1.05


# How many columns a block holds beyond the wanted ones. With fewer, operators alike
# would not be alike enough, and the gap behind the wanted would be misjudged.
LEAST_GUARDS, MOST_GUARDS = 4, 12


@dataclass(frozen=True)
class FilterWindow:
    r"""Where the wanted part of a spectrum ends, as far as known beforehand.

    Graphs of samples of one distribution have nearly the same spectrum. So the
    interval that a Chebyshev filter damps can be read off one of them and used for
    all others: no Rayleigh-Ritz step is needed to find it. It only guides; what is
    reached is always measured. Eigenvalues are relative to a bound of the norm.

    Args:
        wanted (float): The largest wanted eigenvalue.
        cut (float): An eigenvalue some places further on, from which on the
            filter damps; above :obj:`wanted`.
        upper (float): A bound of all eigenvalues, above :obj:`cut`.
        num_guards (int): How many places further on, at least 1. So many columns
            beyond the wanted leave room for all eigenvectors up to the cut.

    Raises:
        ValueError: If the three are not in this order, or there is no guard.
    """

    wanted: float
    cut: float
    upper: float
    num_guards: int

    def __post_init__(self) -> None:
        if not self.wanted < self.cut < self.upper:
            raise ValueError(
                f"wanted={self.wanted}, cut={self.cut} and upper={self.upper} must be "
                f"in ascending order: a filter needs room between them"
            )
        if self.num_guards < 1:
            raise ValueError(
                f"num_guards={self.num_guards} must be at least 1: a guard tells how "
                f"far off the first eigenvalue beyond the wanted is"
            )

    @classmethod
    def of(
        cls, operator: SymmetricOperator, values: Tensor, k: int
    ) -> "FilterWindow | None":
        r"""The window of an operator for which a filter takes the least work, the
        number of columns times the degree; or nothing if there is none: all the
        eigenvalues known lie within roundoff of the wanted.

        Args:
            operator (SymmetricOperator): The operator.
            values (Tensor): Its smallest eigenvalues, ascending: the wanted, and one
                for each guard that may be.
            k (int): The number of eigenvalues wanted.
        """
        bound = operator.norm_bound
        wanted, *beyond = (float(value) / bound for value in values[k - 1 :])
        upper = min(UPPER_MARGIN * largest_eigenvalue(operator) / bound, 1.0)
        windows = [
            cls(wanted, cut, upper, num_guards)
            for num_guards, cut in enumerate(beyond, start=1)
            if num_guards >= LEAST_GUARDS and wanted + 1e-9 < cut < upper
        ]
        return min(
            windows, key=lambda one: (k + one.num_guards) / one.rate, default=None
        )

    @property
    def rate(self) -> float:
        r"""The logarithm of the factor by which each degree of the filter favours the
        wanted over what it damps."""
        return acosh(1 + 2 * (self.cut - self.wanted) / (self.upper - self.cut))


def largest_eigenvalue(operator: SymmetricOperator) -> float:
    r"""An upper bound of the largest eigenvalue, from a few Lanczos steps.

    It is the largest Ritz value plus the norm of the last residual: Zhou and Li,
    "Bounding the spectrum of large Hermitian matrices", Linear Algebra Appl. 435
    (2011).
    """
    matrix, n = operator.matrix, operator.num_nodes
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(n, generator=generator, dtype=torch.float64).to(matrix.device)
    basis = [vector / vector.norm()]
    diagonal: list[float] = []
    below: list[float] = []
    for _ in range(min(BOUND_STEPS, n)):
        image = matrix @ basis[-1]
        diagonal.append(float(basis[-1] @ image))
        known = torch.stack(basis, dim=1)
        for _ in range(2):  # once more for the digits that the first pass loses
            image = image - known @ (known.t() @ image)
        below.append(float(image.norm()))
        if below[-1] <= sqrt(n) * torch.finfo(torch.float64).eps * operator.norm_bound:
            below[-1] = 0.0
            break
        basis.append(image / below[-1])
    off = torch.tensor(below[:-1], dtype=torch.float64)
    tridiagonal = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    tridiagonal = tridiagonal + torch.diag(off, 1) + torch.diag(off, -1)
    largest = float(torch.linalg.eigvalsh(tridiagonal)[-1])
    return min(largest + below[-1], operator.norm_bound)
