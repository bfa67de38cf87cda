r"""Anchors, references and anchor-plus-random batches."""

from pyg_basis.loader.anchor_loader import AnchorLoader
from pyg_basis.loader.anchor_reference import AnchorReference
from pyg_basis.loader.batch_embedding import BatchEmbedding
from pyg_basis.loader.choose_anchors import choose_anchors
from pyg_basis.loader.exact_embedding import ExactEmbedding, SpectralRows
from pyg_basis.loader.feature_source import FeatureSource
from pyg_basis.loader.graph_loader import GraphLoader
from pyg_basis.loader.movement import Movement
from pyg_basis.loader.moving_reference import MovingReference
from pyg_basis.loader.sampled_graph import SampledGraph
from pyg_basis.loader.warm_start import WarmStart
from pyg_basis.loader.whole_graph import WholeGraph

__all__ = [
    "AnchorLoader",
    "AnchorReference",
    "BatchEmbedding",
    "ExactEmbedding",
    "FeatureSource",
    "GraphLoader",
    "Movement",
    "MovingReference",
    "SampledGraph",
    "SpectralRows",
    "WarmStart",
    "WholeGraph",
    "choose_anchors",
]
