from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_basis.metrics import clustering_accuracy


@settings(deadline=None, max_examples=25)
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30
    )
)
def test_agrees_with_trying_every_matching(pairs):
    true, pred = np.array(pairs).T
    # Classes 0..3 padded with one that is never right, so 5 clusters can be matched.
    best = max(
        float(np.mean(np.array(names)[pred] == true))
        for names in permutations(range(5))
    )
    assert clustering_accuracy(true, pred) == pytest.approx(best)


def test_names_do_not_matter():
    true = np.array([0, 0, 1, 1, 2, 2])
    assert clustering_accuracy(true, torch.tensor([9, 9, -4, -4, 7, 7])) == 1.0
    assert clustering_accuracy(list("aabbcc"), true) == 1.0


def test_unequal_numbers_of_clusters():
    assert clustering_accuracy([0, 0, 0, 1, 1, 1], [0, 0, 2, 1, 1, 1]) == 5 / 6
    assert clustering_accuracy([0, 0, 1, 2], [0, 0, 0, 0]) == 0.5
    assert clustering_accuracy([0, 0, 0, 0], [0, 1, 2, 3]) == 0.25


def test_the_matching_is_one_to_one():
    # Cluster by majority would call both clusters class 0 and reach 4 / 6.
    true, pred = [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 1]
    assert clustering_accuracy(true, pred) == 3 / 6


def test_bad_input():
    with pytest.raises(ValueError, match="labels_true and labels_pred must have"):
        clustering_accuracy([0], [0, 1])
    with pytest.raises(ValueError, match=r"labels_true must be a vector .*argmax"):
        clustering_accuracy(np.eye(3), [0, 1, 2])
