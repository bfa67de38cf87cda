from typing import Literal

import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, from_scipy_sparse_matrix, remove_self_loops

from pyg_basis._constraints import POSITIVE, StrOptions, check_arguments
from pyg_basis.graph._edges import as_data, checked_edge_index, checked_edge_values

Bandwidth = Literal["self_tuning", "global"] | float
BANDWIDTH = [StrOptions({"self_tuning", "global"}), POSITIVE]


def affinity(graph: Data, bandwidth: Bandwidth = "self_tuning") -> Data:
    r"""Gaussian affinities on the edges of a neighbor graph, symmetrized.

    With :math:`d_{ij}` the distance of an edge,

    .. math::
        W_{ij} = \exp\left(-\frac{d_{ij}^2}{s_i s_j}\right)
        \quad\text{or}\quad
        W_{ij} = \exp\left(-\frac{d_{ij}^2}{2 \sigma^2}\right)

    for ``"self_tuning"`` and for a single :math:`\sigma`. Here :math:`s_i` is the
    distance to the farthest neighbor of :math:`i` in ``graph``, its
    :math:`k`-th. The first form is from Zelnik-Manor and Perona,
    "Self-Tuning Spectral Clustering" (Advances in Neural Information Processing
    Systems 17, 2004). The second is Eq. 1 of `"BASiS"
    <https://arxiv.org/abs/2211.16960>`_ with the usual factor 2 of a standard
    deviation (for :math:`\exp(-d^2 / t^2)` pass :math:`\sigma = t / \sqrt{2}`). Then
    :math:`W \leftarrow \max(W, W^\top)`.

    A node with :math:`s_i = 0` (at least :math:`k` duplicates) takes the scale of the
    other end of each edge, so it stays connected; distance 0 always gives weight 1.
    Weights that underflow are set to the smallest normal number of their dtype, so no
    edge is lost, and no node is disconnected by underflow.

    Args:
        graph (Data): ``edge_index`` :math:`[2, E]` (row 0 the neighbor, row 1 the
            node) and ``edge_distance`` :math:`[E]`, as from
            :func:`~pyg_basis.graph.knn_graph`. Loops are dropped.
        bandwidth (str or float): ``"self_tuning"``; ``"global"``, with :math:`\sigma`
            the median of the edge distances (of the positive ones, if the median is
            0); or :math:`\sigma` itself, in units of ``edge_distance``.
            (default: ``"self_tuning"``)

    Returns:
        Data: ``x`` if ``graph`` has it, symmetric ``edge_index`` without loops or
        repeated edges, sorted by row then column, ``edge_weight`` in
        :math:`(0, 1]` with the dtype of ``edge_distance``, but at least in single
        precision, and ``num_nodes``.

    Raises:
        ValueError: If ``edge_distance`` is missing, negative or not finite,
            ``edge_index`` is out of range, or ``bandwidth`` is none of the above.
    """
    check_arguments({"bandwidth": BANDWIDTH}, "affinity", bandwidth=bandwidth)
    graph = as_data(graph)
    matrix = affinity_weights(graph, bandwidth)
    edge_index, weight = from_scipy_sparse_matrix(matrix)
    distance = graph.edge_distance
    dtype = torch.promote_types(distance.dtype, torch.float32)
    result = Data(
        edge_index=edge_index.to(distance.device),
        edge_weight=weight.to(distance.device, dtype),
        num_nodes=matrix.shape[0],
    )
    if graph.x is not None:
        result.x = graph.x
    return result


def affinity_weights(graph: Data, bandwidth: Bandwidth) -> csr_matrix:
    r"""Returns the affinities of a neighbor graph, see :func:`affinity`, as a symmetric
    matrix in double precision, :obj:`[n, n]`, without loops.

    Raises:
        ValueError: If the edges or the distances are invalid.
    """
    edge_index, num_nodes = checked_edge_index(graph)
    distance = graph.get("edge_distance")
    if distance is None:
        raise ValueError(
            "graph has no edge_distance, which affinities are made from: build it "
            "with knn_graph(x, k), or set graph.edge_distance [E]; a graph that has "
            "an edge_weight already goes to laplacian(graph) directly"
        )
    distance = checked_edge_values(distance, "edge_distance", edge_index.size(1))

    if bandwidth == "self_tuning":
        ratio = _self_tuned_square(edge_index, distance, num_nodes)
    else:
        sigma = _median(distance) if bandwidth == "global" else float(bandwidth)
        ratio = (distance / sigma).square() / 2
    weight = torch.exp(-ratio).clamp(min=torch.finfo(distance.dtype).tiny)
    return _symmetrize(edge_index, weight.detach(), num_nodes)


def _self_tuned_square(edge_index: Tensor, distance: Tensor, num_nodes: int) -> Tensor:
    neighbor, node = edge_index
    scale = distance.new_zeros(num_nodes).scatter_reduce_(0, node, distance, "amax")
    s_i, s_j = scale[node], scale[neighbor]
    # s_i is at least this distance: if it is 0, so is the distance.
    s_j = torch.where(s_j > 0, s_j, s_i)
    # Two divisions, as the product may underflow to 0.
    ratio = (distance / s_i) * (distance / s_j)
    return torch.where(distance > 0, ratio, 0.0)


def _median(distance: Tensor) -> float:
    # If it is 0, take the median of the positive distances.
    for some in (distance, distance[distance > 0]):
        if some.numel() > 0 and some.median() > 0:
            return float(some.median())
    return 1.0  # Duplicates only: every weight is 1 under any sigma.


def _symmetrize(edge_index: Tensor, weight: Tensor, num_nodes: int) -> csr_matrix:
    edge_index, weight = remove_self_loops(edge_index, weight)
    row, column = edge_index.cpu().numpy()
    shape = num_nodes, num_nodes
    # Node by neighbor, like neighbor graphs; the counting sorts of two transposes sort
    # all edges.
    reverse = csr_matrix((weight.cpu().double().numpy(), (column, row)), shape)
    if reverse.nnz < len(row):
        # Repeated edges, which were summed, keep the largest weight.
        edge_index, weight = coalesce(edge_index, weight, num_nodes, reduce="max")
        return _symmetrize(edge_index, weight, num_nodes)
    return reverse.maximum(reverse.T.tocsr())
