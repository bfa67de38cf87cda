import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment
from pyg_basis.align.moment_preserving import second_moment_roots

# Eigenvalues with a smaller difference, relative to the K-th, count as alike: their
# eigenvectors vary between samples.
ALIKE = 0.3
# Minimum variance at the old nodes, of columns with mean square 1 at all nodes: a
# direction below it belongs to new nodes. Scaling it to unit variance would blow it up.
UNSEEN = 0.5


def kept_basis(source: Tensor, target: Tensor, lost: float) -> tuple[Alignment, Tensor]:
    r"""Returns the affine map from new eigenvectors to an old basis, fitted at the
    nodes of both. Shared directions stay in place, with their means and second moments.
    Additional new directions replace missing ones.

    The map is :class:`~pyg_basis.align.MomentPreserving` on the shared directions, the
    canonical ones (`Hotelling 1936 <https://doi.org/10.1093/biomet/28.3-4.321>`_).
    New directions, such as those of a later cluster, are nearly constant at the old
    nodes. Giving them prescribed second moments there would blow them up, so they keep
    their own.

    Args:
        source (Tensor): Rows of the new eigenvectors at the old nodes, mean square 1 at
            all nodes, :obj:`[l, K]`.
        target (Tensor): The previous rows there, :obj:`[l, K]`.
        lost (float): Directions with a smaller cosine are not in the new space.

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
    # The orthogonal complement at all nodes.
    others = torch.linalg.qr(shared, mode="complete").Q[:, shared.size(1) :]
    linear = torch.cat([shared, others], dim=1) @ right @ coloring
    shift = kept_mean - mean @ linear
    rank = (cosines > lost).sum()
    alignment = Alignment.on_all(source, target, linear, shift, rank, "moments")
    return alignment, cosines.to(target.dtype)


def nearest_combinations(
    source: Tensor, eigenvalues: Tensor, target: Tensor, k: int
) -> Tensor:
    r"""Returns an orthogonal matrix :obj:`[p, p]` that rotates more than :obj:`k`
    eigenvectors so that the first :obj:`k` are close to a target.

    Eigenvectors with eigenvalues well below the k-th do not change. The order of those
    with eigenvalues close to the k-th, on both sides, depends on the sample, so their
    combinations that best span the target come first.

    Args:
        source (Tensor): Rows of eigenvectors, :obj:`[l, p]`.
        eigenvalues (Tensor): Their eigenvalues, ascending, :obj:`[p]`.
        target (Tensor): The target rows, :obj:`[l, k]`.
        k (int): Number of columns of the target.
    """
    last = float(eigenvalues[k - 1])
    first = int((eigenvalues[:k] < (1 - ALIKE) * last).sum())
    alike = slice(first, int((eigenvalues <= (1 + ALIKE) * last).sum()))
    rows = source.double() - source.double().mean(dim=0)
    wanted = torch.linalg.qr(target.double() - target.double().mean(dim=0)).Q
    # The part of the target outside the span of the unchanged columns.
    known = torch.linalg.qr(rows[:, :first]).Q
    left, values, _ = torch.linalg.svd(
        wanted - known @ (known.T @ wanted), full_matrices=False
    )
    wanted = (left * values)[:, : k - first]
    turn = torch.eye(source.size(1), dtype=torch.float64, device=source.device)
    turn[alike, alike] = torch.linalg.svd(rows[:, alike].T @ wanted)[0]
    return turn
