from typing import Literal

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis.graph._knn_validation import checked_neighbors
from pyg_basis.graph._nearest_neighbors import nearest_neighbors
from pyg_basis.graph._sparse import csr_tensor
from pyg_basis.graph.affinity import check_bandwidth, median_distance
from pyg_basis.graph.landmarks import Landmarks
from pyg_basis.graph.laplacian_operator import Laplacian


def neighbor_laplacian(
    landmarks: Landmarks,
    x: Tensor,
    k: int,
    bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
    kind: Literal["sym", "comb"] = "sym",
) -> Laplacian:
    r"""The Laplacian of the neighbour graph of the landmarks and further points, in
    one go on the host.

    The same as ``laplacian(affinity(knn_graph(x, k), bandwidth), kind)`` of all points
    together, in double precision throughout, for batches of some thousand points that
    share the landmarks. No edge is sorted: rows are compressed as their neighbours are
    found, and the transpose of a compressed matrix is a counting sort.

    Args:
        landmarks (Landmarks): The first :math:`l` nodes.
        x (Tensor): Features of the others, :math:`[m - l, d]`, finite.
        k (int): Neighbours per node, below :math:`m`.
        bandwidth (str or float): See :func:`~pyg_basis.graph.affinity`.
            (default: ``"self_tuning"``)
        kind (str): ``"sym"`` or ``"comb"``. (default: ``"sym"``)

    Returns:
        Laplacian: Matrix :math:`[m, m]` (float64, exactly symmetric), degrees
        :math:`[m]`.

    Raises:
        ValueError: If the features are not finite, ``k`` is not within
            :math:`[1, m - 1]`, or ``bandwidth`` or ``kind`` is unknown.
    """
    if kind not in ("sym", "comb"):
        raise ValueError(
            f"kind={kind!r} is unknown: pass 'sym', whose eigenvectors give those of "
            f"the random walk, or 'comb'"
        )
    sigma = check_bandwidth(bandwidth)
    k = checked_neighbors(x, k, others=len(landmarks))
    if x.size(1) != landmarks.points.shape[1]:
        raise ValueError(
            f"x has {x.size(1)} features and the landmarks have "
            f"{landmarks.points.shape[1]}: give both the same features"
        )
    points = landmarks.joined(x)
    m = len(points)
    columns, squares = nearest_neighbors(points, k, landmarks)
    if bandwidth == "self_tuning":
        ratio = _self_tuned_ratio(columns, squares)
    else:
        if sigma is None:
            others = squares[columns != np.arange(m)[:, None]]
            sigma = median_distance(torch.from_numpy(np.sqrt(others)))
        else:
            # Not 0, by which the distance of duplicates could not be divided.
            sigma = max(sigma / landmarks.scale, np.finfo(np.float64).tiny)
        with np.errstate(over="ignore"):
            ratio = (np.sqrt(squares) / sigma) ** 2 / 2
    # As in affinity: no edge is lost by underflow.
    weight = np.maximum(np.exp(-ratio), np.finfo(np.float32).tiny)

    indptr = np.arange(0, columns.size + 1, k + 1, dtype=np.int32)
    directed = scipy.sparse.csr_matrix(
        (weight.reshape(-1), columns.reshape(-1), indptr), shape=(m, m)
    )
    # The transpose of the transpose has its columns in order.
    reverse = directed.T.tocsr()
    directed = reverse.T.tocsr()
    directed.has_canonical_format = reverse.has_canonical_format = True
    return _laplacian(directed.maximum(reverse), kind)


def _self_tuned_ratio(
    columns: NDArray[np.integer], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    bandwidths = np.sqrt(squares.max(axis=1))
    own, other = bandwidths[:, None], bandwidths[columns]
    if bandwidths.min() > 0:
        return squares / (own * other)
    # As in affinity: where the bandwidth of a node is 0, that of its neighbour counts,
    # and distance 0 has weight 1.
    width = np.where(own > 0, own, other) * np.where(other > 0, other, own)
    return np.divide(squares, width, out=np.zeros_like(squares), where=squares > 0)


def _laplacian(
    weights: scipy.sparse.csr_matrix, kind: Literal["sym", "comb"]
) -> Laplacian:
    r"""Of symmetric weights whose diagonal is stored, with any value."""
    m = weights.shape[0]
    rows = np.repeat(np.arange(m, dtype=np.int32), np.diff(weights.indptr))
    diagonal = np.flatnonzero(rows == weights.indices)
    values = weights.data
    values[diagonal] = 0.0
    degree = np.add.reduceat(values, weights.indptr[:-1])
    if kind == "sym":
        inverse_root = degree**-0.5
        # The product of both roots first: it is the same on both sides.
        values *= -(inverse_root[rows] * inverse_root[weights.indices])
        values[diagonal] = 1.0
    else:
        values *= -1.0
        values[diagonal] = degree
    crow, column, value = map(
        torch.from_numpy, (weights.indptr, weights.indices, values)
    )
    matrix = csr_tensor(crow, column, value, m)
    return Laplacian(matrix=matrix, kind=kind, degree=torch.from_numpy(degree))
