r"""Anchors, references and anchor-plus-random batches."""

from pyg_basis.loader.anchor_loader import AnchorLoader
from pyg_basis.loader.anchor_reference import AnchorReference
from pyg_basis.loader.batch_embedding import BatchEmbedding
from pyg_basis.loader.choose_anchors import choose_anchors
from pyg_basis.loader.exact_embedding import ExactEmbedding, SpectralRows
from pyg_basis.loader.feature_source import FeatureSource
from pyg_basis.loader.moving_reference import Movement, MovingReference
from pyg_basis.loader.warm_start import WarmStart

__all__ = [
    "AnchorLoader",
    "AnchorReference",
    "BatchEmbedding",
    "ExactEmbedding",
    "FeatureSource",
    "Movement",
    "MovingReference",
    "SpectralRows",
    "WarmStart",
    "choose_anchors",
]
