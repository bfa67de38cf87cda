"""The edges of a graph as a checked sparse matrix."""

from operator import index
from typing import Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse, sparray, spmatrix
from sklearn.utils import check_array
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import from_scipy_sparse_matrix, is_sparse, to_edge_index

from pyg_basis.graph._sparse import described, is_dense

# Asymmetry explained by rounding, relative to the largest entry of a matrix, in units
# of the machine epsilon: products such as D^-1/2 W D^-1/2 round the two triangles
# differently.
SYMMETRY_TOLERANCE = 100

Graph = Data | nx.Graph | spmatrix | sparray | NDArray[Any]


def as_data(graph: object, features: bool = True) -> Data:
    r"""Converts a graph to PyG :class:`~torch_geometric.data.Data` with an
    :obj:`edge_index`, if it has edges.

    A :class:`~torch_geometric.data.Data` with only :obj:`adj_t` gets its edges (values
    that are edge features rather than weights are omitted). A networkx graph gives its
    edges in both directions, with their :obj:`"weight"` (1 if missing), and, unless
    :obj:`features` is false, the node attribute :obj:`"x"`, if all nodes have it, in
    the order of its nodes. An adjacency matrix :obj:`[n, n]`, of :mod:`scipy.sparse` or
    a NumPy array, gives an edge per nonzero. Its entries are weights (affinities,
    connectivities), large for similar nodes, not distances.

    Raises:
        ValueError: If it is none of these, or a directed networkx graph; if the
            attribute :obj:`"x"` is not a row of numbers of equal length, or
            :obj:`"weight"` not a number; or if the matrix is not square, not symmetric,
            or has negative, NaN or infinite entries.
    """
    if isinstance(graph, Data):
        return _with_edge_index(graph)
    if issparse(graph) or isinstance(graph, np.ndarray):
        return _of_adjacency(graph)
    if not isinstance(graph, nx.Graph) or graph.is_directed():
        raise ValueError(
            f"graph must be a torch_geometric.data.Data, an undirected "
            f"networkx.Graph or an adjacency matrix of scipy.sparse, got "
            f"{type(graph).__name__}: build one with "
            f"knn_graph(x, k) or Data(edge_index=..., num_nodes=...), or pass "
            f"graph.to_undirected()"
        )
    num_nodes = graph.number_of_nodes()
    if num_nodes == 0:
        return Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=0)
    try:
        # Via CSR, which sums the corrections of networkx for loops.
        matrix = nx.to_scipy_sparse_array(graph, dtype=np.float64, format="csr")
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"the attribute 'weight' of the edges of graph must be a number ({error}): "
            f"convert it, or remove the attribute"
        ) from error
    data = _of_weights(matrix)
    given = nx.get_node_attributes(graph, "x")
    if features and len(given) == num_nodes:
        try:
            rows = np.stack([np.atleast_1d(np.asarray(given[node])) for node in graph])
            rows = rows if rows.dtype == np.float32 else rows.astype(np.float64)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"the attribute 'x' of the nodes must be a row of numbers, of one "
                f"length for all ({error}): convert it, or remove the attribute"
            ) from error
        data.x = torch.from_numpy(rows)
    return data


def _of_adjacency(adjacency: Any) -> Data:
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
        raise ValueError(
            f"adjacency has shape {adjacency.shape}, expected one row and one column "
            f"a node of the graph, [n, n]: pass the features as X, and the weights "
            f"between all points as adjacency"
        )
    matrix = csr_matrix(
        check_array(
            adjacency,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            ensure_min_samples=0,
            ensure_min_features=0,
            input_name="adjacency",
        )
    )
    is_valid = (matrix.data >= 0) & (matrix.data < np.inf)
    if not is_valid.all():
        raise ValueError(
            f"adjacency must be finite and as weights of a graph not negative, got "
            f"{matrix.data[~is_valid][0]}: leave those entries out, or turn distances "
            f"into weights, for example by exp(-d**2 / scale**2)"
        )
    if _asymmetry(matrix) > SYMMETRY_TOLERANCE * np.finfo(matrix.dtype).eps:
        raise ValueError(
            "adjacency must be symmetric, as the graph is undirected, and some "
            "adjacency[i, j] is not adjacency[j, i]: W.maximum(W.T) of a sparse W "
            "keeps the edges that neighbors have either way, such as those of "
            "kneighbors_graph, W.minimum(W.T) those both ways, and (W + W.T) / 2 is "
            "the mean"
        )
    return _of_weights(matrix)


def _of_weights(matrix: Any) -> Data:
    """The graph with an edge per stored entry of a sparse matrix of weights."""
    edge_index, weight = from_scipy_sparse_matrix(matrix)
    return Data(edge_index=edge_index, edge_weight=weight, num_nodes=matrix.shape[0])


def _asymmetry(matrix: csr_matrix) -> float:
    """The largest difference to the transpose, relative to the largest entry."""
    difference = abs(matrix - matrix.T)
    return float(difference.max() / matrix.max()) if difference.nnz else 0.0


def _with_edge_index(graph: Data) -> Data:
    if graph.edge_index is not None or "adj_t" not in graph:
        return graph
    if not is_sparse(graph.adj_t):
        raise ValueError(
            f"adj_t must be a sparse matrix, got {type(graph.adj_t).__name__}: set "
            f"edge_index, or use torch_geometric.transforms.ToSparseTensor"
        )
    edge_index, value = to_edge_index(graph.adj_t)
    weight = value if value.dim() == 1 else None
    return Data(graph.x, edge_index, edge_weight=weight, num_nodes=graph.num_nodes)


