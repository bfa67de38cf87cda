r"""The metrics of the paper, Eq. 16 to 20, of arrays or tensors, as floats."""

from pyg_basis.metrics.clustering_accuracy import clustering_accuracy
from pyg_basis.metrics.grassmann_distance import grassmann_distance
from pyg_basis.metrics.linear_probe_accuracy import linear_probe_accuracy
from pyg_basis.metrics.normalized_mutual_information import (
    normalized_mutual_information,
)
from pyg_basis.metrics.orthogonality import orthogonality

__all__ = [
    "clustering_accuracy",
    "grassmann_distance",
    "linear_probe_accuracy",
    "normalized_mutual_information",
    "orthogonality",
]
