import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment
from pyg_basis.align.moment_preserving import second_moment_roots

# Eigenvalues that differ by less than this share of the K-th are alike: their
# eigenvectors are others in another sample.
ALIKE = 0.3
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


def nearest_combinations(
    source: Tensor, eigenvalues: Tensor, target: Tensor, k: int
) -> Tensor:
    r"""An orthogonal matrix :obj:`[p, p]` that turns more eigenvectors than :obj:`k` so
    that the first ones are close to a target.

    Eigenvectors whose eigenvalues are well below the k-th stay as they are. Of those
    that are alike, on both sides of the k-th, no sample says which come first, so
    those combinations come first that hold the target best.

    Args:
        source (Tensor): Rows of eigenvectors, :obj:`[l, p]`.
        eigenvalues (Tensor): Theirs, ascending, :obj:`[p]`.
        target (Tensor): Rows of what they are to be close to, :obj:`[l, k]`.
        k (int): How many there are to be.
    """
    last = float(eigenvalues[k - 1])
    first = int((eigenvalues[:k] < (1 - ALIKE) * last).sum())
    alike = slice(first, int((eigenvalues <= (1 + ALIKE) * last).sum()))
    rows = source.double() - source.double().mean(dim=0)
    wanted = torch.linalg.qr(target.double() - target.double().mean(dim=0)).Q
    # What those that stay do not hold.
    known = torch.linalg.qr(rows[:, :first]).Q
    left, values, _ = torch.linalg.svd(
        wanted - known @ (known.T @ wanted), full_matrices=False
    )
    wanted = (left * values)[:, : k - first]
    turn = torch.eye(source.size(1), dtype=torch.float64, device=source.device)
    turn[alike, alike] = torch.linalg.svd(rows[:, alike].T @ wanted)[0]
    return turn