def checked_edge_index(graph: Data) -> tuple[Tensor, int]:
    r"""Returns the validated edges :obj:`[2, E]` and number of nodes of a graph."""
    edge_index = graph.edge_index
    if edge_index is None:
        raise ValueError(
            "graph has no edge_index: build it with knn_graph(x, k), or set "
            "graph.edge_index to an int64 tensor of shape [2, E]"
        )
    if (
        not is_dense(edge_index)
        or edge_index.dtype != torch.long
        or edge_index.shape[:-1] != (2,)
    ):
        raise ValueError(
            "graph.edge_index must be an int64 tensor of shape [2, E], got "
            f"{described(edge_index)}: pass one column an edge, converted with "
            "torch.as_tensor(edge_index).long()"
        )
    num_nodes = _checked_num_nodes(graph)
    if edge_index.numel() > 0:
        low, high = (int(bound) for bound in edge_index.aminmax())
        if low < 0 or high >= num_nodes:
            raise ValueError(
                f"graph.edge_index must lie within [0, {num_nodes - 1}] for "
                f"num_nodes={num_nodes}, got indices from {low} to {high}: drop "
                "those edges, or set graph.num_nodes (or graph.x) to cover them"
            )
    return edge_index, num_nodes


def _checked_num_nodes(graph: Data) -> int:
    given: object = graph.num_nodes
    try:
        num_nodes = 0 if given is None else index(given)  # type: ignore[arg-type]
    except TypeError:
        num_nodes = -1
    if not 0 <= num_nodes < 2**63:
        raise ValueError(
            f"graph.num_nodes={given!r} must be an integer, not negative: pass the "
            f"number of nodes, or set graph.x"
        )
    return num_nodes


def checked_edge_values(values: Tensor, name: str, num_edges: int) -> Tensor:
    r"""Returns validated edge values :obj:`[E]`, finite and nonnegative, at least in
    single precision."""
    if (
        not is_dense(values)
        or not values.is_floating_point()
        or values.shape != (num_edges,)
    ):
        raise ValueError(
            f"graph.{name} must be a floating point tensor of shape [{num_edges}], one "
            f"value an edge, got {described(values)}: convert it with "
            f"torch.as_tensor(graph.{name}).float().flatten()"
        )
    # One comparison detects negative values and NaN, another infinity.
    is_valid = (values >= 0) & (values < torch.inf)
    if not bool(is_valid.all()):
        raise ValueError(
            f"graph.{name} must be finite and not negative, got "
            f"{values[~is_valid][0].item()}: drop those edges, or mend the values, for "
            f"example with graph.{name}.clamp(min=0)"
        )
    return values.to(torch.promote_types(values.dtype, torch.float32))


def weight_matrix(graph: Data) -> csr_matrix:
    r"""Returns the symmetric weights of a graph in double precision, :obj:`[n, n]`,
    without loops and zero weights. Repeated edges are summed.

    Raises:
        ValueError: If the edges or the weights are invalid, or not symmetric.
    """
    edge_index, num_nodes = checked_edge_index(graph)
    if num_nodes == 0:
        raise ValueError("graph has num_nodes=0: pass a graph with at least one node")
    weight = graph.edge_weight
    if weight is None:
        weight = torch.ones(edge_index.size(1))
    weight = checked_edge_values(weight, "edge_weight", edge_index.size(1))
    limits = torch.finfo(weight.dtype)
    row, column = edge_index.cpu().numpy()
    values = weight.detach().cpu().double().numpy()
    is_edge = (row != column) & (values > 0)
    largest = values.max(where=is_edge, initial=0.0)
    # Products of square roots of subnormal degrees underflow.
    is_small = is_edge & (values < limits.tiny)
    if values.max(where=is_small, initial=0.0) > limits.eps * largest:
        raise ValueError(
            f"graph.edge_weight holds {values[is_small].max():.3g}, below the normal "
            f"numbers of {weight.dtype}, where {largest:.3g} is the largest: multiply "
            "all weights by a power of two"
        )
    is_kept = is_edge & ~is_small
    if not is_kept.all():
        row, column, values = row[is_kept], column[is_kept], values[is_kept]
    if (values / limits.max).sum() > 0.25:
        raise ValueError(
            f"graph.edge_weight adds up to more than a quarter of what {weight.dtype} "
            f"holds, the largest being {largest:.3g}: divide all weights by a power of "
            "two"
        )
    matrix = csr_matrix((values, (row, column)), (num_nodes, num_nodes))
    asymmetry = _asymmetry(matrix)
    if asymmetry == 0:
        return matrix
    if asymmetry > SYMMETRY_TOLERANCE * limits.eps:
        raise ValueError(
            "graph.edge_weight must be symmetric: every edge (i, j) needs its reverse "
            "(j, i) with the same weight. A directed neighbor graph becomes symmetric "
            "with affinity(graph), any other with "
            "torch_geometric.utils.to_undirected(edge_index, edge_weight, reduce='max')"
        )
    # Small weights may have a large relative asymmetry, or exist in one direction only.
    # Divided by small degrees, their rows would, too.
    return (matrix + matrix.T) / 2
