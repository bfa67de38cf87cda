from typing import Any

import numpy as np
import pytest
import torch

from pyg_basis.datasets import TOYS, sphere
from pyg_basis.eigen import suggest_num_components
from pyg_basis.reference import ExactEmbedding


def test_gaps_of_the_sphere() -> None:
    # l (l + 1), 2 l + 1 times each.
    values = np.repeat([0.0, 2, 6, 12, 20], [1, 3, 5, 7, 9])
    assert suggest_num_components(values, drop_first=False) == [4, 9, 16]
    assert suggest_num_components(torch.from_numpy(values[1:])) == [3, 8, 15]
    assert suggest_num_components(values[1:], num_suggestions=1) == [3]
    found = ExactEmbedding(24, 50)(sphere(2000, seed=0)).values
    assert suggest_num_components(found) == [3, 8, 15]


@pytest.mark.parametrize("name", sorted(TOYS))
def test_gaps_of_the_toy_sets(name: str) -> None:
    x, y = TOYS[name](2000, seed=0)
    values = ExactEmbedding(21, 10, drop_first=False)(x).values
    num_clusters = len(y.unique())
    assert suggest_num_components(values, drop_first=False)[0] == num_clusters
    assert suggest_num_components(values[1:])[0] == num_clusters - 1


def test_clusters_that_hardly_touch() -> None:
    # Among values that count as zero there is no gap, whatever their ratio.
    values = [0, 1e-18, 1e-9, 1e-6, 0.3, 0.31]
    assert suggest_num_components(values, drop_first=False)[0] == 4


def test_the_trivial_eigenvalue_by_itself_is_no_suggestion() -> None:
    assert suggest_num_components([0, 0.9, 1], drop_first=False) == [2]
    assert suggest_num_components([0, 0.9, 1]) == [1, 2]
    assert suggest_num_components([0.0, 0, 0]) == [1, 2]


def test_rounding_is_no_disorder() -> None:
    values = [1e-17, 0, -1e-18, 0.5, 0.6]
    assert suggest_num_components(values, drop_first=False)[0] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eigenvalues": [0.1]}, r"at least 2 finite .*shape \[1\]"),
        ({"eigenvalues": [0, 1], "drop_first": False}, "at least 3 finite"),
        ({"eigenvalues": [[0, 1]]}, r"one row .*\[1, 2\]"),
        ({"eigenvalues": [0, 2, 1]}, "ascending"),
        ({"eigenvalues": [-1, 2]}, "ascending from 0"),
        ({"eigenvalues": [0, np.nan]}, "finite"),
        ({"eigenvalues": ["a", "b"]}, "eigenvalues must be one row .*numbers"),
        ({"eigenvalues": [0, 1], "num_suggestions": 0}, "num_suggestions.*Got 0"),
        ({"eigenvalues": [0, 1], "drop_first": None}, "drop_first.*Got None"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suggest_num_components(**arguments)
