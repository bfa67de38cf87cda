import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_basis.metrics import normalized_mutual_information

LABELS = st.lists(
    st.tuples(st.integers(-2, 3), st.integers(0, 4)), min_size=1, max_size=40
)


def entropy(*columns):
    counts = np.unique(np.stack(columns), axis=1, return_counts=True)[1]
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


@settings(deadline=None, max_examples=25)
@given(pairs=LABELS)
def test_agrees_with_the_formula(pairs):
    true, pred = np.array(pairs).T
    h_true, h_pred = entropy(true), entropy(pred)
    mutual = h_true + h_pred - entropy(true, pred)
    paper = normalized_mutual_information(true, pred)
    official = normalized_mutual_information(true, pred, average="arithmetic")
    if max(h_true, h_pred) > 0:
        assert paper == pytest.approx(mutual / max(h_true, h_pred), abs=1e-9)
        assert official == pytest.approx(2 * mutual / (h_true + h_pred), abs=1e-9)
    assert 0 <= paper <= official + 1e-12 <= 1 + 1e-9


def test_names_do_not_matter():
    true = torch.tensor([0, 0, 1, 1, 2, 2])
    assert normalized_mutual_information(true, ["c", "c", "a", "a", "b", "b"]) == 1.0


def test_the_denominator_is_the_larger_entropy():
    # Two classes, each cut in two: I = log 2, H = log 2 and log 4.
    true, pred = [0, 0, 1, 1], [0, 1, 2, 3]
    assert normalized_mutual_information(true, pred) == pytest.approx(1 / 2)
    assert normalized_mutual_information(true, pred, "arithmetic") == pytest.approx(
        2 / 3
    )


def test_bad_input():
    with pytest.raises(ValueError, match=r"'average' .*'max'.* Got 'min'"):
        normalized_mutual_information([0], [0], average="min")
    with pytest.raises(ValueError, match="labels_true and labels_pred must have"):
        normalized_mutual_information([0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match=r"labels_pred must be a vector .*argmax"):
        normalized_mutual_information([0, 1], np.eye(2))
    with pytest.raises(ValueError, match="labels_true must be a vector"):
        normalized_mutual_information([], [])
    with pytest.raises(ValueError, match="labels_true must not hold NaN"):
        normalized_mutual_information([0.0, np.nan], [0, 1])
    with pytest.raises(ValueError, match=r"labels_pred must be .*got object"):
        normalized_mutual_information([0, 1], np.array([None, 1], dtype=object))
