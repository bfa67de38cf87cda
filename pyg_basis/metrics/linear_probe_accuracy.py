r"""Accuracy of one linear layer on an embedding (Eq. 20)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pyg_basis.metrics._validation import ArrayLike, check_labels, check_matrix

# Keeps the optimum finite where classes are linearly separable (their cross-entropy
# has none); far too small to move the decision of any other problem.
_WEIGHT_DECAY = 1e-6


def linear_probe_accuracy(
    z_train: ArrayLike,
    y_train: ArrayLike,
    z_test: ArrayLike,
    y_test: ArrayLike,
    seed: int = 0,
) -> float:
    r"""Test accuracy of one linear layer trained with cross-entropy.

    Eq. 20 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_: how much of the classes a linear layer can
    read from the embedding. The features are standardized with the training
    statistics and the layer is trained on the whole training set by L-BFGS until
    the (convex) loss no longer falls, in float64 on the CPU.

    Args:
        z_train: Embedding of shape `[n, K]` to train on, in any scale.
        y_train: Classes of shape `[n]`, at least two of them.
        z_test: Embedding of shape `[m, K]` to score.
        y_test: Classes of shape `[m]`; a class never seen in `y_train` counts as
            wrong.
        seed: Seed of the layer's starting weights; torch's global generator is
            neither read nor changed.

    Returns:
        The share of test points classified rightly, in [0, 1].

    Raises:
        ValueError: If an embedding is not a finite matrix, widths or lengths
            differ, fewer than two classes are given, or `seed` is out of range.
    """
    train, test = check_matrix(z_train, "z_train"), check_matrix(z_test, "z_test")
    train_labels = check_labels(y_train, "y_train")
    test_labels = check_labels(y_test, "y_test")
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"z_test must have the width of z_train, {train.shape[1]}, got "
            f"{test.shape[1]}; embed both with the same model."
        )
    for z, y, split in (
        (train, train_labels, "train"),
        (test, test_labels, "test"),
    ):
        if len(z) != len(y):
            raise ValueError(
                f"y_{split} must label every row of z_{split}, got {len(y)} labels "
                f"for {len(z)} rows; pass arrays of one length."
            )
    classes, targets = np.unique(train_labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y_train must hold at least two classes, got only {classes[0]!r}; "
            f"pass labels of several classes."
        )
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ValueError(
            f"seed must be an integer in [0, 2**32), got {seed!r}; pass for example 0."
        )
    mean, std = train.mean(axis=0), train.std(axis=0)
    # A constant feature says nothing: leave it at 0 rather than divide by 0.
    scale = np.where(std > 1e-12 * (1.0 + np.abs(mean)), std, np.inf)
    weight, bias = _fit_linear(
        torch.from_numpy((train - mean) / scale),
        torch.from_numpy(targets.astype(np.int64)),
        len(classes),
        seed,
    )
    scores = torch.from_numpy((test - mean) / scale) @ weight.T + bias
    predictions = classes[scores.argmax(dim=1).numpy()]
    return float(np.mean(predictions == test_labels))


def _fit_linear(
    features: Tensor, targets: Tensor, num_classes: int, seed: int
) -> tuple[Tensor, Tensor]:
    r"""Weights `[C, K]` and bias `[C]` that minimise the mean cross-entropy."""
    generator = torch.Generator().manual_seed(seed)
    width = features.shape[1]
    weight = 0.01 * torch.randn(
        num_classes, width, generator=generator, dtype=features.dtype
    )
    weight.requires_grad_(True)
    bias = torch.zeros(num_classes, dtype=features.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=200,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        scores = functional.linear(features, weight, bias)
        loss = functional.cross_entropy(scores, targets)
        loss = loss + _WEIGHT_DECAY * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach(), bias.detach()
