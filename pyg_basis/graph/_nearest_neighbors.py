import numpy as np
import torch
from numpy.typing import NDArray

from pyg_basis.graph._exact_neighbors import exhaustive_neighbors
from pyg_basis.graph._nearest_by_threshold import nearest_by_threshold
from pyg_basis.graph._nearest_by_tree import nearest_by_tree
from pyg_basis.graph.landmarks import Landmarks

# Measured on one core, k = 20 and 50: from so many nodes in so few dimensions on, a
# tree is quicker than all distances.
_LEAST_NODES_TREE = 2048
_MOST_DIMENSIONS_TREE = 4


def nearest_neighbors(
    points: NDArray[np.float64], k: int, landmarks: Landmarks
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    r"""Each node and its ``k`` nearest others by (distance, index), the same as of
    :func:`~pyg_basis.graph.knn_graph`, unordered.

    What a quick search leaves open, as to ties and roundoff, is done again exactly.

    Args:
        points (ndarray): From :meth:`Landmarks.joined`, :math:`[m, d]`.
        k (int): Neighbours per node, below :math:`m`.
        landmarks (Landmarks): The first of the points.

    Returns:
        (ndarray, ndarray): Columns :math:`[m, k + 1]` and squared distances
        :math:`[m, k + 1]`; each node is in its own row.
    """
    m, d = points.shape
    columns: NDArray[np.integer]
    if m >= _LEAST_NODES_TREE and d <= _MOST_DIMENSIONS_TREE:
        columns, squares, certain = nearest_by_tree(points, k)
    else:
        columns, squares, certain = nearest_by_threshold(points, k, landmarks)
    redone = np.flatnonzero(~certain)
    if len(redone) > 0:
        index, distance = exhaustive_neighbors(
            torch.from_numpy(points), torch.from_numpy(redone), k
        )
        columns[redone, 0], columns[redone, 1:] = redone, index.numpy()
        squares[redone, 0], squares[redone, 1:] = 0.0, distance.numpy() ** 2
    return columns, squares
