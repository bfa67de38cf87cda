import torch

from pyg_basis.graph._drop_self import drop_self


def test_each_row_loses_itself_or_else_its_farthest() -> None:
    index = torch.tensor([[0, 1, 2], [2, 1, 3], [0, 1, 3], [2, 1, 3]])
    assert drop_self(index).tolist() == [[1, 2], [2, 3], [0, 1], [2, 1]]
