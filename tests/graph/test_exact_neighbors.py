import pytest
import torch
from torch import Tensor

from pyg_basis.graph import _exact_neighbors as module
from pyg_basis.graph._exact_neighbors import exact_neighbors
from pyg_basis.graph._neighbors_torch import candidates


def points(n: int, d: int) -> Tensor:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
    return x.double() / 8


# Without centring, the roundoff of points far from the origin would fail every row.
@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1e-6, 0.5)])
def test_rows_without_ties_are_not_redone(
    monkeypatch: pytest.MonkeyPatch, factor: float, offset: float
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a row was redone")

    monkeypatch.setattr(module, "_exhaustive", refuse)
    index, distance = exact_neighbors(points(300, 16) * factor + offset, 20, candidates)
    assert index.shape == distance.shape == (300, 20)


def test_order_of_the_candidates_does_not_matter() -> None:
    x = points(200, 4).mul(4).round()
    expected = exact_neighbors(x, 10, candidates)
    flipped = exact_neighbors(x, 10, lambda p, c: candidates(p, c).flip(1))
    assert torch.equal(expected[0], flipped[0])
    assert torch.equal(expected[1], flipped[1])


def test_small_blocks_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(150, 3).mul(6).round().div(3)
    index, distance = exact_neighbors(x, 9, candidates)
    monkeypatch.setattr(module, "_GATHER_ELEMENTS_CPU", 200)
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 400)
    small = exact_neighbors(x, 9, candidates)
    assert torch.equal(index, small[0])
    assert torch.equal(distance, small[1])


def test_backend_may_err_within_roundoff() -> None:
    # Node 0 is the centre of a circle: its distances differ in the last bits only.
    angle = torch.arange(40, dtype=torch.float64) * 0.1
    circle = torch.stack([angle.cos(), angle.sin()], dim=1) * 0.7
    x = torch.cat([torch.zeros(1, 2, dtype=torch.float64), circle])
    distance = module._distances(x, x)
    by_distance = distance.fill_diagonal_(torch.inf).sort(dim=1, stable=True)
    assert 0 < by_distance.values[0, 39] - by_distance.values[0, 0] < 1e-15

    def misled(centred: Tensor, count: int) -> Tensor:
        index = candidates(centred, count)
        index[0] = by_distance.indices[0, 40 - count : 40]
        return index

    index, _ = exact_neighbors(x, 5, misled)
    assert torch.equal(index, by_distance.indices[:, :5])
