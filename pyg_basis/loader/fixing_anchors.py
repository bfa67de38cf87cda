import torch
from scipy.linalg import qr
from torch import Tensor

from pyg_basis.align.fixed_part import directions


def fixing_anchors(rows: Tensor, num_anchors: int) -> Tensor:
    r"""An order of the nodes, of which the first are to be anchors: the order they
    have, but for as many exchanges as it takes for the anchors to spread in every
    direction of their rows :obj:`[m, K]` in which the nodes do, :obj:`[m]`.

    An eigenvector may live on a small group of nodes of which none is an anchor, and
    then nothing would bring that column of a batch into the reference basis. Pivoted
    QR takes a node out of each such group, and they stand in for the anchors of the
    least leverage (`Hoaglin and Welsch 1978
    <https://doi.org/10.1080/00031305.1978.10479237>`_), which fix the least.
    """
    is_anchor = torch.arange(len(rows), device=rows.device) < num_anchors
    found = directions(rows, is_anchor[:num_anchors])
    open_coordinates = found.coordinates[:, ~found.is_fixed] * ~is_anchor[:, None]
    num_exchanged = min(open_coordinates.size(1), len(rows) - num_anchors)
    order = torch.arange(len(rows), device=rows.device)
    if num_exchanged == 0:
        return order
    transposed = open_coordinates.t().cpu().numpy()
    pivots = qr(transposed, mode="r", pivoting=True)[1][:num_exchanged]
    incoming = torch.from_numpy(pivots).to(order)
    scaled = found.coordinates[:num_anchors, found.is_fixed].square()
    leverage = (scaled / found.shares[found.is_fixed]).sum(dim=1)
    outgoing = leverage.argsort(stable=True)[:num_exchanged]
    order[outgoing], order[incoming] = incoming, outgoing
    return order
