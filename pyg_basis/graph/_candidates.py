import importlib.util
import warnings

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
# The kernel of torch_cluster holds this many neighbors on CUDA.
MOST_CLUSTER_CUDA = 100

BACKENDS = ("torch", "scipy", "torch_cluster")


def choose_backend(points: Tensor) -> str:
    r"""The quickest backend for points :obj:`[n, d]`."""
    is_narrow = points.size(1) <= MOST_DIMENSIONS_TREE
    return "scipy" if is_narrow and not points.is_cuda else "torch"


def check_backend(name: str, x: Tensor, count: int) -> None:
    r"""Raises unless a backend can propose so many candidates.

    Raises:
        ImportError: If torch_cluster is asked for and not installed.
        ValueError: If the backend is unknown, or has no room for them.
    """
    if name not in BACKENDS:
        known = ", ".join(map(repr, ("auto", *BACKENDS)))
        raise ValueError(f"backend={name!r} is unknown: pass one of {known}")
    if name != "torch_cluster":
        return
    if importlib.util.find_spec("torch_cluster") is None:
        raise ImportError(
            "backend='torch_cluster' is not installed: install it with pip install "
            "'pyg-basis[cluster]', or pass backend='auto'"
        )
    if x.is_cuda and count >= MOST_CLUSTER_CUDA:
        raise ValueError(
            f"backend='torch_cluster' finds fewer than {MOST_CLUSTER_CUDA} candidates "
            f"on CUDA, and {count} are needed: pass a smaller k or backend='torch'"
        )


def propose(backend: str, points: Tensor, count: int) -> Tensor:
    r"""For each of the points :obj:`[n, d]` (float64) :obj:`count` distinct others, its
    nearest as far as rounding allows, in any order, :obj:`[n, count]`."""
    if backend == "torch":
        return _by_all_distances(points, count)
    if backend == "scipy":
        return _by_tree(points, count)
    return _by_torch_cluster(points, count)


def _by_all_distances(points: Tensor, count: int) -> Tensor:
    n = points.size(0)
    elements = BLOCK_ELEMENTS_CUDA if points.is_cuda else BLOCK_ELEMENTS
    if not points.is_cuda and points.size(1) > WIDE:
        elements *= 4  # each block reads all points anew
    rows = max(1, min(n, elements // n))
    square = points.square().sum(dim=1)
    # One buffer for all blocks: fresh pages for each cost more than the product.
    buffer = points.new_empty(rows, n)
    index = torch.empty(n, count, dtype=torch.long, device=points.device)
    for start in range(0, n, rows):
        block = points[start : start + rows]
        stop = start + block.size(0)
        # |b|^2 - 2ab orders the nodes b as |a - b|^2 does.
        distance = buffer[: block.size(0)]
        torch.addmm(square, block, points.t(), alpha=-2, out=distance)
        distance[:, start:stop].fill_diagonal_(torch.inf)
        index[start:stop] = _smallest(distance, count)
    return index


def _smallest(rows: Tensor, count: int) -> Tensor:
    if rows.is_cuda:
        return rows.topk(count, dim=1, largest=False, sorted=False).indices
    # Quicker on the host than torch's.
    order = np.argpartition(rows.numpy(), count - 1, axis=1)
    return torch.from_numpy(order[:, :count])


def _by_tree(points: Tensor, count: int) -> Tensor:
    array = points.cpu().numpy()
    workers = torch.get_num_threads()
    index = cKDTree(array).query(array, count + 1, workers=workers)[1]
    return _without_self(torch.from_numpy(index)).to(points.device)


def _by_torch_cluster(points: Tensor, count: int) -> Tensor:
    with warnings.catch_warnings():
        # Its last release reports on import that it is deprecated.
        warnings.simplefilter("ignore")
        import torch_cluster
    # Its knn_graph(loop=False) returns one edge too many for a node that, among
    # duplicates, is not found as its own neighbor.
    edges: Tensor = torch_cluster.knn(points, points, count + 1)
    return _without_self(edges[1].view(points.size(0), count + 1))


def _without_self(index: Tensor) -> Tensor:
    r"""Takes each node out of its own row, :obj:`[n, c + 1]` to :obj:`[n, c]`.

    Rows come nearest first. Among duplicates a node need not be first in its own row,
    nor in it at all; then the farthest entry goes instead.
    """
    n, width = index.shape
    drop = index == torch.arange(n, device=index.device).unsqueeze(1)
    drop[:, -1] |= ~drop.any(dim=1)
    return index[~drop].view(n, width - 1)
