from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment


@dataclass(frozen=True)
class LeastSquares:
    r"""The affine map of least squared error (Eq. 12-13 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_).

    Both sides are centered first, which removes the shift from the problem;
    the linear part comes from the singular value decomposition of the centered
    source. Directions in which the anchors do not spread get no weight (the
    solution of least norm), so rank-deficient anchors give a finite answer.

    Args:
        relative_cutoff (float, optional): Singular values below this share of
            the largest, or within the rounding of the source's dtype, count as
            zero. (default: :obj:`1e-10`)
    """

    relative_cutoff: float = 1e-10

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits on :obj:`source [l, K_source]`, :obj:`target [l, K_target]`."""
        dtype = target.dtype
        # Four times the norm of what rounding did to the source in its own
        # dtype: keeps the rounding of constant anchors, and of single precision
        # ones that lie in a subspace, from counting as spread.
        epsilon = torch.finfo(source.dtype).eps
        floor = 4 * epsilon * source.abs().max().double() * source.numel() ** 0.5
        source, target = source.double(), target.double()
        source_mean, target_mean = source.mean(dim=0), target.mean(dim=0)
        left, singular_values, right = torch.linalg.svd(
            source - source_mean, full_matrices=False
        )
        cutoff = torch.maximum(singular_values[0] * self.relative_cutoff, floor)
        kept = singular_values > cutoff
        inverse = torch.where(kept, singular_values.clamp(min=1e-300).reciprocal(), 0)
        linear = right.T @ (inverse[:, None] * (left.T @ (target - target_mean)))
        shift = target_mean - source_mean @ linear
        return Alignment(
            linear=linear.to(dtype),
            shift=shift.to(dtype),
            residual=relative_residual(source @ linear + shift, target).to(dtype),
            inliers=torch.ones(len(target), dtype=torch.bool, device=target.device),
            rank=kept.sum(),
            method="lstsq",
        )


def relative_residual(mapped: Tensor, target: Tensor) -> Tensor:
    r"""Root mean square error relative to the spread of the target; without
    spread, 0 for the exact answer and 1 for any other."""
    error, scale = (mapped - target).norm(), spread(target)
    # A constant target differs from its mean by rounding.
    rounding = target.size(0) * torch.finfo(target.dtype).eps * target.norm()
    return torch.where(
        scale > rounding, error / scale.clamp(min=1e-300), error > rounding
    )


def spread(target: Tensor) -> Tensor:
    r"""Frobenius norm of the target about its mean."""
    return (target - target.mean(dim=0)).norm()
