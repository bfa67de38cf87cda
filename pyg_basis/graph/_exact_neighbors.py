import torch
from torch import Tensor

from pyg_basis.graph._candidates import candidate_search

# Candidates beyond k, to certify rows: the larger the gap between the k-th neighbor and
# the farthest candidate, the fewer rows are recomputed.
EXTRA_CANDIDATES = 8
# Factor of the number of candidates for recomputed rows.
GROWTH = 8

# Numbers in memory: gathered features of candidates (4 MiB in float64, which stays in
# the cache; more on CUDA, to keep it busy), and distances of recomputed rows.
_GATHER_ELEMENTS_CPU = 1 << 19
_GATHER_ELEMENTS_CUDA = 1 << 26
_BLOCK_ELEMENTS = 1 << 23


def exact_neighbors(points: Tensor, k: int, backend: str) -> tuple[Tensor, Tensor]:
    r"""Returns the exact first ``k`` neighbors of each node by (distance, index).

    A backend only proposes candidates. Their distances are recomputed by differences,
    as the matrix-product form :math:`|a|^2 + |b|^2 - 2ab` suffers cancellation for
    near points. A row is final if, within the backend's rounding, no other node can be
    as near as the ``k``-th neighbor. The other rows (duplicates, ties) are recomputed
    with more candidates, then over all nodes.

    Args:
        points (Tensor): :math:`[n, d]`, float64, magnitudes up to about 1.
        k (int): Neighbors per node, below :math:`n`.
        backend (str): The backend that proposes candidates.

    Returns:
        (Tensor, Tensor): Neighbors :math:`[n, k]` int64 and their Euclidean
        distances :math:`[n, k]` float64, in order.
    """
    n, d = points.shape
    # The error of squared distances of the form |a|^2 + |b|^2 - 2ab is below
    # (d + 8) eps (|a| + |b|)^2. A relevant node b is within the radius of the farthest
    # candidate around a. The backend uses centered points.
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
            # The backend judged other nodes no nearer than the farthest candidate.
            farthest = ordered[:, -1]
            slack = 4 * roundoff * (2 * norm[rows] + farthest) ** 2
            rows = rows[ordered[:, k - 1].square() >= farthest.square() - slack]
        for block in rows.split(max(1, _BLOCK_ELEMENTS // n)):
            index[block], distance[block] = _among_all(points, block, k)
    return index, distance


def _in_order(points: Tensor, nodes: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the candidates :math:`[r, c]` of nodes :math:`[r]`, sorted by (distance,
    index), and their distances."""
    count, d = index.size(1), points.size(1)
    elements = _GATHER_ELEMENTS_CUDA if points.is_cuda else _GATHER_ELEMENTS_CPU
    rows = max(1, elements // (count * d))
    distance = points.new_empty(index.shape)
    for start in range(0, len(nodes), rows):
        own, others = nodes[start : start + rows], index[start : start + rows]
        # index_select is several times faster than points[others].
        features = points.index_select(0, others.reshape(-1)).view(-1, count, d)
        exact = _distances(points[own].unsqueeze(1), features)
        distance[start : start + rows] = exact.squeeze(1)
    ordered, order = distance.sort(dim=1)
    if bool((ordered[:, 1:] == ordered[:, :-1]).any()):
        index, order = index.sort(dim=1)
        ordered, order = distance.gather(1, order).sort(dim=1, stable=True)
    return index.gather(1, order), ordered


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # One kernel for candidates and for whole rows: the distance of a pair is bitwise
    # the same in any block, so ties are consistent.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _among_all(points: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns the first ``k`` neighbors of nodes :math:`[r]` by (distance, index)
    among all others, and their distances."""
    distance = _distances(points[rows], points)
    distance.scatter_(1, rows.unsqueeze(1), torch.inf)
    # topk gives the distance of the k-th neighbor, but breaks ties arbitrarily: take
    # all nearer nodes, then the tied ones in index order.
    kth = distance.topk(k, dim=1, largest=False).values[:, -1:]
    nearer = distance < kth
    tied = distance == kth
    room = k - nearer.sum(dim=1, keepdim=True)
    chosen = nearer | (tied & (tied.cumsum(dim=1) <= room))
    index = chosen.nonzero()[:, 1].view(-1, k)
    distance, order = distance.gather(1, index).sort(dim=1, stable=True)
    return index.gather(1, order), distance
