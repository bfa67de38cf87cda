import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# Further neighbours that are asked for where there is a tie for the last place.
_MORE_IF_TIED = 16


def nearest_by_tree(
    points: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    r"""Each node and its ``k`` nearest others, by a k-d tree: no distances but those
    of near nodes are taken, which pays in few dimensions.

    Args:
        points (ndarray): The nodes, :math:`[m, d]`.
        k (int): Neighbours per node, below :math:`m`.

    Returns:
        (ndarray, ndarray, ndarray): Columns :math:`[m, k + 1]`, squared distances
        :math:`[m, k + 1]`, each node in its own row; and which rows a tie has not
        left open, :math:`[m]`.
    """
    tree = cKDTree(points)
    m, count = len(points), k + 1
    distance, index = tree.query(points, min(count + 1, m))
    certain = np.full(m, True)
    if count < m:
        certain = distance[:, k] < distance[:, count]
        tied = np.flatnonzero(~certain)
        if len(tied) > 0:
            wide, others = tree.query(points[tied], min(count + _MORE_IF_TIED, m))
            # A node counts as its own first neighbour, before all duplicates of it.
            others[others == tied[:, None]] = -1
            order = np.lexsort((others, wide))
            wide = np.take_along_axis(wide, order, axis=1)
            certain[tied] = (wide[:, k] < wide[:, -1]) | (wide.shape[1] == m)
            distance[tied] = wide[:, : count + 1]
            others = np.take_along_axis(others, order[:, : count + 1], axis=1)
            index[tied] = np.where(others < 0, tied[:, None], others)
    return index[:, :count], distance[:, :count] ** 2, certain
