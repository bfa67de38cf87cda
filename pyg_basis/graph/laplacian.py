from typing import Literal

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph._sparse import csr_tensor
from pyg_basis.graph._validation import checked_edge_index, checked_edge_values
from pyg_basis.graph.laplacian_operator import Laplacian


def laplacian(graph: Data, kind: Literal["sym", "rw", "comb"] = "sym") -> Laplacian:
    r"""The Laplacian of a symmetric weighted graph as a torch sparse CSR matrix.

    With weights :math:`W` and degrees :math:`D = \mathrm{diag}(W \mathbf{1})`:

    .. math::
        L_{sym} = I - D^{-1/2} W D^{-1/2}, \quad
        L_{rw} = I - D^{-1} W, \quad
        L_{comb} = D - W

    The row of an isolated node is zero in every kind: a component of its own with
    eigenvalue 0 (Chung, `"Spectral Graph Theory"
    <https://mathweb.ucsd.edu/~fan/research/revised.html>`_, 1997, Section 1.2; as in
    :func:`scipy.sparse.csgraph.laplacian`). Loops are left out, as they are there
    and in :func:`torch_geometric.utils.get_laplacian`; repeated edges add up.

    Args:
        graph (Data): ``edge_index`` :math:`[2, E]` holding both directions of every
            edge, and ``edge_weight`` :math:`[E]`, not negative (all ones in the
            default dtype if missing).
        kind (str): ``"sym"``, ``"rw"`` or ``"comb"``. (default: ``"sym"``)

    Returns:
        Laplacian: Matrix :math:`[n, n]`, kind and degrees, in the dtype of
        ``edge_weight``. The diagonal is stored in every row.

    Raises:
        ValueError: If ``kind`` is unknown, ``edge_index`` is out of range, a weight
            is negative or not finite, or the weights are not symmetric.
    """
    if kind not in ("sym", "rw", "comb"):
        raise ValueError(
            f"kind={kind!r} is unknown: pass 'sym' (normalised), 'rw' (random walk) "
            "or 'comb' (combinatorial)"
        )
    edge_index, num_nodes = checked_edge_index(graph)
    if num_nodes == 0:
        raise ValueError("graph has num_nodes=0: pass a graph with at least one node")
    weight = graph.edge_weight
    if weight is None:
        weight = torch.ones(edge_index.size(1), device=edge_index.device)
    checked_edge_values(weight, "edge_weight", edge_index.size(1))

    row, column, weight = _coalesce(edge_index, weight, num_nodes)
    count = torch.bincount(row, minlength=num_nodes)
    start = torch.cat([count.new_zeros(1), count.cumsum(0)])
    if row.numel() < 2**31 - num_nodes:
        # In half the memory: new memory costs more time than what is done with it.
        start, row, column = start.int(), row.int(), column.int()
    _check_symmetry(start, column, weight)
    degree = weight.new_zeros(num_nodes).index_add_(0, row, weight)
    connected = degree > 0
    if kind == "comb":
        diagonal, off_diagonal = degree, -weight
    else:
        diagonal = connected.to(weight.dtype)
        # Isolated nodes have no edge, so their factor is never used.
        if kind == "sym":
            root = degree.sqrt()
            scale = root.index_select(0, row) * root.index_select(0, column)
        else:
            scale = degree.index_select(0, row)
        off_diagonal = (weight / scale).neg_()
    matrix = _with_diagonal(start, row, column, off_diagonal, diagonal)
    return Laplacian(matrix=matrix, kind=kind, degree=degree)


def _coalesce(
    edge_index: Tensor, weight: Tensor, num_nodes: int
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Edges sorted by row then column, without loops, repeats or zero weights."""
    row, column = edge_index
    # Zero weights are no edges; kept, a node with nothing else would have a row of
    # 0 / 0. Subnormal ones go with them: products of the roots of such degrees
    # underflow.
    keep = (row != column) & (weight >= torch.finfo(weight.dtype).tiny)
    if not bool(keep.all()):
        row, column, weight = row[keep], column[keep], weight[keep]
    key = row * num_nodes + column
    if not bool((key[1:] > key[:-1]).all()):
        key, order = key.sort(stable=True)
        key, group = torch.unique_consecutive(key, return_inverse=True)
        weight = weight.new_zeros(key.numel()).index_add_(0, group, weight[order])
        row = key.div(num_nodes, rounding_mode="floor")
        column = key - row * num_nodes
    return row, column, weight


def _check_symmetry(start: Tensor, column: Tensor, weight: Tensor) -> None:
    # In host memory, where a transpose is a counting sort.
    arrays = (weight.detach(), column, start)
    num_nodes = start.numel() - 1
    matrix = csr_matrix(
        tuple(array.cpu().numpy() for array in arrays), (num_nodes, num_nodes)
    )
    transposed = matrix.T.tocsr()
    tolerance = 16 * torch.finfo(weight.dtype).eps
    if (
        np.array_equal(matrix.indptr, transposed.indptr)
        and np.array_equal(matrix.indices, transposed.indices)
        and bool(np.all(abs(transposed.data - matrix.data) <= tolerance * matrix.data))
    ):
        return
    raise ValueError(
        "graph.edge_weight must be symmetric: every edge (i, j) needs its reverse "
        "(j, i) with the same weight. A directed neighbour graph becomes symmetric "
        "with affinity(graph), any other with "
        "torch_geometric.utils.to_undirected(edge_index, edge_weight, reduce='max')"
    )


def _with_diagonal(
    start: Tensor, row: Tensor, column: Tensor, value: Tensor, diagonal: Tensor
) -> Tensor:
    r"""CSR matrix of sorted off-diagonal entries and a full diagonal, no sorting."""
    num_nodes, num_edges = diagonal.numel(), row.numel()
    node = torch.arange(num_nodes, dtype=column.dtype, device=row.device)
    # Entry e lands behind one diagonal entry for each earlier row, and behind that
    # of its own row if it is right of it.
    below = column < row
    position = torch.arange(num_edges, device=row.device).add_(row).add_(~below)
    num_below = torch.cat(
        [start.new_zeros(1, dtype=torch.int32), below.cumsum(0, dtype=torch.int32)]
    )
    num_below = num_below[start].diff()
    crow = start + torch.arange(num_nodes + 1, dtype=start.dtype, device=row.device)
    diagonal_position = (crow[:-1] + num_below).long()
    all_columns = column.new_empty(num_edges + num_nodes)
    all_values = value.new_empty(num_edges + num_nodes)
    for target, entries, on_diagonal in (
        (all_columns, column, node),
        (all_values, value, diagonal),
    ):
        target.scatter_(0, position, entries)
        target.scatter_(0, diagonal_position, on_diagonal)
    return csr_tensor(crow, all_columns, all_values, num_nodes)
