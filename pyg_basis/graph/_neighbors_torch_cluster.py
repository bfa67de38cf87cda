import warnings

from torch import Tensor

from pyg_basis.graph._drop_self import drop_self

with warnings.catch_warnings():
    # Its last release says on import that it is deprecated in favour of pyg-lib.
    warnings.simplefilter("ignore")
    import torch_cluster


def candidates(points: Tensor, count: int) -> Tensor:
    r"""Nearest candidates :math:`[n, count]` by :mod:`torch_cluster`.

    Its ``knn_graph(loop=False)`` returns ``count + 1`` edges for a node that,
    among duplicates, is not found as its own neighbour; so ``knn`` it is.
    """
    edges: Tensor = torch_cluster.knn(points, points, count + 1)
    return drop_self(edges[1].view(points.size(0), count + 1))
