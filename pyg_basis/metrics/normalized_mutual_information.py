r"""Normalized mutual information of two labelings (Eq. 18)."""

from typing import Literal

from sklearn.metrics import normalized_mutual_info_score

from pyg_basis._constraints import StrOptions, check_arguments
from pyg_basis._to_numpy import ArrayLike
from pyg_basis.metrics._validation import encode_label_pair

CONSTRAINTS = {"average": [StrOptions({"max", "arithmetic"})]}


def normalized_mutual_information(
    labels_true: ArrayLike,
    labels_pred: ArrayLike,
    average: Literal["max", "arithmetic"] = "max",
) -> float:
    r"""Normalized mutual information between classes and clusters.

    Eq. 18 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_,

    .. math::
        \mathrm{NMI}(c, \hat c) =
            \frac{I(c; \hat c)}{\max\{H(c), H(\hat c)\}} .

    Args:
        labels_true: Classes of shape `[n]`.
        labels_pred: Clusters of shape `[n]`; their names do not matter.
        average: What the mutual information is divided by: `"max"` of the two
            entropies, as in the paper, or their `"arithmetic"` mean, as in the
            authors' published code. The mean is never the larger of the two, so
            `"arithmetic"` never gives the lower figure.

    Returns:
        The score in [0, 1]; 1 where the labelings agree up to names.

    Raises:
        ValueError: If a labeling is no vector of labels, the lengths differ, or
            `average` is unknown.
    """
    check_arguments(CONSTRAINTS, "normalized_mutual_information", average=average)
    true, pred = encode_label_pair(labels_true, labels_pred)
    return float(normalized_mutual_info_score(true, pred, average_method=average))
