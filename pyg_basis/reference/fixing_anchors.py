import torch
from torch import Tensor

from pyg_basis.align.align_to_anchors import Directions, directions

# Keeps the moments nonsingular if the anchors do not span a direction.
RIDGE = 1e-9
# Rows with less variation, relative to their norm, are constant in single precision.
ROUNDING = 1e-6


def fixing_anchors(rows: Tensor, num_anchors: int) -> Tensor:
    r"""Reorders the nodes so that the first :obj:`num_anchors`, the anchors, vary in
    every direction of their rows :obj:`[m, K]` in which the nodes vary. The given order
    is changed by exchanges until this holds, or no exchange helps, :obj:`[m]`.

    If an eigenvector is supported on a group of nodes without an anchor, its column in
    a batch could not be mapped to the reference basis. Each exchange adds the node that
    the anchors predict worst and removes the anchor that the others predict best, by
    their variances in the affine regression on the anchors. This increases the
    determinant of the moments (`Mitchell 1974
    <https://doi.org/10.1080/00401706.1974.10489175>`_).
    """
    order = torch.arange(len(rows), device=rows.device)
    coordinates = _directions(rows, num_anchors).coordinates
    coordinates = torch.nn.functional.pad(coordinates, (1, 0), value=1.0)
    for _ in range(num_anchors):
        if are_fixing(rows[order], num_anchors):
            break
        anchors, others = order[:num_anchors], order[num_anchors:]
        variances = _variances(coordinates[anchors], coordinates[others])
        added = num_anchors + variances.argmax()
        candidates = coordinates[torch.cat([anchors, order[added, None]])]
        dropped = _variances(candidates, candidates).argmin()
        if dropped == num_anchors:
            break
        order[added], order[dropped] = order[dropped].clone(), order[added].clone()
    return order


def are_fixing(rows: Tensor, num_anchors: int) -> bool:
    r"""Whether the first nodes, the anchors, vary in every direction of the rows
    :obj:`[m, K]` in which the nodes vary."""
    if float((rows - rows.mean(dim=0)).norm()) <= ROUNDING * float(rows.norm()):
        return True
    return bool(_directions(rows, num_anchors).is_fixed.all())


def _directions(rows: Tensor, num_anchors: int) -> Directions:
    anchors = torch.ones(num_anchors, dtype=torch.bool, device=rows.device)
    return directions(rows, anchors)


def _variances(anchors: Tensor, nodes: Tensor) -> Tensor:
    r"""Returns the variances of predictions at :obj:`nodes [m, p]` by a regression on
    :obj:`anchors [l, p]`, relative to that of an observation, :obj:`[m]`."""
    moments = anchors.t() @ anchors
    moments.diagonal().add_(RIDGE * len(anchors))
    root = torch.linalg.cholesky(moments)
    scaled = torch.linalg.solve_triangular(root, nodes.t(), upper=False)
    return scaled.square().sum(dim=0)
