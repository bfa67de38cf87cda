import importlib.util
import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

# Measured on one core, k = 20 and 50: up to so many dimensions a k-d tree is quicker
# than all distances (2,048 points), or as quick (10,000), whatever the points.
MOST_DIMENSIONS_TREE = 6
# Distances held at once: 8 MiB in host memory, more on an accelerator, to keep it busy.
BLOCK_ELEMENTS, BLOCK_ELEMENTS_CUDA = 1 << 20, 1 << 26
# Of features as wide as this, larger blocks are quicker than blocks in the cache.
WIDE = 64
# The kernel of torch_cluster holds so many neighbors on CUDA, the node included.
MOST_CLUSTER_CUDA = 100

# For some nodes, their numbers [r], so many distinct others each, [r, count].
Search = Callable[[Tensor, int], Tensor]


def candidate_search(backend: str, points: Tensor) -> Search:
    r"""What finds, for some of the points :obj:`[n, d]` (float64), others that are the
    nearest as far as rounding allows, in any order.

    Raises:
        ImportError: If torch_cluster is asked for and not installed.
        ValueError: If the backend is unknown.
    """
    if backend == "auto":
        is_narrow = points.size(1) <= MOST_DIMENSIONS_TREE
        backend = "scipy" if is_narrow and not points.is_cuda else "torch"
    if backend not in BACKENDS:
        known = ", ".join(map(repr, ("auto", *BACKENDS)))
        raise ValueError(f"backend={backend!r} is unknown: pass one of {known}")
    return BACKENDS[backend](points)


def all_distances(points: Tensor) -> Search:
    r"""Search among all distances, by matrix products."""
    n, d = points.shape
    elements = BLOCK_ELEMENTS_CUDA if points.is_cuda else BLOCK_ELEMENTS
    if not points.is_cuda and d > WIDE:
        elements *= 4  # each block reads all points anew
    square = points.square().sum(dim=1)

    def search(nodes: Tensor, count: int) -> Tensor:
        blocks = nodes.split(max(1, elements // n))
        # One buffer for all blocks: fresh pages for each cost more than the product.
        buffer = points.new_empty(len(blocks[0]), n)
        index = torch.empty(len(nodes), count, dtype=torch.long, device=points.device)
        for block, found in zip(blocks, index.split(len(blocks[0])), strict=True):
            # |b|^2 - 2ab orders the nodes b as |a - b|^2 does.
            distance = buffer[: len(block)]
            torch.addmm(square, points[block], points.t(), alpha=-2, out=distance)
            distance.scatter_(1, block.unsqueeze(1), torch.inf)
            found.copy_(_smallest(distance, count))
        return index

    return search


def _smallest(rows: Tensor, count: int) -> Tensor:
    if rows.is_cuda:
        return rows.topk(count, dim=1, largest=False, sorted=False).indices
    # Quicker on the host than torch's.
    order = np.argpartition(rows.numpy(), count - 1, axis=1)
    return torch.from_numpy(order[:, :count])


def _tree(points: Tensor) -> Search:
    array = points.cpu().numpy()
    tree = cKDTree(array)

    def search(nodes: Tensor, count: int) -> Tensor:
        some = array[nodes.cpu().numpy()]
        index = tree.query(some, count + 1, workers=torch.get_num_threads())[1]
        return _without_self(torch.from_numpy(index).to(points.device), nodes)

    return search


def _torch_cluster(points: Tensor) -> Search:
    if importlib.util.find_spec("torch_cluster") is None:
        raise ImportError(
            "backend='torch_cluster' is not installed: install it with pip install "
            "'pyg-basis[cluster]', or pass backend='auto'"
        )
    with warnings.catch_warnings():
        # Its last release reports on import that it is deprecated.
        warnings.simplefilter("ignore")
        import torch_cluster

    def search(nodes: Tensor, count: int) -> Tensor:
        if points.is_cuda and count >= MOST_CLUSTER_CUDA:
            return all_distances(points)(nodes, count)
        # Its knn_graph(loop=False) returns one edge too many for a node that, among
        # duplicates, is not found as its own neighbor.
        edges: Tensor = torch_cluster.knn(points, points[nodes], count + 1)
        return _without_self(edges[1].view(len(nodes), count + 1), nodes)

    return search


def _without_self(index: Tensor, nodes: Tensor) -> Tensor:
    r"""Takes each of the nodes :obj:`[r]` out of its own row, :obj:`[r, c + 1]` to
    :obj:`[r, c]`.

    Rows come nearest first. Among duplicates a node need not be first in its own row,
    nor in it at all; then the farthest entry goes instead.
    """
    drop = index == nodes.unsqueeze(1)
    drop[:, -1] |= ~drop.any(dim=1)
    return index[~drop].view(len(index), index.size(1) - 1)


BACKENDS: dict[str, Callable[[Tensor], Search]] = {
    "torch": all_distances,
    "scipy": _tree,
    "torch_cluster": _torch_cluster,
}
