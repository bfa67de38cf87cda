from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis.eigen._chebyshev_filter import chebyshev_filter
from pyg_basis.eigen._start_block import GUARD_NOISE
from pyg_basis.eigen.filter_window import FilterWindow
from pyg_basis.eigen.lobpcg import SHARPEST, WINDOW_GROWTH, degree_for

# Twice what a good start needs, as nobody looks in between.
NUM_FILTERS = 2


class Subspace(NamedTuple):
    r"""What :func:`filtered_subspace` returns, all of it where the matrix is.

    Args:
        values (Tensor): The smallest eigenvalues, one more than asked for, which is
            an upper bound, :obj:`[k + 1]`.
        vectors (Tensor): Eigenvectors as columns of unit norm, :obj:`[n, k]`.
        converged (Tensor): Whether their residuals are within the tolerance, and
            small beside the gap, :obj:`[]`.
    """

    values: Tensor
    vectors: Tensor
    converged: Tensor


@torch.no_grad()
def filtered_subspace(
    matrix: Tensor,
    k: int,
    window: FilterWindow,
    x0: Tensor,
    tol: float = 1e-6,
    seed: int = 0,
) -> Subspace:
    r"""The smallest eigenpairs by Chebyshev filters whose number and lengths are fixed
    beforehand: subspace iteration of Zhou, Saad, Tiago and Chelikowsky,
    "Self-consistent-field calculations using Chebyshev-filtered subspace iteration",
    J. Comput. Phys. 219 (2006), for accelerators.

    The host decides nothing and reads nothing, so it runs ahead of the device.
    Whether it was enough is part of the result and must be heeded.

    Args:
        matrix (Tensor): A symmetric positive semi-definite matrix of norm 1 at most,
            float64, :obj:`[n, n]`.
        k (int): The number of eigenpairs.
        window (FilterWindow): Where the wanted part of the spectrum ends.
        x0 (Tensor): Start vectors, the wanted first, :obj:`[n, p]`.
        tol (float): Bound of the residuals, as of :func:`eigenpairs`.
            (default: :obj:`1e-6`)
        seed (int): Seed of the noise in the guards. (default: :obj:`0`)
    """
    n, size = matrix.size(0), k + window.num_guards
    generator = torch.Generator(matrix.device).manual_seed(seed)
    x = torch.randn(
        n, size, generator=generator, device=matrix.device, dtype=torch.float64
    )
    x *= GUARD_NOISE / n**0.5
    known = torch.nan_to_num(x0[:, :size].double())
    known = known / known.norm(dim=0).clamp(min=torch.finfo(torch.float32).tiny)
    x[:, :k] *= 0.0 if known.size(1) >= k else 1.0
    x[:, : known.size(1)] += known
    # The norm bounds all eigenvalues: nothing can be raised by mistake.
    safe = FilterWindow(window.wanted, window.cut, 1.0, window.num_guards)
    degree = degree_for(WINDOW_GROWTH, safe.rate)
    for _ in range(NUM_FILTERS):
        x = torch.linalg.qr(x).Q
        x = chebyshev_filter(matrix, x, safe.wanted, safe.cut, safe.upper, degree)
    x = torch.linalg.qr(x).Q
    image = matrix @ x
    gram = x.t() @ image
    values, rotation = torch.linalg.eigh((gram + gram.t()) / 2)
    vectors = x @ rotation[:, :k]
    residuals = (image @ rotation[:, :k] - vectors * values[:k]).norm(dim=0)
    gap = (values[k] - values[k - 1]).clamp(min=SHARPEST)
    # As in LOBPCG: what the start lacks must have outgrown all beyond the block.
    ends = values[[k - 1, -1]]
    growth = torch.acosh(1 + 2 * (safe.cut - ends).clamp(min=0) / (1 - safe.cut))
    favour = NUM_FILTERS * degree * (growth[0] - growth[1])
    converged = (residuals <= tol * gap).all()
    converged &= favour >= log(10 * n**0.5 / GUARD_NOISE)
    return Subspace(values[: k + 1], vectors, converged)
