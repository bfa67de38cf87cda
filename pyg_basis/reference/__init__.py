r"""The reference space: anchors, exact embeddings of sets, and targets of graphs."""

from pyg_basis.reference.choose_anchors import choose_anchors
from pyg_basis.reference.exact_embedding import ExactEmbedding, SpectralRows
from pyg_basis.reference.graph_targets import CoarsenedGraph, WholeGraph
from pyg_basis.reference.movement import Movement
from pyg_basis.reference.reference import Reference

__all__ = [
    "CoarsenedGraph",
    "ExactEmbedding",
    "Movement",
    "Reference",
    "SpectralRows",
    "WholeGraph",
    "choose_anchors",
]
