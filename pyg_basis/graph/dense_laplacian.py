from typing import Literal

import torch
from torch import Tensor

from pyg_basis.graph._exact_neighbors import EXTRA_CANDIDATES
from pyg_basis.graph.affinity import check_bandwidth
from pyg_basis.graph.laplacian_operator import Laplacian

# Bounds the memory of differences: as many numbers for each candidate.
_FEATURES_AT_ONCE = 16


def dense_laplacian(
    x: Tensor,
    k: int,
    bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
    kind: Literal["sym", "comb"] = "sym",
) -> Laplacian:
    r"""The Laplacian of the neighbour graph of a batch as a full matrix, for
    accelerators.

    That of ``laplacian(affinity(knn_graph(x, k), bandwidth), kind)`` in double
    precision, but for which of several equally far nodes is the ``k``-th neighbour, as
    far as the resolution of single precision features tells: nobody looks whether a
    row is in doubt. No shape and no step depends on a number that the host would have
    to read, and products with a full matrix of some thousand rows cost less there than
    a launch.

    Args:
        x (Tensor): Features :math:`[m, d]`.
        k (int): Neighbours per node, below :math:`m`.
        bandwidth (str or float): See :func:`~pyg_basis.graph.affinity`.
            (default: ``"self_tuning"``)
        kind (str): ``"sym"`` or ``"comb"``. (default: ``"sym"``)

    Returns:
        Laplacian: Matrix :math:`[m, m]` (dense, float64), degrees :math:`[m]`.

    Raises:
        ValueError: If ``bandwidth`` is unknown.
    """
    sigma: float | Tensor | None = check_bandwidth(bandwidth)
    near, index = _neighbors(x.detach().double(), k)
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
    return Laplacian(matrix=matrix, kind=kind, degree=degree)


def _neighbors(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Distances :math:`[m, k]`, ascending, to the nearest other points, and their
    indices. One matrix product proposes some more; their distances are taken again by
    differences, as the product's form cancels for near points. (The kernel that takes
    all distances by differences is ninety times as slow as the product.)"""
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
    near, order = square.sqrt().sort(dim=1)
    return near[:, :k], index.gather(1, order[:, :k])
