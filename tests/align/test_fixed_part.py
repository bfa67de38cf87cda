import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align.fixed_part import directions, fixed_part

seeds = st.integers(0, 2**32)
ALL = torch.ones(40, dtype=torch.bool)


def rows_with_an_island(leak: float) -> Tensor:
    """Three columns of noise, and a last one that lives on eight nodes, none of which
    is among the first forty, the anchors; but for a little."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 4, generator=generator).double()
    rows[:, 3] *= leak
    rows[-8:, 3] = 50**0.5
    return rows


def mixing(seed: int, width: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(width, width, generator=generator).double()).Q


@pytest.mark.parametrize("leak", [1e-3, 1e-8, 0.0])
@given(seeds)
def test_only_the_direction_of_the_island_is_left_out(leak, seed) -> None:
    rows, turn = rows_with_an_island(leak), mixing(seed)
    kept, rank = fixed_part(rows @ turn, ALL)
    assert rank == 3
    # In whatever basis: the other columns stay, the last goes.
    back = kept @ turn.T
    assert (back[:-8, :3] - rows[:-8, :3]).abs().max() < 0.02
    assert (back[:, 3] - rows[:40, 3].mean()).abs().max() < 0.02


def test_where_the_anchors_spread_nothing_is_left_out() -> None:
    rows = rows_with_an_island(0.0)
    rows[7] = rows[-1]  # a single anchor among those of the island
    kept, rank = fixed_part(rows, ALL)
    assert torch.equal(kept, rows) and rank == 4
    # Nor where a column hardly differs from a constant, anywhere.
    rows[:, 2] = 1 + 1e-3 * rows[:, 2]
    kept, rank = fixed_part(rows, ALL)
    assert torch.equal(kept, rows) and rank == 4


def test_only_inliers_fix_a_direction() -> None:
    rows = rows_with_an_island(0.0)
    rows[7] = rows[-1]
    inliers = ALL.clone()
    inliers[7] = False
    kept, rank = fixed_part(rows, inliers)
    assert rank == 3
    # As if that anchor were any other node.
    order = torch.cat([torch.arange(400)[:40][inliers], torch.tensor([7])])
    order = torch.cat([order, torch.arange(40, 400)])
    expected, _ = fixed_part(rows[order], ALL[:39])
    torch.testing.assert_close(kept[order], expected)


@given(seeds, st.integers(1, 6), st.floats(1e-3, 1e3))
def test_directions_are_coordinates_of_mean_square_one(seed, width, scale) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = scale * torch.randn(100, width, generator=generator).double()
    found = directions(rows, ALL)
    centred = rows - rows[:40].mean(dim=0)
    torch.testing.assert_close(found.coordinates @ found.basis, centred)
    moments = found.coordinates.T @ found.coordinates / 100
    torch.testing.assert_close(
        moments, torch.eye(width).double(), rtol=0, atol=1e-6 * width
    )
    of_anchors = found.coordinates[:40].square().mean(dim=0)
    torch.testing.assert_close(of_anchors, found.shares, rtol=1e-4, atol=1e-6)
    assert torch.equal(found.shares, found.shares.sort().values)


def test_one_node_that_outweighs_all_others() -> None:
    # As a node of hardly any degree does in all eigenvectors of the random walk.
    generator = torch.Generator().manual_seed(0)
    rows = 1e-7 * torch.randn(400, 3, generator=generator).double()
    rows[-1] = torch.tensor([20.0, 19.0, -20.0])
    assert not directions(rows, ALL).is_fixed.any()
    kept, rank = fixed_part(rows, ALL)
    assert rank == 0
    assert (kept - rows[:40].mean(dim=0)).abs().max() < 1e-6


def test_columns_without_any_spread() -> None:
    kept, rank = fixed_part(torch.ones(50, 3), ALL[:20])
    assert torch.equal(kept, torch.ones(50, 3)) and rank == 3
    assert fixed_part(torch.ones(50, 0), ALL[:20])[0].shape == (50, 0)
