from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis.align.aligner import Aligner
from pyg_basis.align.alignment import Alignment

# Anchors that spread less in some direction than this share of all nodes do not fix
# it. One anchor in the smallest of ten equal clusters gives a fifth.
WEAK = 0.1
# A share of the second moments that is rounding.
NEGLIGIBLE = 1e-10


class Directions(NamedTuple):
    r"""The directions of an embedding in the order in which anchors spread in them.

    Args:
        coordinates (Tensor): The nodes' coordinates along them about the anchors'
            mean, with mean square 1 over all nodes, :obj:`[m, p]`.
        shares (Tensor): Mean squares over the anchors, ascending, :obj:`[p]`.
        basis (Tensor): The directions themselves: the product of the coordinates with
            it is the rows about the anchors' mean, :obj:`[p, p]`.
    """

    coordinates: Tensor
    shares: Tensor
    basis: Tensor

    @property
    def is_fixed(self) -> Tensor:
        r"""Whether the anchors spread in a direction, :obj:`[p]`."""
        return self.shares > WEAK**2


def align_to_anchors(
    vectors: Tensor, anchor_rows: Tensor, aligner: Aligner, num_constant: int
) -> tuple[Tensor, Alignment]:
    r"""Brings a batch's eigenvectors :obj:`[m, p]` into the basis of the anchors' rows
    :obj:`[l, K]`; the anchors are the batch's first nodes (Eq. 12-14).

    The first :obj:`num_constant` columns are the same in every batch. Left in, they
    would make the anchors rank-deficient together with the shift of the map.
    """
    mapped, num_anchors = vectors[:, num_constant:], len(anchor_rows)
    alignment = aligner.fit(
        mapped[:num_anchors], anchor_rows[:, num_constant:].to(mapped)
    )
    # Of the wanted columns: more may be mapped from than to.
    wanted = anchor_rows.size(1) - num_constant
    rank = fixed_part(mapped[:, :wanted], alignment.inliers)[1]
    mapped, _ = fixed_part(mapped, alignment.inliers)
    alignment = replace(alignment, rank=torch.minimum(alignment.rank, rank))
    rows = torch.cat([vectors[:, :num_constant], alignment.apply(mapped)], dim=1)
    return rows, alignment


def fixed_part(rows: Tensor, inliers: Tensor) -> tuple[Tensor, Tensor]:
    r"""The rows :obj:`[m, p]` without the directions in which the nodes spread but the
    anchors hardly do; and how many directions are left, :obj:`[]`.

    The anchors are the first nodes, and :obj:`inliers [l]` marks those of them that a
    map is fitted on. An eigenvector may live on a few nodes of which none, or no
    inlier, is an anchor, such as a small cluster by itself. No map that is fitted on
    the inliers says anything of it, but least squares would use what little of it
    reaches them, and throw those nodes off by as much as that is little.
    """
    found = directions(rows, inliers)
    lost = (found.coordinates * ~found.is_fixed) @ found.basis
    # The same bits where nothing is left out.
    kept = torch.where(found.is_fixed.all(), rows, rows - lost.to(rows))
    return kept, found.is_fixed.sum()


def directions(rows: Tensor, inliers: Tensor) -> Directions:
    r"""The directions of :obj:`rows [m, p]` by how much the anchors spread in them: the
    first nodes, as far as :obj:`inliers [l]` marks them."""
    weights = inliers.double() / inliers.sum()
    num_anchors = len(inliers)
    centered = rows.double() - weights @ rows[:num_anchors].double()
    # A direction in which hardly any node spreads is not fixed either: a single node of
    # hardly any degree can outweigh all others in all columns, and a map that is fitted
    # on what is left of these would magnify the rounding of that node.
    of_inliers = _moments(centered[:num_anchors] * weights.sqrt()[:, None])
    of_all = _moments(centered / len(centered) ** 0.5)
    # In coordinates in which all nodes spread equally in every direction.
    root = torch.linalg.cholesky_ex(of_all).L
    whitened = torch.linalg.solve_triangular(root, of_inliers, upper=False)
    whitened = torch.linalg.solve_triangular(root, whitened.t(), upper=False)
    shares, vectors = torch.linalg.eigh((whitened + whitened.t()) / 2)
    whitening = torch.linalg.solve_triangular(root.t(), vectors, upper=True)
    return Directions(centered @ whitening, shares, vectors.t() @ root.t())


def _moments(rows: Tensor) -> Tensor:
    r"""Second moments, in which no direction is quite without any."""
    moments = rows.t() @ rows
    moments.diagonal().add_(NEGLIGIBLE * moments.diagonal().mean().clamp(min=1e-300))
    return moments
