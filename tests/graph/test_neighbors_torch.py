import pytest
import torch

from pyg_basis.graph import _neighbors_torch as module


@pytest.mark.parametrize("elements", [1, 700, 1 << 22])
def test_blocks_give_the_nearest_nodes(
    monkeypatch: pytest.MonkeyPatch, elements: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS_CPU", elements)
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).double()
    index = module.candidates(x, 7)
    distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
    expected = distance.topk(7, largest=False).indices
    assert torch.equal(index.sort(dim=1).values, expected.sort(dim=1).values)
