from math import acosh

import torch
from torch import Tensor


def chebyshev_filter(
    matrix: Tensor,
    block: Tensor,
    wanted: float,
    cut: float,
    upper: float,
    degree: int,
    spare: Tensor | None = None,
) -> Tensor:
    r"""Damps what a block holds of the eigenvalues between :obj:`cut` and
    :obj:`upper`.

    Applies the Chebyshev polynomial that is small on that interval, scaled to be 1
    at :obj:`wanted`, by the three-term recurrence of Zhou, Saad, Tiago and
    Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered
    subspace iteration", J. Comput. Phys. 219 (2006). The scaling keeps high degrees
    from overflowing.

    Args:
        matrix (Tensor): The symmetric operator, shape :obj:`[n, n]`.
        block (Tensor): Columns to be filtered, shape :obj:`[n, p]`. They are
            overwritten, as new memory takes about as long as a product.
        wanted (float): A point below :obj:`cut`, near the wanted eigenvalues.
        cut (float): The lower end of the damped interval.
        upper (float): A bound of the whole spectrum.
        degree (int): The degree, which is the number of products.
        spare (Tensor, optional): Memory of the shape of the block to be used; the
            result is in one of the two. (default: :obj:`None`)
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
        # One pass over the matrix and no temporary: the product is added in place.
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
    return current


def log_growth(value: float, cut: float, upper: float, degree: int) -> float:
    r"""The logarithm of the factor by which the filter favours an eigenvalue.

    That is :math:`d \operatorname{arcosh} |t|`, with :math:`t` the eigenvalue on the
    scale on which the damped interval is :math:`[-1, 1]`; 0 within the interval.

    Args:
        value (float): The eigenvalue, not above :obj:`upper`.
        cut (float): The lower end of the damped interval.
        upper (float): The upper end of the damped interval.
        degree (int): The degree of the filter.
    """
    return degree * acosh(max((upper + cut - 2 * value) / (upper - cut), 1.0))
