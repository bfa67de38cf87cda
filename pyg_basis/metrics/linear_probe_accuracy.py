r"""Accuracy of a linear classifier on an embedding (Eq. 20)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pyg_basis._to_numpy import ArrayLike
from pyg_basis.metrics._validation import check_labels, check_matrix, check_same_length

# Keeps the optimum finite for linearly separable classes, whose cross-entropy has no
# minimum. Too small to change the decisions for other classes.
_WEIGHT_DECAY = 1e-6


def linear_probe_accuracy(
    z_train: ArrayLike,
    y_train: ArrayLike,
    z_test: ArrayLike,
    y_test: ArrayLike,
) -> float:
    r"""Test accuracy of one linear layer trained with cross-entropy.

    Eq. 20 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_: how well a linear layer predicts the classes
    from the embedding. The features are standardized with the training statistics. The
    layer is trained on the whole training set by L-BFGS, in float64, until the (convex)
    loss no longer decreases.

    Args:
        z_train (array-like): Training embedding, :obj:`[n, K]`, in any scale.
        y_train (array-like): Classes, :obj:`[n]`, at least two different ones.
        z_test (array-like): Test embedding, :obj:`[m, K]`.
        y_test (array-like): Classes, :obj:`[m]`, strings or numbers as in
            :obj:`y_train`. Numbers of any type are compared by value. A class that is
            not in :obj:`y_train` counts as wrong.

    Returns:
        float: The share of correctly classified test points, in [0, 1].

    Raises:
        ValueError: If an embedding is not a finite matrix, widths or lengths differ,
            there are fewer than two classes, or strings would be compared with numbers.
    """
    train, test = check_matrix(z_train, "z_train"), check_matrix(z_test, "z_test")
    train_labels = check_labels(y_train, "y_train")
    test_labels = check_labels(y_test, "y_test")
    check_same_length(z_train=train, y_train=train_labels)
    check_same_length(z_test=test, y_test=test_labels)
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"z_test must have the width of z_train, {train.shape[1]}, got "
            f"{test.shape[1]}; embed both with the same model."
        )
    classes, targets = np.unique(train_labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y_train must hold at least two classes, got only {classes[0]!r}; "
            f"pass labels of several classes."
        )
    if _kind(train_labels) != _kind(test_labels):
        raise ValueError(
            f"y_test must hold {_kind(train_labels)} as y_train does, got "
            f"{_kind(test_labels)}; name the classes in the same way in both."
        )
    # In these units, variances neither overflow nor underflow.
    unit = np.maximum(np.abs(train).max(axis=0), np.abs(test).max(axis=0))
    unit[unit == 0] = 1
    # scikit-learn multiplies the summed cross-entropy by C, and the decay by 1/2.
    layer = LogisticRegression(
        C=1 / (2 * _WEIGHT_DECAY * len(train)), tol=1e-6, max_iter=10_000
    )
    probe = make_pipeline(StandardScaler(), layer).fit(train / unit, targets)
    return float(np.mean(classes[probe.predict(test / unit)] == test_labels))


def _kind(labels: NDArray[Any]) -> str:
    r"""The type labels are compared as: numbers of all types compare by value."""
    return {"U": "strings", "S": "bytes"}.get(labels.dtype.kind, "numbers")
