from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align import RANSAC, Alignment, LeastSquares, get_aligner
from pyg_basis.align.align_to_anchors import align_to_anchors, fixed_part
from tests.align.rows import normal, orthogonal

seeds = st.integers(0, 2**32)
ALL = torch.ones(40, dtype=torch.bool)
TURN = torch.tensor([[0.6, 0.8], [-0.8, 0.6]]).double()


def rows_with_an_island(leak: float) -> Tensor:
    """Three columns of noise, and a last one that lives on eight nodes, none of which
    is among the first forty, the anchors; but for a little."""
    (rows,) = normal(0, (400, 4))
    rows[:, 3] *= leak
    rows[-8:, 3] = 50**0.5
    return rows


@pytest.mark.parametrize("leak", [1e-3, 1e-8, 0.0])
@given(seeds)
def test_only_the_direction_of_the_island_is_left_out(leak, seed) -> None:
    rows, turn = rows_with_an_island(leak), orthogonal(seed, 4)
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
    order = torch.arange(400)
    order = torch.cat([order[:40][inliers], order[7:8], order[40:]])
    expected, _ = fixed_part(rows[order], ALL[:39])
    torch.testing.assert_close(kept[order], expected)


def test_one_node_that_outweighs_all_others() -> None:
    # As a node of hardly any degree does in all eigenvectors of the random walk.
    rows = 1e-7 * normal(0, (400, 3))[0]
    rows[-1] = torch.tensor([20.0, 19.0, -20.0])
    kept, rank = fixed_part(rows, ALL)
    assert rank == 0
    assert (kept - rows[:40].mean(dim=0)).abs().max() < 1e-6


def test_columns_without_any_spread() -> None:
    kept, rank = fixed_part(torch.ones(50, 3), ALL[:20])
    assert torch.equal(kept, torch.ones(50, 3)) and rank == 3
    assert fixed_part(torch.ones(50, 0), ALL[:20])[0].shape == (50, 0)


# --- the alignment of a batch


@given(seeds, st.integers(0, 2))
def test_an_affine_map_of_the_reference_is_undone(seed, num_constant) -> None:
    rows, linear, shift = normal(seed, (60, 4), (4, 4), (4,))
    rows[:, :num_constant] = 1.0
    reference = rows.clone()
    free = slice(num_constant, None)
    mapping = linear[free, free] + 5 * torch.eye(4 - num_constant)
    reference[:, free] = rows[:, free] @ mapping + shift[free]
    found, alignment = align_to_anchors(
        rows, reference[:20], LeastSquares(), num_constant
    )
    torch.testing.assert_close(found, reference)
    assert alignment.residual < 1e-10
    assert alignment.rank == 4 - num_constant


def noisy_anchors(leak: float) -> tuple[Tensor, Tensor, Tensor]:
    """Orthogonal columns with an island that has no anchor, what the first two are in
    another basis, and the anchors' rows in that one with some noise."""
    columns = rows_with_an_island(leak).flip(1)
    columns = 20 * torch.linalg.qr(columns).Q.flip(1)
    expected = columns[:, :2] @ TURN
    return columns, expected, expected[:40] + 0.01 * normal(1, (40, 2))[0]


@pytest.mark.parametrize("leak", [1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("method", ["lstsq", "ransac"])
def test_what_the_anchors_do_not_fix_is_left_out(leak, method) -> None:
    rows, expected, reference = noisy_anchors(leak)
    mapped, alignment = align_to_anchors(rows, reference, get_aligner(method), 0)
    # The nodes of the island, too, are where their other columns say.
    assert (mapped - expected).abs().max() < 0.3
    assert alignment.rank == 2  # the wanted columns, of four that are mapped from
    # With the open direction among the wanted ones.
    _, alignment = align_to_anchors(rows.flip(1), reference, get_aligner(method), 0)
    assert alignment.rank == 1


class WithoutTheFirst(RANSAC):
    """Takes the first three anchors for outliers."""

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        fitted = LeastSquares().fit(source[3:], target[3:])
        return replace(fitted, inliers=torch.arange(len(source)) >= 3)


def test_what_only_outlying_anchors_fix_is_left_out() -> None:
    rows, expected, reference = noisy_anchors(1e-6)
    rows[:3, 3] = rows[-1, 3]
    mapped, alignment = align_to_anchors(rows, reference, WithoutTheFirst(), 0)
    assert (mapped - expected).abs().max() < 0.5
    assert alignment.rank == 2
