import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align.kept_basis import kept_basis

K, LOST = 4, 0.1
SEEDS = st.integers(0, 10**6)


def rows(num_rows: int, num_columns: int, seed: int) -> Tensor:
    """Orthonormal columns of mean 0 and mean square 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(num_rows, num_columns, generator=generator).double()
    return torch.linalg.qr(drawn - drawn.mean(dim=0)).Q * num_rows**0.5


@given(SEEDS)
def test_a_space_that_stayed_goes_where_it_was(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = rows(50, K, seed)
    turn = torch.linalg.qr(torch.randn(K, K, generator=generator).double()).Q
    shift = torch.randn(K, generator=generator).double()
    alignment, cosines = kept_basis(target @ turn + shift, target, LOST)
    assert torch.allclose(alignment.apply(target @ turn + shift), target)
    assert torch.allclose(cosines, torch.ones(K).double())


@given(SEEDS)
def test_what_is_new_takes_the_place_of_what_was_lost(seed: int) -> None:
    both = rows(60, K + 1, seed)
    old, new = both[:, :K], both[:, 1:]  # the first was lost, the last is new
    alignment, cosines = kept_basis(new, old, LOST)
    mapped = alignment.apply(new)
    assert torch.allclose(mapped[:, 1:], old[:, 1:], atol=1e-6)
    assert torch.allclose(mapped[:, 0].abs(), new[:, -1].abs(), atol=1e-6)
    assert int((cosines < LOST).sum()) == 1


def test_directions_of_new_nodes_are_not_blown_up() -> None:
    """Of the second column the old nodes see next to nothing."""
    old = rows(60, 2, seed=0)
    new = old * torch.tensor([1.0, 1e-3])
    linear = kept_basis(new, old, LOST)[0].linear
    assert float(torch.linalg.svdvals(linear)[0]) < 1.01
