r"""Features by index, from memory or files, and batches drawn from them."""

from pyg_basis.data.anchor_loader import AnchorLoader, GraphLoader
from pyg_basis.data.feature_source import FeatureSource

__all__ = ["AnchorLoader", "FeatureSource", "GraphLoader"]
