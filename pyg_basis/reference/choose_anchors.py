from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis._constraints import SEED, StrOptions, at_least, check_arguments
from pyg_basis.graph import knn_graph
from pyg_basis.reference._points import check_points

# Number of random nodes per anchor among which Poisson disks are placed: enough for an
# even spread. The neighbors of all nodes of a large set would not fit into memory.
DISK_CANDIDATES = 10

AnchorMethod = Literal["random", "poisson_disk", "per_class"]
CONSTRAINTS: dict[str, list[Any]] = {
    "num_anchors": [at_least(1)],
    "method": [StrOptions(set(get_args(AnchorMethod)))],
    "seed": [SEED],
}


def choose_anchors(
    x: Tensor,
    num_anchors: int,
    method: AnchorMethod = "poisson_disk",
    y: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    r"""Chooses the anchors, which all batches share (Algorithm 1 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_, step 1).

    Args:
        x (Tensor): Features of the nodes to choose from, :obj:`[n, d]`.
        num_anchors (int): Number of anchors :math:`l`.
        method (str, optional): :obj:`"random"` (uniform over the nodes, so it follows
            the density); :obj:`"poisson_disk"` (random, but no anchor is among the
            nearest neighbors of another, with the largest feasible number of
            neighbors: it follows the density evenly, without preferring outliers); or
            :obj:`"per_class"` (equally many random nodes per class, as in the paper;
            needs labels). (default: :obj:`"poisson_disk"`)
        y (Tensor, optional): Labels :obj:`[n]`, for :obj:`"per_class"` only.
            (default: :obj:`None`)
        seed (int, optional): Seed of the sampling. (default: :obj:`0`)

    Returns:
        Tensor: Distinct indices of the anchors, :obj:`[l]` int64.

    Raises:
        ValueError: For an unknown method, more anchors than nodes, missing labels, or
            NaN or infinite features, which have no distances.
    """
    check_points(x)
    check_arguments(
        CONSTRAINTS, "choose_anchors", num_anchors=num_anchors, method=method, seed=seed
    )
    if num_anchors > x.size(0):
        raise ValueError(
            f"num_anchors={num_anchors} must be at most {x.size(0)}, the nodes to "
            f"choose from: ask for fewer anchors or give more nodes"
        )
    # Small NumPy integers overflow.
    num_anchors, rng = int(num_anchors), np.random.default_rng(seed)
    if method == "random":
        return torch.from_numpy(rng.choice(x.size(0), num_anchors, replace=False))
    if method == "poisson_disk":
        return _poisson_disk(x, num_anchors, rng)
    return _per_class(x, num_anchors, y, rng)


def _poisson_disk(x: Tensor, num_anchors: int, rng: np.random.Generator) -> Tensor:
    x = _with_distances(x)
    num_nodes, num_candidates = x.size(0), DISK_CANDIDATES * num_anchors
    if num_nodes > num_candidates:
        drawn = torch.from_numpy(rng.choice(num_nodes, num_candidates, replace=False))
        return drawn[_poisson_disk(x[drawn.to(x.device)], num_anchors, rng)]
    # Disks of n / l nodes would allow l anchors if disks could tile.
    most = min(2 * num_nodes // num_anchors, num_nodes - 1)
    if most < 1:
        return torch.from_numpy(rng.permutation(num_nodes)[:num_anchors])
    neighbors = knn_graph(x, most).edge_index[0].view(num_nodes, most).cpu().numpy()
    order = rng.permutation(num_nodes)
    # Bisection for the largest disks that allow all anchors.
    chosen, low, high = order, 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        independent = _independent_nodes(neighbors[:, :middle], order)
        if len(independent) >= num_anchors:
            chosen, low = independent, middle
        else:
            high = middle
    return torch.from_numpy(chosen[:num_anchors])


def _independent_nodes(
    neighbors: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Greedy maximal independent set of the neighbor graph."""
    covered = np.zeros(len(order), dtype=bool)
    is_chosen = np.zeros(len(order), dtype=bool)
    chosen = []
    for node in order:
        if not covered[node] and not is_chosen[neighbors[node]].any():
            chosen.append(node)
            is_chosen[node] = True
            covered[neighbors[node]] = True
    return np.array(chosen)


def _with_distances(x: Tensor) -> Tensor:
    if not torch.isfinite(x).all():
        raise ValueError(
            "x holds NaN or infinite values, which have no distances: clean the "
            "features, or use method='random'"
        )
    # Differences of integers, or of half precision, overflow.
    return x if x.dtype in (torch.float32, torch.float64) else x.double()


def _per_class(
    x: Tensor, num_anchors: int, y: Tensor | None, rng: np.random.Generator
) -> Tensor:
    if not isinstance(y, Tensor) or y.shape != (x.size(0),):
        given = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(
            f"method='per_class' needs one label a node, a tensor y of shape "
            f"({x.size(0)},), got {given}: pass y, or use method='random', which "
            f"needs no labels"
        )
    labels = y.cpu().numpy()
    # Round robin over the shuffled classes: their counts differ by at most one, unless
    # a class is exhausted; the others then share the rest.
    members = [
        rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)
    ]
    turn = np.concatenate([np.arange(len(nodes)) for nodes in members])
    order = np.lexsort((rng.random(len(turn)), turn))
    return torch.from_numpy(np.concatenate(members)[order][:num_anchors])
