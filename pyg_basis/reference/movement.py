from dataclasses import dataclass

from torch import Tensor

from pyg_basis._warn import warn
from pyg_basis.align import Alignment


@dataclass(frozen=True)
class Movement:
    r"""How far an embedding moved when its features changed.

    Args:
        alignment (Alignment): The map :math:`T_G` from the new eigenvectors to the
            previous basis, with its residual, rank and condition number.
        cosines (Tensor): Canonical correlations of the two, descending: 1 for shared
            directions, :obj:`[K]` (one less with a constant column).
        change (Tensor): Norm of the change of the nodes' rows, relative to the norm of
            the rows, :obj:`[]`.
        eigenvalues (Tensor): Eigenvalues of the new Laplacian, ascending, :obj:`[K]`.
        eigengap (Tensor): Distance from the last of them to the next, :obj:`[]`. If it
            is small, the next update may exchange the last directions.
        num_lost (int): Number of directions missing from the new space. New ones
            replace them in the basis.
        reanchored (bool): Whether other nodes became anchors, because the previous ones
            no longer varied in every direction.
    """

    alignment: Alignment
    cosines: Tensor
    change: Tensor
    eigenvalues: Tensor
    eigengap: Tensor
    num_lost: int
    reanchored: bool


def warn_about_movement(num_lost: int, reanchored: bool) -> None:
    r"""Warns, two frames up, if directions were lost, or the anchors chosen anew."""
    # Without numbers, so that repeated warnings are shown once.
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
