r"""Clustering accuracy under the best matching (Eq. 19)."""

from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from pyg_basis._to_numpy import ArrayLike
from pyg_basis.metrics._validation import encode_label_pair


def clustering_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    r"""Share of correctly labeled points under the best matching of clusters and
    classes.

    Eq. 19 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_,

    .. math::
        \mathrm{ACC}(c, \hat c) = \frac{1}{n} \max_{\pi}
            \sum_{i=1}^{n} \mathbb{1}[c_i = \pi(\hat c_i)],

    the maximum over one-to-one matchings :math:`\pi` of clusters and classes, computed
    by the Hungarian method.

    Args:
        labels_true (array-like): Classes, :obj:`[n]`.
        labels_pred (array-like): Clusters, :obj:`[n]`, with arbitrary names. Their
            number may differ from that of the classes: points of an unmatched cluster
            count as wrong.

    Returns:
        float: The accuracy in (0, 1].

    Raises:
        ValueError: If a labeling is not a vector of labels, or the lengths differ.
    """
    counts = contingency_matrix(*encode_label_pair(labels_true, labels_pred))
    matching = linear_sum_assignment(counts, maximize=True)
    return float(counts[matching].sum() / counts.sum())
