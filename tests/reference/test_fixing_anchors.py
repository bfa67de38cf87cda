import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.reference.fixing_anchors import are_fixing, fixing_anchors


def rows_with_islands(num_islands: int, num_nodes: int = 300) -> Tensor:
    """Two columns of noise, and one for each island: six nodes far from the rest, the
    last ones."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(num_nodes, 2 + num_islands, generator=generator)
    rows[:, 2:] *= 1e-6
    for island in range(num_islands):
        end = num_nodes - 6 * island
        rows[end - 6 : end, 2 + island] += 7
    return rows


def islands(anchors: Tensor, num_islands: int) -> list[int]:
    """The islands that the anchors lie in."""
    numbers = (300 - 1 - anchors).div(6, rounding_mode="floor")
    return sorted(numbers[numbers < num_islands].tolist())


@given(st.integers(1, 4), st.sampled_from([7, 20, 100]), st.integers(0, 2**32))
def test_each_island_gets_an_anchor(num_islands, num_anchors, seed) -> None:
    # In whatever basis.
    rows = rows_with_islands(num_islands)
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(rows.size(1), rows.size(1), generator=generator)
    rows = rows @ torch.linalg.qr(mixing).Q
    assert not are_fixing(rows, num_anchors)
    order = fixing_anchors(rows, num_anchors)
    assert torch.equal(order.sort().values, torch.arange(300))
    assert are_fixing(rows[order], num_anchors)
    assert islands(order[:num_anchors], num_islands) == list(range(num_islands))
    # All others stay in their places.
    assert int((order != torch.arange(300)).sum()) == 2 * num_islands


def test_anchors_that_alone_fix_a_direction_stay() -> None:
    rows = rows_with_islands(2)
    order = torch.arange(300)
    order[4], order[295] = 295, 4  # the one anchor of the first island
    exchanged = order[fixing_anchors(rows[order], 20)]
    assert 295 in exchanged[:20]
    assert are_fixing(rows[exchanged], 20)


@pytest.mark.parametrize(
    "rows", [rows_with_islands(0), torch.ones(30, 3), torch.ones(30, 0)]
)
def test_anchors_that_fix_everything_stay(rows) -> None:
    assert torch.equal(fixing_anchors(rows, 20), torch.arange(len(rows)))


@pytest.mark.parametrize(("num_anchors", "size"), [(250, 4500), (2000, 1000)])
def test_as_many_as_a_large_group_needs(num_anchors, size) -> None:
    rows = rows_with_islands(1, 10_000)
    rows[-size:, 2] = 7
    order = fixing_anchors(rows, num_anchors)
    assert are_fixing(rows[order], num_anchors)
    assert 1 < int((order[:num_anchors] >= 10_000 - size).sum()) < 10


@given(st.integers(2, 6), st.integers(0, 2**32))
def test_no_more_anchors_than_a_map_needs(num_islands, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(294 - 6 * num_islands, generator=generator)
    rows = rows_with_islands(num_islands)
    rows[: len(shuffled)] = rows[shuffled]
    order = fixing_anchors(rows, 3 + num_islands)
    assert torch.equal(order.sort().values, torch.arange(300))
    assert are_fixing(rows[order], 3 + num_islands)


@given(st.integers(0, 2**32))
def test_what_cannot_be_fixed_is_left(seed) -> None:
    # One node of another column, which is an anchor; and nothing for the last.
    generator = torch.Generator().manual_seed(seed)
    rows = torch.zeros(30, 3)
    rows[-1, 1] = 1000
    rows[:20, 2] = torch.randn(20, generator=generator)
    rows[20:, 2] = rows[:20, 2].mean()
    order = fixing_anchors(rows, 20)
    assert torch.equal(order.sort().values, torch.arange(30))


def test_rounding_is_no_direction() -> None:
    rows = torch.ones(200, 1)
    rows[-3:] += 1.2e-7
    assert torch.equal(fixing_anchors(rows, 20), torch.arange(200))


def test_fewer_others_than_directions() -> None:
    rows = torch.zeros(12, 3)
    rows[10, 0] = rows[11, 1] = 1.0
    rows[:10, 2] = torch.arange(10.0)
    assert are_fixing(rows[fixing_anchors(rows, 10)], 10)
    # As many as there are.
    assert torch.equal(fixing_anchors(rows[:11], 10).sort().values, torch.arange(11))
