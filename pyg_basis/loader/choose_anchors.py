from typing import Literal

import numpy as np
import torch
from torch import Tensor

AnchorMethod = Literal["random", "kmeans++", "farthest", "per_class"]


def choose_anchors(
    x: Tensor,
    num_anchors: int,
    method: AnchorMethod = "random",
    y: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    r"""Chooses the fixed nodes that every batch shares (Algorithm 1 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_, step 1).

    Args:
        x (Tensor): Features of the nodes to choose from, :obj:`[n, d]`.
        num_anchors (int): Number of anchors :math:`l`.
        method (str, optional): :obj:`"random"` (uniform, follows the density),
            :obj:`"kmeans++"` (each next anchor with probability proportional
            to its squared distance to the nearest one, `Arthur and
            Vassilvitskii 2007
            <https://dl.acm.org/doi/10.5555/1283383.1283494>`_),
            :obj:`"farthest"` (each next anchor is the node farthest from
            those chosen, `Gonzalez 1985
            <https://doi.org/10.1016/0304-3975(85)90224-5>`_; draws outliers)
            or :obj:`"per_class"` (equally many random nodes of each class, as
            the paper does; needs labels). (default: :obj:`"random"`)
        y (Tensor, optional): Labels :obj:`[n]`, for :obj:`"per_class"` only.
            (default: :obj:`None`)
        seed (int, optional): Seed of the draws. (default: :obj:`0`)

    Returns:
        Tensor: Indices of the anchors, distinct, :obj:`[l]` int64.

    Raises:
        ValueError: For an unknown method, more anchors than nodes, or missing
            labels.
    """
    if not 1 <= num_anchors <= x.size(0):
        raise ValueError(
            f"num_anchors={num_anchors} must be between 1 and the {x.size(0)} nodes to "
            f"choose from: ask for fewer anchors or give more nodes"
        )
    rng = np.random.default_rng(seed)
    if method == "random":
        return torch.from_numpy(rng.choice(x.size(0), num_anchors, replace=False))
    if method == "kmeans++":
        return _spread_out(x, num_anchors, rng, greedy=False)
    if method == "farthest":
        return _spread_out(x, num_anchors, rng, greedy=True)
    if method == "per_class":
        return _per_class(x, num_anchors, y, rng)
    raise ValueError(
        f"method={method!r} is unknown: use 'random', 'kmeans++', 'farthest' or "
        f"'per_class'"
    )


def _spread_out(
    x: Tensor, num_anchors: int, rng: np.random.Generator, greedy: bool
) -> Tensor:
    """The next anchor is drawn by, or maximises, the squared distance to the
    anchors so far; either way no anchor is taken twice."""
    chosen = [int(rng.integers(x.size(0)))]
    distance = np.full(x.size(0), np.inf)
    for _ in range(num_anchors - 1):
        to_last = (x - x[chosen[-1]]).double().square().sum(dim=1).cpu().numpy()
        distance = np.minimum(distance, to_last)
        weight = distance.copy()
        weight[chosen] = -1.0 if greedy else 0.0
        if greedy:
            chosen.append(int(weight.argmax()))
        elif weight.sum() > 0:
            chosen.append(int(rng.choice(x.size(0), p=weight / weight.sum())))
        else:  # Only duplicates of chosen points are left.
            left = np.setdiff1d(np.arange(x.size(0)), chosen)
            chosen.append(int(rng.choice(left)))
    return torch.tensor(chosen)


def _per_class(
    x: Tensor, num_anchors: int, y: Tensor | None, rng: np.random.Generator
) -> Tensor:
    if y is None or y.shape != (x.size(0),):
        given = None if y is None else tuple(y.shape)
        raise ValueError(
            f"method='per_class' needs one label a node, y of shape ({x.size(0)},), "
            f"got {given}: pass y, or use method='random', which needs no labels"
        )
    labels = y.cpu().numpy()
    # Round robin over the shuffled classes: the numbers differ by one at most,
    # and a class that runs out leaves its share to the others.
    members = [
        rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)
    ]
    turn = np.concatenate([np.arange(len(nodes)) for nodes in members])
    order = np.lexsort((rng.random(len(turn)), turn))
    return torch.from_numpy(np.concatenate(members)[order][:num_anchors])
