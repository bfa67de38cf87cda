r"""Accuracy of one linear layer on an embedding (Eq. 20)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pyg_basis._to_numpy import ArrayLike
from pyg_basis.metrics._validation import check_labels, check_matrix, check_same_length

# Keeps the optimum finite where classes are linearly separable (their cross-entropy
# has none); far too small to move the decision of any other problem.
_WEIGHT_DECAY = 1e-6


def linear_probe_accuracy(
    z_train: ArrayLike,
    y_train: ArrayLike,
    z_test: ArrayLike,
    y_test: ArrayLike,
) -> float:
    r"""Test accuracy of one linear layer trained with cross-entropy.

    Eq. 20 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_: how much of the classes a linear layer can
    read from the embedding. The features are standardized with the training
    statistics and the layer is trained on the whole training set by L-BFGS until
    the (convex) loss no longer falls, in float64.

    Args:
        z_train: Embedding of shape `[n, K]` to train on, in any scale.
        y_train: Classes of shape `[n]`, at least two of them.
        z_test: Embedding of shape `[m, K]` to score.
        y_test: Classes of shape `[m]`, strings or numbers as in `y_train`: numbers
            of any type are compared by value. A class never seen in `y_train` counts
            as wrong.

    Returns:
        The share of test points classified rightly, in [0, 1].

    Raises:
        ValueError: If an embedding is not a finite matrix, widths or lengths
            differ, fewer than two classes are given, or strings are to be compared
            with numbers.
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
    # Variances neither overflow nor vanish in these units.
    unit = np.maximum(np.abs(train).max(axis=0), np.abs(test).max(axis=0))
    unit[unit == 0] = 1
    # scikit-learn weighs the summed cross-entropy by C, and halves the decay.
    layer = LogisticRegression(
        C=1 / (2 * _WEIGHT_DECAY * len(train)), tol=1e-6, max_iter=10_000
    )
    probe = make_pipeline(StandardScaler(), layer).fit(train / unit, targets)
    return float(np.mean(classes[probe.predict(test / unit)] == test_labels))


def _kind(labels: NDArray[Any]) -> str:
    r"""What labels are compared as: numbers of all types are equal by value."""
    return {"U": "strings", "S": "bytes"}.get(labels.dtype.kind, "numbers")
