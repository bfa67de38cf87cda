from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment

# Singular values below this share of the largest, or within the rounding of the
# source's dtype, count as zero.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class LeastSquares:
    r"""The affine map of least squared error (Eq. 12-13 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_).

    Both sides are centered first, which removes the shift from the problem;
    the linear part comes from the singular value decomposition of the centered
    source. Directions in which the anchors do not spread get no weight (the
    solution of least norm), so rank-deficient anchors give a finite answer.
    """

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits on :obj:`source [l, K_source]`, :obj:`target [l, K_target]`."""
        # Four times the norm of what rounding did to the source in its own
        # dtype: keeps the rounding of constant anchors, and of single precision
        # ones that lie in a subspace, from counting as spread.
        rows, epsilon = source.double(), torch.finfo(source.dtype).eps
        floor = 4 * epsilon * rows.abs().max() * rows.numel() ** 0.5
        wanted = target.double()
        source_mean, target_mean = rows.mean(dim=0), wanted.mean(dim=0)
        left, singular_values, right = torch.linalg.svd(
            rows - source_mean, full_matrices=False
        )
        cutoff = torch.maximum(singular_values[0] * NEGLIGIBLE, floor)
        kept = singular_values > cutoff
        inverse = torch.where(kept, singular_values.clamp(min=1e-300).reciprocal(), 0)
        linear = right.T @ (inverse[:, None] * (left.T @ (wanted - target_mean)))
        shift = target_mean - source_mean @ linear
        return Alignment.on_all(source, target, linear, shift, kept.sum(), "lstsq")
