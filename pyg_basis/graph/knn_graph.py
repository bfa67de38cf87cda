import math

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis._constraints import StrOptions, at_least, check_arguments
from pyg_basis.graph._candidates import BACKENDS
from pyg_basis.graph._exact_neighbors import exact_neighbors
from pyg_basis.graph._sparse import described, is_dense

CONSTRAINTS = {"k": [at_least(1)], "backend": [StrOptions({"auto", *BACKENDS})]}


def knn_graph(x: Tensor, k: int, backend: str = "auto") -> Data:
    r"""The directed graph of the exact :math:`k` nearest neighbors.

    Every node receives exactly :math:`k` edges, from the first :math:`k` other nodes by
    (Euclidean distance, node index). Distances are compared by differences in float64,
    so all backends return the same edges in the same order, also for duplicate points
    and ties. No gradient flows through the search.

    Args:
        x (Tensor): Features :math:`[n, d]`, floating point and finite.
        k (int): Neighbors per node, :math:`1 \le k \le n - 1`; a node is never
            its own neighbor.
        backend (str): Proposes the neighbors: ``"torch"`` (all distances, also on
            CUDA), ``"scipy"`` (:class:`scipy.spatial.cKDTree`), or ``"torch_cluster"``
            (if installed). ``"auto"`` uses the tree in few dimensions, otherwise all
            distances. The backend changes the time, never the result.
            (default: ``"auto"``)

    Returns:
        Data: ``x`` :math:`[n, d]`; ``edge_index`` :math:`[2, nk]`, int64, row 0 the
        neighbor and row 1 the node, sorted by node, then distance, then
        neighbor; ``edge_distance`` :math:`[nk]`, Euclidean, in units and dtype
        of ``x``, but at least in single precision.

    Raises:
        ValueError: If ``x`` is not a finite, floating point, two-dimensional
            tensor, ``k`` is not within :math:`[1, n - 1]`, or the backend is
            unknown.
        ImportError: If the chosen backend is not installed.
    """
    check_arguments(CONSTRAINTS, "knn_graph", k=k, backend=backend)
    _check(x, k)
    with torch.no_grad():
        # Dividing by a power of two is exact, so ties stay ties, and squares neither
        # overflow nor underflow. Kernels with a fixed largest distance (torch_cluster
        # on CUDA) need it too.
        points = x.detach().to(torch.float64)
        largest = float(points.abs().max())
        scale = 2.0 ** min(math.frexp(largest)[1], 1023) if largest > 0 else 1.0
        index, distance = exact_neighbors(points / scale, int(k), backend)

        node = torch.arange(x.size(0), device=x.device).repeat_interleave(int(k))
        edge_index = torch.stack([index.reshape(-1), node])
        # The difference of two extremes of x may overflow its dtype.
        dtype = torch.promote_types(x.dtype, torch.float32)
        edge_distance = distance.reshape(-1) * scale
        edge_distance = edge_distance.clamp(max=torch.finfo(dtype).max).to(dtype)
    return Data(x=x, edge_index=edge_index, edge_distance=edge_distance)


def _check(x: Tensor, k: int) -> None:
    is_usable = is_dense(x) and x.is_floating_point() and x.dim() == 2
    if not is_usable or x.size(1) == 0:
        raise ValueError(
            "x must have shape [n, d], one row of d >= 1 floating point numbers a "
            f"node, in memory and dense, got {described(x)}: convert it with "
            "torch.as_tensor(x).float(), flatten each node's features with "
            "x.flatten(1), or add a column axis with x.unsqueeze(1)"
        )
    if k >= len(x):
        raise ValueError(
            f"fewer nodes than neighbors: k={k} needs at least {k + 1} nodes (a "
            f"node is not its own neighbor), but x has {len(x)} rows: pass "
            f"k <= {max(len(x) - 1, 0)} or more nodes"
        )
    if num_bad := int((~torch.isfinite(x)).any(dim=1).sum()):
        raise ValueError(
            f"x must be finite, got NaN or infinite features in {num_bad} of {len(x)} "
            "rows: drop those rows or replace the values, for example with "
            "torch.nan_to_num(x)"
        )
