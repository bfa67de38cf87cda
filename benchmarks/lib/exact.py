"""The eigenvectors that all records are of: the trivial one is the first column, and
the Laplacian is the normalized one unless an experiment says otherwise. The defaults of
the package are others.
"""

from typing import Any

from pyg_basis.graph.laplacian import LaplacianKind
from pyg_basis.reference import ExactEmbedding

# Of estimators and layers.
NORMALIZED: dict[str, Any] = {"laplacian": "sym", "drop_first": False}
WALK: dict[str, Any] = {"laplacian": "rw", "drop_first": False}


def exact_space(
    num_eigenvectors: int, num_neighbors: int = 50, laplacian: LaplacianKind = "sym"
) -> ExactEmbedding:
    """Embeds points by the first eigenvectors of their graph, the trivial one too."""
    return ExactEmbedding(
        num_eigenvectors, num_neighbors, laplacian=laplacian, drop_first=False
    )
