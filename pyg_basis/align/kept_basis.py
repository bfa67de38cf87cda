import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment
from pyg_basis.align.moment_preserving import second_moment_roots

# Variance at the old nodes, of columns with mean square 1 at all: a direction with less
# is about new nodes, and would be blown up if it were given the variance of an old one.
UNSEEN = 0.5


def kept_basis(source: Tensor, target: Tensor, lost: float) -> tuple[Alignment, Tensor]:
    r"""The affine map from new eigenvectors to an old basis, at the nodes that both
    have: what the two spaces share goes where it was, and keeps its mean and its second
    moments; what the new one has beside it takes the place of what it lacks.

    It is :class:`~pyg_basis.align.MomentPreserving` on the shared directions, the
    canonical ones (`Hotelling 1936 <https://doi.org/10.1093/biomet/28.3-4.321>`_).
    New directions, such as of a cluster that came later, are nearly constant at the old
    nodes, so that to give them second moments there would blow them up: they keep
    those that they have.

    Args:
        source (Tensor): Rows of the new eigenvectors at the old nodes, mean square 1 at
            all nodes, :obj:`[l, K]`.
        target (Tensor): The rows there as they were, :obj:`[l, K]`.
        lost (float): A direction of a smaller cosine is not in the new space.

    Returns:
        tuple: The map, and the cosines of the directions, descending, :obj:`[K]`.
    """
    rows, wanted = source.double(), target.double()
    mean, kept_mean = rows.mean(dim=0), wanted.mean(dim=0)
    centered, aim = rows - mean, wanted - kept_mean
    variance, axes = torch.linalg.eigh(centered.T @ centered / len(rows))
    seen = variance > UNSEEN
    whitening = axes[:, seen] * variance[seen].rsqrt()
    aim_whitening, coloring, _ = second_moment_roots(aim)
    covariance = (centered @ whitening).T @ (aim @ aim_whitening) / len(rows)
    left, found, right = torch.linalg.svd(covariance)
    cosines = found.new_zeros(len(mean))
    cosines[: len(found)] = found.clamp(max=1)
    shared = whitening @ left[:, : int((cosines > lost).sum())]
    # All that is orthogonal to them at all nodes.
    others = torch.linalg.qr(shared, mode="complete").Q[:, shared.size(1) :]
    linear = torch.cat([shared, others], dim=1) @ right @ coloring
    shift = kept_mean - mean @ linear
    rank = (cosines > lost).sum()
    alignment = Alignment.on_all(source, target, linear, shift, rank, "moments")
    return alignment, cosines.to(target.dtype)
