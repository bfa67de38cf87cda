import math

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph._candidates import check_backend, choose_backend
from pyg_basis.graph._exact_neighbors import EXTRA_CANDIDATES, exact_neighbors
from pyg_basis.graph._knn_validation import checked_neighbors


def knn_graph(x: Tensor, k: int, backend: str = "auto") -> Data:
    r"""The directed graph of the exact :math:`k` nearest neighbors.

    Every node receives exactly :math:`k` edges, from the :math:`k` other nodes
    that are first in the order of (Euclidean distance, node index). The distance
    that decides is taken by differences in float64, so all backends return the
    same edges in the same order, also for duplicated points and tied distances.
    No gradient flows through the search.

    Args:
        x (Tensor): Features :math:`[n, d]`, floating point and finite.
        k (int): Neighbors per node, :math:`1 \le k \le n - 1`; a node is never
            its own neighbor.
        backend (str): What proposes the neighbors: ``"torch"`` (all distances, also
            on CUDA), ``"scipy"`` (:class:`scipy.spatial.cKDTree`), or
            ``"torch_cluster"`` (where installed). ``"auto"`` takes the tree in few
            dimensions and all distances else. It changes the time, never the
            result. (default: ``"auto"``)

    Returns:
        Data: ``x`` :math:`[n, d]`; ``edge_index`` :math:`[2, nk]`, int64, row 0 the
        neighbor and row 1 the node, sorted by node, then distance, then
        neighbor; ``edge_distance`` :math:`[nk]`, Euclidean, in units and dtype
        of ``x``.

    Raises:
        ValueError: If ``x`` is not a finite, floating point, two-dimensional
            tensor, ``k`` is not within :math:`[1, n - 1]`, or the backend is
            unknown.
        ImportError: If the backend named is not installed.
    """
    k = checked_neighbors(x, k)
    backend = choose_backend(x) if backend == "auto" else backend
    check_backend(backend, x, k + EXTRA_CANDIDATES + 1)

    with torch.no_grad():
        # A power of two: dividing by it is exact, so ties stay ties, while squares
        # can neither overflow nor vanish. Kernels with a fixed largest distance
        # (torch_cluster on CUDA) need it too.
        points = x.detach().to(torch.float64)
        largest = float(points.abs().max())
        scale = 2.0 ** min(math.frexp(largest)[1], 1023) if largest > 0 else 1.0
        index, distance = exact_neighbors(points / scale, k, backend)

        node = torch.arange(x.size(0), device=x.device).repeat_interleave(k)
        edge_index = torch.stack([index.reshape(-1), node])
        # Between two ends of the range of x lies more than its dtype can hold.
        edge_distance = (distance.reshape(-1) * scale).clamp(
            max=torch.finfo(x.dtype).max
        )
        edge_distance = edge_distance.to(x.dtype)
    return Data(x=x, edge_index=edge_index, edge_distance=edge_distance)
