from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment, spread


@dataclass(frozen=True)
class Orthogonal:
    r"""The least-squares rigid map (rotation or reflection, and shift): `"A generalized
    solution of the orthogonal Procrustes problem"
    <https://doi.org/10.1007/BF02289451>`_, Schönemann 1966.

    It preserves distances, so it suits two embeddings of the same nodes, of equal
    widths, that differ only by signs and rotations.
    """

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits to :obj:`source [l, K]` and :obj:`target [l, K]`."""
        rows, wanted = source.double(), target.double()
        mean, target_mean = rows.mean(dim=0), wanted.mean(dim=0)
        covariance = (rows - mean).T @ (wanted - target_mean)
        left, singular_values, right = torch.linalg.svd(covariance)
        linear = left @ right
        shift = target_mean - mean @ linear
        # The rounding of constant anchors is no spread.
        rounding = rows.size(0) * torch.finfo(rows.dtype).eps
        floor = rounding * rows.abs().max() * spread(wanted)
        cutoff = torch.maximum(singular_values[0] * rounding, floor)
        rank = (singular_values > cutoff).sum()
        return Alignment.on_all(source, target, linear, shift, rank, "orthogonal")
