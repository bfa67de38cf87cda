from dataclasses import dataclass
from math import inf, log

import torch
from torch import Tensor

from pyg_basis.eigen._chebyshev_filter import chebyshev_filter, log_growth
from pyg_basis.eigen._orthonormalize import orthonormalize
from pyg_basis.eigen._start_block import start_block
from pyg_basis.eigen.dense import Dense
from pyg_basis.eigen.result import Eigenpairs
from pyg_basis.eigen.symmetric_operator import SymmetricOperator


@dataclass(frozen=True)
class LOBPCG:
    r"""Locally optimal block preconditioned conjugate gradients, from Knyazev,
    "Toward the Optimal Preconditioned Eigensolver", SIAM J. Sci. Comput. 23 (2001).

    Each iteration takes the best block within the span of the current block
    :math:`X`, its residuals :math:`R` and the last search directions :math:`P`. The
    basis :math:`[X, P, R]` is kept orthonormal, with :math:`P` from the coefficients
    of the Rayleigh-Ritz step, as in Duersch, Shao, Yang and Gu, "A Robust and
    Efficient Implementation of LOBPCG", SIAM J. Sci. Comput. 40 (2018).

    Runs on any device, and gains from a start block close to the answer.

    Args:
        num_guards (int): Columns beyond those asked for. The error shrinks with the
            gap to the first eigenvalue outside the block, which they push away.
            (default: :obj:`6`)
        max_iter (int): Iterations at most, filters included. (default: :obj:`200`)
        num_filters (int): How many of the first iterations apply a Chebyshev filter
            to the block instead. They take more products and far less of all else,
            which brings a block of any start close in a third of the time.
            (default: :obj:`3`)
        filter_degree (int): The degree of the filter. (default: :obj:`12`)
    """

    num_guards: int = 6
    max_iter: int = 200
    num_filters: int = 3
    filter_degree: int = 12

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
        n, size = operator.num_nodes, k + self.num_guards
        if n < 5 * size:
            return Dense().solve(operator, k, x0, tol, seed)
        matrix, bound, degree = operator.matrix, operator.norm_bound, self.filter_degree
        x, image_x, values = _ritz(matrix, start_block(operator, size, x0, seed), size)
        p = image_p = x[:, :0]
        iteration, guard, growth = 0, inf, 0.0
        # The subspace is off by the residual over the gap, so more digits are asked
        # for than tol, as far as roundoff allows; what is reached is held against tol.
        sharp = max(tol / 100, min(tol, 1e-12))
        while True:
            residual = image_x - x * values
            norms = residual.norm(dim=0) / bound
            # A start block may hold eigenvectors, but not the first ones: then
            # residuals are small at once, while the random guards are on their way
            # down to what is missing. Either they have settled, or the filter favours
            # what is missing so much over what they show that they cannot hide it:
            # in random vectors it makes up n^-1/2.
            last, earlier, guard = float(values[k - 1]), guard, float(values[k])
            settled = earlier - guard <= 0.1 * (guard - last)
            settled = settled or growth > log(10 * n**0.5) or x0 is None
            converged = settled and bool((norms[:k] <= sharp).all())
            if converged or iteration == self.max_iter:
                return operator.measure(x[:, :k], tol, iteration, "lobpcg")
            iteration += 1
            lowest, cut = float(values[0]), min(float(values[-1]), bound / 2)
            if iteration <= self.num_filters and lowest < cut:
                x = chebyshev_filter(matrix, x, lowest, cut, bound, degree)
                x, image_x, values = _ritz(matrix, torch.linalg.qr(x).Q, size)
                p = image_p = x[:, :0]  # The old directions belong to the old block.
                growth += log_growth(float(values[k - 1]), cut, bound, degree)
                growth -= log_growth(float(values[k]), cut, bound, degree)
                continue
            # Soft locking: converged columns stay in the block but need no more
            # directions, which would be roundoff.
            known = torch.cat([x, p], dim=1)
            r = orthonormalize(residual[:, norms > 0.1 * sharp], known)
            basis = torch.cat([known, r], dim=1)
            image = torch.cat([image_x, image_p, matrix @ r], dim=1)
            values, rotation = _small_eigh(basis.t() @ image)
            values, head, others = values[:size], rotation[:, :size], rotation[:, size:]
            # The new directions: the part of the step that leaves the old block, made
            # orthogonal to the new block within the small space. All other Ritz
            # vectors are so already.
            tail = others @ torch.linalg.qr(others[:size].t()).Q
            x, image_x = basis @ head, image @ head
            p, image_p = basis @ tail, image @ tail


def _ritz(matrix: Tensor, basis: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""The first Ritz vectors of an orthonormal basis, their images, their values."""
    image = matrix @ basis
    values, rotation = _small_eigh(basis.t() @ image)
    rotation = rotation[:, :size]
    return basis @ rotation, image @ rotation, values[:size]


def _small_eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    # In host memory: there the decomposition of a few dozen rows is quicker than
    # its launches on an accelerator.
    host = gram.cpu()
    values, rotation = torch.linalg.eigh((host + host.t()) / 2)
    return values.to(gram.device), rotation.to(gram.device)
