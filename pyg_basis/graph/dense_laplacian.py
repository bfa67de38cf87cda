from typing import Literal

import torch
from torch import Tensor

from pyg_basis.graph._exact_neighbors import EXTRA_CANDIDATES, rounding_slack
from pyg_basis.graph.affinity import check_bandwidth
from pyg_basis.graph.laplacian_operator import Laplacian

# Bounds the memory of differences: as many numbers for each candidate.
_FEATURES_AT_ONCE = 16
# Squares that differ by a smaller share are equal as far as an affinity tells.
_TIE = 1e-9


def dense_laplacian(
    x: Tensor,
    k: int,
    bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
    kind: Literal["sym", "comb"] = "sym",
) -> tuple[Laplacian, Tensor]:
    r"""The Laplacian of the neighbour graph of a batch as a full matrix, for
    accelerators, and whether its neighbours are certain.

    It is that of ``laplacian(affinity(knn_graph(x, k), bandwidth), kind)`` in double
    precision, but for which of several equally far nodes is the ``k``-th neighbour. No
    shape and no step depends on a number that the host would have to read, and
    products with a full matrix of some thousand rows cost less there than a launch.

    Args:
        x (Tensor): Features :math:`[m, d]`.
        k (int): Neighbours per node, below :math:`m`.
        bandwidth (str or float): See :func:`~pyg_basis.graph.affinity`.
            (default: ``"self_tuning"``)
        kind (str): ``"sym"`` or ``"comb"``. (default: ``"sym"``)

    Returns:
        (Laplacian, Tensor): Matrix :math:`[m, m]` (dense, float64), degrees
        :math:`[m]`; and a flag :math:`[]` that is false where the extent of the
        points is so many times the distance of neighbours, some :math:`10^7`, that
        roundoff may have chosen them.

    Raises:
        ValueError: If ``bandwidth`` is unknown.
    """
    sigma: float | Tensor | None = check_bandwidth(bandwidth)
    near, index, are_certain = _neighbors(x.detach().double(), k)
    if bandwidth == "self_tuning":
        own, other = near[:, -1:], near[:, -1][index]
        # As in affinity: a bandwidth of 0 takes that of the other end.
        own, other = (
            torch.where(own > 0, own, other),
            torch.where(other > 0, other, own),
        )
        ratio = torch.where(near > 0, (near / own) * (near / other), 0.0)
    else:
        if sigma is None:
            positive = torch.where(near > 0, near, torch.nan)
            median = near.median()
            sigma = torch.where(median > 0, median, positive.nanmedian().nan_to_num(1))
        ratio = (near / sigma).square() / 2
    nearest = torch.exp(-ratio).clamp(min=torch.finfo(torch.float32).tiny)
    weight = near.new_zeros(len(near), len(near)).scatter_(1, index, nearest)
    weight = torch.maximum(weight, weight.t())
    degree = weight.sum(dim=1)
    if kind == "sym":
        root = degree.rsqrt()
        matrix = (-weight * (root.unsqueeze(1) * root)).fill_diagonal_(1.0)
    else:
        matrix = torch.diag(degree) - weight
    return Laplacian(matrix=matrix, kind=kind, degree=degree), are_certain


def _neighbors(points: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Distances :math:`[m, k]`, ascending, to the nearest other points, their indices,
    and whether these are certain. One matrix product proposes some more; their
    distances are taken again by differences, as the product's form cancels for near
    points. (The kernel that takes all distances by differences is many times as slow
    as the product.)"""
    # A mean would follow an outlier, and all others' digits with it.
    centred = points - points.median(dim=0).values
    # |b|^2 - 2ab orders the nodes b as |a - b|^2 does.
    rough = torch.addmm(centred.square().sum(dim=1), centred, centred.t(), alpha=-2)
    rough.fill_diagonal_(torch.inf)
    count = min(k + EXTRA_CANDIDATES, len(points) - 1)
    index = rough.topk(count, dim=1, largest=False).indices
    square = points.new_zeros(index.shape)
    for features in points.split(_FEATURES_AT_ONCE, dim=1):
        difference = features[index] - features.unsqueeze(1)
        square += difference.square().sum(dim=2)
    square, order = square.sort(dim=1)
    near, index = square[:, :k].sqrt(), index.gather(1, order[:, :k])
    if count == len(points) - 1:
        return near, index, torch.ones_like(index[0, 0], dtype=torch.bool)
    # As in exact_neighbors: whoever was left out was judged no nearer than the farthest
    # candidate. Which of several equally far ones it is does not matter here.
    farthest, kth = square[:, -1], square[:, k - 1]
    norms = torch.linalg.vector_norm(centred, dim=1)
    slack = rounding_slack(points.size(1), norms, farthest.sqrt())
    are_certain = kth * (1 - _TIE) <= farthest - slack
    return near, index, (are_certain | (kth == 0)).all()
