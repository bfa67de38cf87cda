from dataclasses import dataclass

from torch import Tensor

from pyg_basis._warn import warn
from pyg_basis.align import Alignment


@dataclass(frozen=True)
class Movement:
    r"""How far an embedding moved when its features did.

    Args:
        alignment (Alignment): The map :math:`T_G` from the new eigenvectors to the
            basis that was there, with its residual, rank and condition number.
        cosines (Tensor): Canonical correlations of the two, descending: 1 for the
            directions that both have, :obj:`[K]` (one less if there is a constant
            column).
        change (Tensor): Norm of what the rows of the nodes changed by, relative to
            their norm, :obj:`[]`.
        eigenvalues (Tensor): Of the new Laplacian, ascending, :obj:`[K]`.
        eigengap (Tensor): From the last of them to the next, :obj:`[]`. Where it is
            small, the next update may exchange the last directions.
        num_lost (int): Directions that the new space does not have. New ones took
            their places in the basis.
        reanchored (bool): Whether other nodes were made anchors, as the old ones did
            not spread in every direction any more.
    """

    alignment: Alignment
    cosines: Tensor
    change: Tensor
    eigenvalues: Tensor
    eigengap: Tensor
    num_lost: int
    reanchored: bool


def warn_about_movement(num_lost: int, reanchored: bool) -> None:
    r"""Warns the caller of the caller when directions were lost, or the anchors chosen
    anew."""
    # No numbers: the same words are shown once.
    if num_lost:
        warn(
            "the features moved so far that a direction of the reference space is not "
            "among the first eigenvectors any more, and another took its place "
            "(see Movement.num_lost): update more often, or ask for as many "
            "eigenvectors as there are clusters, so that a gap follows",
            RuntimeWarning,
        )
    if reanchored:
        warn(
            "the anchors did not spread in every direction of the new space, and were "
            "chosen anew from the reference set: use more anchors if this goes on",
            RuntimeWarning,
        )
