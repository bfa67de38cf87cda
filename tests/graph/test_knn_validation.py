import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_basis.graph import knn_graph


@pytest.mark.parametrize(
    ("x", "k", "words"),
    [
        (torch.ones(5), 2, ["x must have shape [n, d]", "(5,)", "x.unsqueeze(1)"]),
        (torch.ones(5, 2, 2), 2, ["x must have shape", "(5, 2, 2)", "x.flatten(1)"]),
        (torch.ones(5, 0), 2, ["x must have shape", "d >= 1", "(5, 0)"]),
        (np.ones((5, 2)), 2, ["x must be a torch.Tensor", "torch.as_tensor(x)"]),
        (
            torch.ones(5, 2, dtype=torch.long),
            2,
            ["x must be floating point", "torch.int64", "x.float()"],
        ),
        (
            torch.tensor([[0.0], [float("nan")], [1.0]]),
            1,
            ["x must be finite", "1 of 3 rows", "torch.nan_to_num(x)"],
        ),
        (
            torch.tensor([[0.0], [float("inf")], [1.0]]),
            1,
            ["x must be finite", "1 of 3 rows", "torch.nan_to_num(x)"],
        ),
        (torch.ones(5, 2), 0, ["k must be at least 1", "got 0", "k=50"]),
        (torch.ones(5, 2), 2.5, ["k must be an integer", "2.5", "k=50"]),
        (torch.ones(5, 2), True, ["k must be an integer", "True", "k=50"]),
        (
            torch.ones(5, 2),
            5,
            ["fewer nodes than neighbours", "k=5", "5 rows", "k <= 4"],
        ),
    ],
)
def test_bad_input(x: Tensor, k: int, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        knn_graph(x, k)
    for word in words:
        assert word in str(caught.value)
