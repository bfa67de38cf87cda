import pytest
import torch

from pyg_basis.graph._neighbors_sklearn import candidates


@pytest.mark.parametrize("d", [2, 12])  # by tree and by brute force
def test_nearest_nodes(d: int) -> None:
    x = torch.randn(90, d, generator=torch.Generator().manual_seed(0)).double()
    distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
    expected = distance.topk(7, largest=False).indices
    index = candidates(x, 7)
    assert torch.equal(index.sort(dim=1).values, expected.sort(dim=1).values)
