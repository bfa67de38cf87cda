"""What every metric takes, and what every one refuses."""

import numpy as np
import pytest
import torch

from pyg_basis import metrics

ROWS = torch.arange(1, 13).reshape(6, 2).remainder(5)
LABELS = torch.tensor([0, 1, 0, 1, 1, 0])
OF_ROWS = [
    metrics.orthogonality,
    lambda rows: metrics.grassmann_distance(rows, ROWS.sqrt()),
    lambda rows: metrics.grassmann_distance(ROWS.sqrt(), rows, "official"),
    lambda rows: metrics.linear_probe_accuracy(rows, LABELS, rows, LABELS),
]
OF_LABELS = [
    lambda labels: metrics.clustering_accuracy(labels, LABELS.flip(0)),
    lambda labels: metrics.normalized_mutual_information(LABELS.flip(0), labels),
    lambda labels: metrics.linear_probe_accuracy(ROWS, labels, ROWS, labels),
]


@pytest.mark.parametrize("metric", OF_ROWS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_tensors_with_gradients_of_any_precision(metric, dtype) -> None:
    rows = ROWS.to(dtype).requires_grad_()
    assert metric(rows) == metric(ROWS) == metric(ROWS.numpy())


@pytest.mark.parametrize("metric", OF_LABELS)
def test_labels_of_any_kind(metric) -> None:
    kinds = [LABELS.bool(), LABELS.bfloat16(), LABELS.tolist(), LABELS.numpy() * 0.5]
    assert {metric(labels) for labels in kinds} == {metric(LABELS)}
    assert metric(np.array(["a", "b"])[LABELS]) == metric(LABELS)


NO_NUMBERS = [np.array([["a"], ["b"]]), [[1j], [2]], [[{}]], [[10**400]], None]
UNREADABLE = [torch.ones(2, 2, device="meta"), torch.eye(2).to_sparse(), [[1], [1, 2]]]


@pytest.mark.parametrize("rows", NO_NUMBERS)
def test_only_real_numbers_make_a_matrix(rows) -> None:
    with pytest.raises(ValueError, match=r"y must be a finite matrix .*real numbers"):
        metrics.orthogonality(rows)


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_is_no_array_is_named(value) -> None:
    with pytest.raises(ValueError, match="y cannot be read as an array"):
        metrics.orthogonality(value)
    with pytest.raises(ValueError, match="labels_pred cannot be read as an array"):
        metrics.clustering_accuracy([0, 1], value)
