import torch
from torch import Tensor

from pyg_basis.graph._candidates import propose

# Candidates beyond k. They are what lets a row be certified: the wider the gap
# between the k-th neighbor and the farthest candidate, the fewer rows are redone.
EXTRA_CANDIDATES = 8

# Numbers held at once: gathered features of candidates (4 MiB in float64, which stays
# in cache; more on CUDA, to keep it busy), and distances while rows are redone.
_GATHER_ELEMENTS_CPU = 1 << 19
_GATHER_ELEMENTS_CUDA = 1 << 26
_BLOCK_ELEMENTS = 1 << 23


def exact_neighbors(points: Tensor, k: int, backend: str) -> tuple[Tensor, Tensor]:
    r"""The first ``k`` neighbors of each node by (distance, index), exactly.

    A backend only proposes candidates. Their distances are taken again by
    differences, since the matrix-product form :math:`|a|^2 + |b|^2 - 2ab` cancels
    for near points. A row stands if no node left out can, within the backend's
    roundoff, be as near as its ``k``-th neighbor; the others (duplicates, ties)
    are redone over all nodes.

    Args:
        points (Tensor): :math:`[n, d]`, float64, magnitudes up to about 1.
        k (int): Neighbors per node, below :math:`n`.
        backend (str): What proposes the candidates.

    Returns:
        (Tensor, Tensor): Neighbors :math:`[n, k]` int64 and their Euclidean
        distances :math:`[n, k]` float64, in order.
    """
    n, d = points.shape
    # Centering shrinks the norms and with them the roundoff of the matrix-product
    # form. It rounds, so exact distances are taken on the points as they came.
    centered = points - points.mean(dim=0)
    count = min(k + EXTRA_CANDIDATES, n - 1)
    index = propose(backend, centered, count)
    distance = _candidate_distances(points, index)

    ordered, order = distance.sort(dim=1)
    index = index.gather(1, order)
    if bool((ordered[:, 1:] == ordered[:, :-1]).any()):
        index, by_index = index.sort(dim=1)
        ordered, order = ordered.gather(1, by_index).sort(dim=1, stable=True)
        index = index.gather(1, order)
    farthest = ordered[:, -1]
    index, ordered = index[:, :k].contiguous(), ordered[:, :k].contiguous()
    if count == n - 1:
        return index, ordered

    # A node left out was judged no nearer than the farthest candidate.
    # Squared distances of the form |a|^2 + |b|^2 - 2ab carry an error below
    # (d + 8) eps (|a| + |b|)^2 each, and a node b that matters lies within the radius
    # of the farthest candidate around a.
    norm = torch.linalg.vector_norm(centered, dim=1)
    roundoff = (d + 8) * torch.finfo(torch.float64).eps
    slack = 4 * roundoff * (2 * norm + farthest) ** 2
    doubtful = ordered[:, -1].square() >= farthest.square() - slack
    rows = doubtful.nonzero().squeeze(1)
    if rows.numel() > 0:
        index[rows], ordered[rows] = _exhaustive_neighbors(points, rows, k)
    return index, ordered


def _candidate_distances(points: Tensor, index: Tensor) -> Tensor:
    (n, d), count = points.shape, index.size(1)
    elements = _GATHER_ELEMENTS_CUDA if points.is_cuda else _GATHER_ELEMENTS_CPU
    rows = max(1, elements // (count * d))
    distance = points.new_empty(n, count)
    for start in range(0, n, rows):
        own, other = points[start : start + rows], index[start : start + rows]
        # index_select is several times quicker than points[other].
        features = points.index_select(0, other.reshape(-1)).view(-1, count, d)
        distance[start : start + rows] = _distances(own.unsqueeze(1), features).squeeze(
            1
        )
    return distance


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # One kernel for candidates and for whole rows: a pair gets the same bits in
    # both, whatever else is in the block, so that ties are ties everywhere.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _exhaustive_neighbors(
    points: Tensor, rows: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    r"""The first ``k`` neighbors of the nodes ``rows`` by (distance, index), in
    order, from all their distances by differences: indices and distances
    :math:`[r, k]`."""
    blocks = rows.split(max(1, _BLOCK_ELEMENTS // points.size(0)))
    found = [_exhaustive(points, block, k) for block in blocks]
    return torch.cat([i for i, _ in found]), torch.cat([d for _, d in found])


def _exhaustive(points: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    distance = _distances(points[rows], points)
    distance[torch.arange(rows.numel(), device=rows.device), rows] = torch.inf
    # topk says how far the k-th neighbor is, but not which of several equally far
    # ones it picks: take all nearer nodes, then the tied ones in index order.
    kth = distance.topk(k, dim=1, largest=False).values[:, -1:]
    nearer = distance < kth
    tied = distance == kth
    room = k - nearer.sum(dim=1, keepdim=True)
    chosen = nearer | (tied & (tied.cumsum(dim=1) <= room))
    index = chosen.nonzero()[:, 1].view(-1, k)
    distance, order = distance.gather(1, index).sort(dim=1, stable=True)
    return index.gather(1, order), distance
