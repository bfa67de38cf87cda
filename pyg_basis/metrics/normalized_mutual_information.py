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
    r"""Normalized mutual information of classes and clusters.

    Eq. 18 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_,

    .. math::
        \mathrm{NMI}(c, \hat c) =
            \frac{I(c; \hat c)}{\max\{H(c), H(\hat c)\}} .

    Args:
        labels_true (array-like): Classes, :obj:`[n]`.
        labels_pred (array-like): Clusters, :obj:`[n]`, with arbitrary names.
        average (str, optional): The denominator: :obj:`"max"` of the two entropies, as
            in the paper, or their :obj:`"arithmetic"` mean, as in the authors'
            published code, which never gives a lower score.
            (default: :obj:`"max"`)

    Returns:
        float: The score in [0, 1]; 1 if the labelings agree up to names.

    Raises:
        ValueError: If a labeling is not a vector of labels, the lengths differ, or
            :obj:`average` is unknown.
    """
    check_arguments(CONSTRAINTS, "normalized_mutual_information", average=average)
    true, pred = encode_label_pair(labels_true, labels_pred)
    return float(normalized_mutual_info_score(true, pred, average_method=average))
