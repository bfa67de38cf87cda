from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment
from pyg_basis.align.least_squares import relative_residual


@dataclass(frozen=True)
class Orthogonal:
    r"""The rigid map (rotation or reflection, and shift) of least squared
    error: `"A generalized solution of the orthogonal Procrustes problem"
    <https://doi.org/10.1007/BF02289451>`_, Schönemann 1966.

    It keeps all distances, so it suits two embeddings of the same nodes that
    differ by signs and rotations only, and widths that are equal.
    """

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits on :obj:`source [l, K]` and :obj:`target [l, K]`."""
        dtype = target.dtype
        source, target = source.double(), target.double()
        source_mean, target_mean = source.mean(dim=0), target.mean(dim=0)
        covariance = (source - source_mean).T @ (target - target_mean)
        left, singular_values, right = torch.linalg.svd(covariance)
        linear = left @ right
        shift = target_mean - source_mean @ linear
        # Constant anchors differ from their mean by rounding, which is no spread.
        rounding = source.size(0) * torch.finfo(source.dtype).eps
        floor = rounding * source.abs().max() * (target - target_mean).norm()
        cutoff = torch.maximum(singular_values[0] * rounding, floor)
        return Alignment(
            linear=linear.to(dtype),
            shift=shift.to(dtype),
            residual=relative_residual(source @ linear + shift, target).to(dtype),
            inliers=torch.ones(len(target), dtype=torch.bool, device=target.device),
            rank=(singular_values > cutoff).sum(),
            method="orthogonal",
        )
