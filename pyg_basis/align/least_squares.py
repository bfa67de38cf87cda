from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment

# Singular values below this share of the largest, or within the rounding of the
# source's dtype, count as zero.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class LeastSquares:
    r"""The least-squares affine map (Eq. 12-13 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_).

    Both sides are centered, which eliminates the shift. The linear part is computed by
    a singular value decomposition of the centered source. Directions in which the
    anchors do not vary get weight zero (minimum-norm solution), so rank-deficient
    anchors give a finite map.
    """

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits to :obj:`source [l, K_source]`, :obj:`target [l, K_target]`."""
        # Four times the norm of the source's rounding errors in its dtype: rounding of
        # constant anchors, or of single precision anchors in a subspace, is no spread.
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
