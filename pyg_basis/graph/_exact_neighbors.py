import torch
from torch import Tensor

from pyg_basis.graph._candidates import candidate_search

# Candidates beyond k. They are what lets a row be certified: the wider the gap
# between the k-th neighbor and the farthest candidate, the fewer rows are redone.
EXTRA_CANDIDATES = 8
# How many times as many candidates rows get that are redone.
GROWTH = 8

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
    are redone with more candidates, then over all nodes.

    Args:
        points (Tensor): :math:`[n, d]`, float64, magnitudes up to about 1.
        k (int): Neighbors per node, below :math:`n`.
        backend (str): What proposes the candidates.

    Returns:
        (Tensor, Tensor): Neighbors :math:`[n, k]` int64 and their Euclidean
        distances :math:`[n, k]` float64, in order.
    """
    n, d = points.shape
    # Squared distances of the form |a|^2 + |b|^2 - 2ab carry an error below
    # (d + 8) eps (|a| + |b|)^2 each, and a node b that matters lies within the radius
    # of the farthest candidate around a. The backend takes centered points.
    norm = torch.linalg.vector_norm(points - points.mean(dim=0), dim=1)
    roundoff = (d + 8) * torch.finfo(torch.float64).eps

    index = torch.empty(n, k, dtype=torch.long, device=points.device)
    distance = points.new_empty(n, k)
    search, first = candidate_search(backend, points), k + EXTRA_CANDIDATES
    at_once = max(1, _BLOCK_ELEMENTS // (GROWTH * first))
    for rows in torch.arange(n, device=points.device).split(at_once):
        for count in (first, GROWTH * first):
            if len(rows) == 0 or count > n // 2:
                break
            candidates, ordered = _in_order(
                points, rows, search.candidates(rows, count)
            )
            index[rows], distance[rows] = candidates[:, :k], ordered[:, :k]
            if search.is_exact:
                rows = rows[:0]
                break
            # A node left out was judged no nearer than the farthest candidate.
            farthest = ordered[:, -1]
            slack = 4 * roundoff * (2 * norm[rows] + farthest) ** 2
            rows = rows[ordered[:, k - 1].square() >= farthest.square() - slack]
        for block in rows.split(max(1, _BLOCK_ELEMENTS // n)):
            index[block], distance[block] = _among_all(points, block, k)
    return index, distance


def _in_order(points: Tensor, nodes: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    r"""The candidates :math:`[r, c]` of some nodes :math:`[r]` by (distance, index),
    and their distances."""
    count, d = index.size(1), points.size(1)
    elements = _GATHER_ELEMENTS_CUDA if points.is_cuda else _GATHER_ELEMENTS_CPU
    rows = max(1, elements // (count * d))
    distance = points.new_empty(index.shape)
    for start in range(0, len(nodes), rows):
        own, others = nodes[start : start + rows], index[start : start + rows]
        # index_select is several times quicker than points[others].
        features = points.index_select(0, others.reshape(-1)).view(-1, count, d)
        exact = _distances(points[own].unsqueeze(1), features)
        distance[start : start + rows] = exact.squeeze(1)
    ordered, order = distance.sort(dim=1)
    if bool((ordered[:, 1:] == ordered[:, :-1]).any()):
        index, order = index.sort(dim=1)
        ordered, order = distance.gather(1, order).sort(dim=1, stable=True)
    return index.gather(1, order), ordered


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # One kernel for candidates and for whole rows: a pair gets the same bits in
    # both, whatever else is in the block, so that ties are ties everywhere.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _among_all(points: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""The first ``k`` neighbors of some nodes :math:`[r]` by (distance, index) among
    all others, and their distances."""
    distance = _distances(points[rows], points)
    distance.scatter_(1, rows.unsqueeze(1), torch.inf)
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
