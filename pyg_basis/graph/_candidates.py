import importlib.util
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

# Measured on one core, k = 20 and 50: in at most this many dimensions, a k-d tree is
# faster than all distances (2,048 points), or as fast (10,000), for any points.
MOST_DIMENSIONS_TREE = 6
# Distances in memory: 8 MiB on the host, more on an accelerator, to keep it busy.
BLOCK_ELEMENTS, BLOCK_ELEMENTS_CUDA = 1 << 20, 1 << 26
# For features of this width, larger blocks are faster than blocks in the cache.
WIDE = 64
# Maximum number of neighbors, with the node, of torch_cluster's CUDA kernel.
MOST_CLUSTER_CUDA = 100


@dataclass(frozen=True)
class Search:
    r"""A search for near nodes.

    Args:
        candidates (Callable): Maps node indices :obj:`[r]` and a count to distinct
            other nodes for each, :obj:`[r, count]`, in any order.
        is_exact (bool): Whether these are exactly the first by (distance, index), not
            only up to rounding.
    """

    candidates: Callable[[Tensor, int], Tensor]
    is_exact: bool = False


def candidate_search(backend: str, points: Tensor) -> Search:
    r"""Returns the search among points :obj:`[n, d]`, float64, of magnitude at most
    about 1.

    Raises:
        ImportError: If torch_cluster is requested but not installed.
    """
    if backend == "auto":
        is_narrow = points.size(1) <= MOST_DIMENSIONS_TREE
        backend = "scipy" if is_narrow and not points.is_cuda else "torch"
    return BACKENDS[backend](points)


def _all_distances(points: Tensor) -> Search:
    # Products of integers are exact below 2^53, and so are those of points on a grid,
    # such as binary features and counts. Take the finest grid with 3 n |a|^2 + n below.
    largest = max(float(points.square().sum(dim=1).max()), 0.25)
    bits = 52 - math.ceil(math.log2(3 * len(points) * largest))
    integers = points * 2.0 ** (bits // 2)
    is_exact = bool((integers == integers.round()).all())
    # Centering reduces the norms, and thus the rounding errors.
    points = integers if is_exact else points - points.mean(dim=0)
    n, d = points.shape
    elements = BLOCK_ELEMENTS_CUDA if points.is_cuda else BLOCK_ELEMENTS
    if not points.is_cuda and d > WIDE:
        elements *= 4  # each block reads all points anew
    # |b|^2 - 2ab orders the nodes b like |a - b|^2. n (|b|^2 - 2ab) + b also orders
    # exact ties by index.
    factor = n if is_exact else 1
    square = factor * points.square().sum(dim=1)
    if is_exact:
        square += torch.arange(n, device=points.device)

    def candidates(nodes: Tensor, count: int) -> Tensor:
        blocks = nodes.split(max(1, elements // n))
        # One buffer for all blocks: new pages would cost more than the product.
        buffer = points.new_empty(len(blocks[0]), n)
        index = torch.empty(len(nodes), count, dtype=torch.long, device=points.device)
        for block, found in zip(blocks, index.split(len(blocks[0])), strict=True):
            order = buffer[: len(block)]
            torch.addmm(square, points[block], points.t(), alpha=-2 * factor, out=order)
            order.scatter_(1, block.unsqueeze(1), torch.inf)
            found.copy_(_smallest(order, count))
        return index

    return Search(candidates, is_exact)


def _smallest(rows: Tensor, count: int) -> Tensor:
    if rows.is_cuda:
        return rows.topk(count, dim=1, largest=False, sorted=False).indices
    # Faster on the host than torch.
    order = np.argpartition(rows.numpy(), count - 1, axis=1)
    return torch.from_numpy(order[:, :count])


def _tree(points: Tensor) -> Search:
    array = points.cpu().numpy()
    tree = cKDTree(array)

    def candidates(nodes: Tensor, count: int) -> Tensor:
        some = array[nodes.cpu().numpy()]
        index = tree.query(some, count + 1, workers=torch.get_num_threads())[1]
        return _without_self(torch.from_numpy(index).to(points.device), nodes)

    return Search(candidates)


def _torch_cluster(points: Tensor) -> Search:
    if importlib.util.find_spec("torch_cluster") is None:
        raise ImportError(
            "backend='torch_cluster' is not installed: install it with pip install "
            "'pyg-basis[cluster]', or pass backend='auto'"
        )
    with warnings.catch_warnings():
        # Importing its last release raises a deprecation warning.
        warnings.simplefilter("ignore")
        import torch_cluster

    def candidates(nodes: Tensor, count: int) -> Tensor:
        if points.is_cuda and count >= MOST_CLUSTER_CUDA:
            return _all_distances(points).candidates(nodes, count)
        # Its knn_graph(loop=False) returns one edge too many for a node that, among
        # duplicates, is not found as its own neighbor.
        edges: Tensor = torch_cluster.knn(points, points[nodes], count + 1)
        return _without_self(edges[1].view(len(nodes), count + 1), nodes)

    return Search(candidates)


def _without_self(index: Tensor, nodes: Tensor) -> Tensor:
    r"""Removes each node :obj:`[r]` from its own row of neighbors, :obj:`[r, c + 1]` to
    :obj:`[r, c]`.

    Rows are sorted by distance. Among duplicates, a node need not be first in its row,
    nor in it at all; then the farthest entry is removed.
    """
    drop = index == nodes.unsqueeze(1)
    drop[:, -1] |= ~drop.any(dim=1)
    return index[~drop].view(len(index), index.size(1) - 1)


BACKENDS: dict[str, Callable[[Tensor], Search]] = {
    "torch": _all_distances,
    "scipy": _tree,
    "torch_cluster": _torch_cluster,
}
