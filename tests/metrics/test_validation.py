import numpy as np
import pytest
import torch

from pyg_basis.metrics._validation import (
    as_numpy,
    check_labels,
    check_matrix,
    encode_label_pair,
    normalize_columns,
)


def test_bfloat16_tensors_are_read():
    values = as_numpy(torch.tensor([1.0, 2.0], dtype=torch.bfloat16))
    assert values.tolist() == [1.0, 2.0]


def test_check_matrix_gives_float64_copies():
    source = np.ones((2, 2))
    matrix = check_matrix(source, "x")
    matrix[0, 0] = 5
    assert source[0, 0] == 1 and check_matrix(source.astype(int), "x").dtype == float


def test_booleans_and_whole_floats_are_labels():
    assert check_labels(np.array([True, False]), "y").tolist() == [True, False]
    assert check_labels(torch.tensor([0.0, 2.0]), "y").tolist() == [0.0, 2.0]


def test_codes_start_at_zero_without_gaps():
    true, pred = encode_label_pair([5, 9, 5], ["x", "x", "a"])
    assert true.tolist() == [0, 1, 0] and pred.tolist() == [1, 1, 0]


def test_normalize_columns():
    matrix = normalize_columns(np.array([[3.0, 0.0, 3e-300], [4.0, 0.0, 4e-300]]))
    np.testing.assert_allclose(matrix, [[0.6, 0.0, 0.6], [0.8, 0.0, 0.8]], rtol=1e-12)


@pytest.mark.parametrize("value", [np.array([["a"]]), np.array([[1j]])])
def test_only_real_numbers_make_a_matrix(value):
    with pytest.raises(ValueError, match="x must hold real numbers"):
        check_matrix(value, "x")
