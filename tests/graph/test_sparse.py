import torch

from pyg_basis.graph._sparse import csr_tensor


def test_csr_of_a_small_matrix() -> None:
    crow, column = torch.tensor([0, 1, 3]), torch.tensor([1, 0, 1])
    matrix = csr_tensor(crow, column, torch.tensor([2.0, 3.0, 4.0]), 2)
    assert matrix.layout == torch.sparse_csr
    assert matrix.to_dense().tolist() == [[0, 2], [3, 4]]
