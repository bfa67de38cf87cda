import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from pyg_basis.graph._drop_self import drop_self

# Measured on one core: above this width a k-d tree visits most of its leaves.
_MAX_TREE_DIMENSION = 8


def candidates(points: Tensor, count: int) -> Tensor:
    r"""Nearest candidates :math:`[n, count]` by scikit-learn, on the CPU."""
    algorithm = "kd_tree" if points.size(1) <= _MAX_TREE_DIMENSION else "brute"
    array = points.cpu().numpy()
    search = NearestNeighbors(n_neighbors=count + 1, algorithm=algorithm).fit(array)
    index = torch.from_numpy(search.kneighbors(array, return_distance=False))
    return drop_self(index.long()).to(points.device)
