import torch_geometric.typing
from torch import Tensor
from torch_geometric.nn import knn

from pyg_basis.graph._drop_self import drop_self

if not getattr(torch_geometric.typing, "WITH_KNN", False):
    raise ImportError("PyG finds no pyg-lib with a knn operator")


def candidates(points: Tensor, count: int) -> Tensor:
    r"""Nearest candidates :math:`[n, count]` by pyg-lib, through PyG."""
    edges: Tensor = knn(points, points, count + 1)
    return drop_self(edges[1].view(points.size(0), count + 1))
