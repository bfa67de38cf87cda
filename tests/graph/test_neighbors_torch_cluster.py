import pytest
import torch

pytest.importorskip("torch_cluster")

from pyg_basis.graph._neighbors_torch_cluster import candidates


def test_nearest_nodes() -> None:
    x = torch.randn(90, 3, generator=torch.Generator().manual_seed(0)).double()
    distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
    expected = distance.topk(7, largest=False).indices
    index = candidates(x, 7)
    assert torch.equal(index.sort(dim=1).values, expected.sort(dim=1).values)


def test_duplicates_leave_as_many() -> None:
    index = candidates(torch.zeros(40, 2, dtype=torch.float64), 5)
    assert index.shape == (40, 5)
    assert not bool((index == torch.arange(40).unsqueeze(1)).any())
