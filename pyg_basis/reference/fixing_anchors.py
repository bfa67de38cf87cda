import torch
from torch import Tensor

from pyg_basis.align.align_to_anchors import Directions, directions

# Keeps the moments of anchors that leave a direction open from being singular.
RIDGE = 1e-9
# Rows that vary by less than this share of their norm are constant in single precision.
ROUNDING = 1e-6


def fixing_anchors(rows: Tensor, num_anchors: int) -> Tensor:
    r"""An order of the nodes, of which the first are to be anchors: the order they
    have, but for exchanges until the anchors spread in every direction of their rows
    :obj:`[m, K]` in which the nodes do, or no exchange helps, :obj:`[m]`.

    Without an anchor in a group of nodes that an eigenvector lives on, nothing would
    bring that column of a batch into the reference basis. Each exchange adds the node
    that the anchors predict worst and drops the anchor that the others predict best,
    by their variances in the affine regression on the anchors, so that it raises the
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
    r"""Whether the first nodes, the anchors, spread in every direction of the rows
    :obj:`[m, K]` in which the nodes do."""
    if float((rows - rows.mean(dim=0)).norm()) <= ROUNDING * float(rows.norm()):
        return True
    return bool(_directions(rows, num_anchors).is_fixed.all())


def _directions(rows: Tensor, num_anchors: int) -> Directions:
    anchors = torch.ones(num_anchors, dtype=torch.bool, device=rows.device)
    return directions(rows, anchors)


def _variances(anchors: Tensor, nodes: Tensor) -> Tensor:
    r"""Of predictions at :obj:`nodes [m, p]` by a regression on :obj:`anchors [l, p]`,
    in units of that of an observation, :obj:`[m]`."""
    moments = anchors.t() @ anchors
    moments.diagonal().add_(RIDGE * len(anchors))
    root = torch.linalg.cholesky(moments)
    scaled = torch.linalg.solve_triangular(root, nodes.t(), upper=False)
    return scaled.square().sum(dim=0)
