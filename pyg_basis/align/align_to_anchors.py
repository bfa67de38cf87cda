from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis.align.aligner import Aligner
from pyg_basis.align.alignment import Alignment

# Anchors do not determine a direction in which their spread, relative to that of all
# nodes, is smaller. One anchor in the smallest of ten equal clusters gives a fifth.
WEAK = 0.1
# Smaller shares of the second moments are rounding.
NEGLIGIBLE = 1e-10


class Directions(NamedTuple):
    r"""The directions of an embedding, ordered by the spread of the anchors.

    Args:
        coordinates (Tensor): The nodes' coordinates along them about the anchors'
            mean, with mean square 1 over all nodes, :obj:`[m, p]`.
        shares (Tensor): Mean squares over the anchors, ascending, :obj:`[p]`.
        basis (Tensor): The directions: :obj:`coordinates @ basis` are the rows about
            the anchors' mean, :obj:`[p, p]`.
    """

    coordinates: Tensor
    shares: Tensor
    basis: Tensor

    @property
    def is_fixed(self) -> Tensor:
        r"""Whether the anchors determine each direction, :obj:`[p]`."""
        return self.shares > WEAK**2


def align_to_anchors(
    vectors: Tensor, anchor_rows: Tensor, aligner: Aligner, num_constant: int
) -> tuple[Tensor, Alignment]:
    r"""Maps a batch's eigenvectors :obj:`[m, p]` to the basis of the anchors' rows
    :obj:`[l, K]`. The anchors are the batch's first nodes (Eq. 12-14).

    The first :obj:`num_constant` columns are equal in every batch and not mapped.
    Together with the shift of the map, they would make the anchors rank-deficient.
    """
    mapped, num_anchors = vectors[:, num_constant:], len(anchor_rows)
    alignment = aligner.fit(
        mapped[:num_anchors], anchor_rows[:, num_constant:].to(mapped)
    )
    # The rank of the wanted columns: the map may have more source than target columns.
    wanted = anchor_rows.size(1) - num_constant
    rank = fixed_part(mapped[:, :wanted], alignment.inliers)[1]
    mapped, _ = fixed_part(mapped, alignment.inliers)
    alignment = replace(alignment, rank=torch.minimum(alignment.rank, rank))
    rows = torch.cat([vectors[:, :num_constant], alignment.apply(mapped)], dim=1)
    return rows, alignment


def fixed_part(rows: Tensor, inliers: Tensor) -> tuple[Tensor, Tensor]:
    r"""Removes from rows :obj:`[m, p]` the directions in which the nodes vary but the
    anchors hardly do. Also returns the number of remaining directions, :obj:`[]`.

    The anchors are the first nodes, and :obj:`inliers [l]` marks those that the map is
    fitted to. An eigenvector may be supported on a few nodes, such as a small separate
    cluster, without an anchor or inlier. The inliers do not determine its image. Least
    squares would fit the tiny part of it that reaches them, and amplify it at those
    nodes accordingly.
    """
    found = directions(rows, inliers)
    lost = (found.coordinates * ~found.is_fixed) @ found.basis
    # Bitwise equal if nothing is removed.
    kept = torch.where(found.is_fixed.all(), rows, rows - lost.to(rows))
    return kept, found.is_fixed.sum()


def directions(rows: Tensor, inliers: Tensor) -> Directions:
    r"""Orders the directions of :obj:`rows [m, p]` by the spread of the anchors: those
    of the first nodes that :obj:`inliers [l]` marks."""
    weights = inliers.double() / inliers.sum()
    num_anchors = len(inliers)
    centered = rows.double() - weights @ rows[:num_anchors].double()
    # A direction in which hardly any node varies is not determined either: a single
    # node of tiny degree can outweigh all others in all columns, and a map fitted to
    # the rest would amplify that node's rounding errors.
    of_inliers = _moments(centered[:num_anchors] * weights.sqrt()[:, None])
    of_all = _moments(centered / len(centered) ** 0.5)
    # In coordinates in which the nodes vary equally in every direction.
    root = torch.linalg.cholesky_ex(of_all).L
    whitened = torch.linalg.solve_triangular(root, of_inliers, upper=False)
    whitened = torch.linalg.solve_triangular(root, whitened.t(), upper=False)
    shares, vectors = torch.linalg.eigh((whitened + whitened.t()) / 2)
    whitening = torch.linalg.solve_triangular(root.t(), vectors, upper=True)
    return Directions(centered @ whitening, shares, vectors.t() @ root.t())


def _moments(rows: Tensor) -> Tensor:
    r"""Second moments, regularized to be positive definite."""
    moments = rows.t() @ rows
    moments.diagonal().add_(NEGLIGIBLE * moments.diagonal().mean().clamp(min=1e-300))
    return moments
