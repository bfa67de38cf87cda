import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align.kept_basis import kept_basis, nearest_combinations

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


@given(SEEDS)
def test_of_vectors_that_are_alike_the_nearest_come_first(seed: int) -> None:
    source = rows(80, 6, seed)
    eigenvalues = torch.tensor([0.01, 0.02, 0.95, 1.0, 1.1, 2.0])
    # What was there is of the alike ones the last two, turned.
    turn = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64)).Q
    target = torch.cat([source[:, 0:2], source[:, 3:5] @ turn], dim=1)
    matrix = nearest_combinations(source, eigenvalues, target, K)
    assert torch.allclose(matrix.T @ matrix, torch.eye(6).double())
    found = source @ matrix
    assert torch.allclose(found[:, :2], source[:, :2])
    assert torch.allclose(found[:, 5], source[:, 5])
    span = torch.linalg.qr(found[:, :K]).Q
    assert torch.allclose(span @ (span.T @ target), target, atol=1e-6)


@given(SEEDS)
def test_new_vectors_well_below_come_first(seed: int) -> None:
    source = rows(80, 6, seed)
    eigenvalues = torch.tensor([0.01, 0.02, 0.03, 1.0, 1.1, 1.2])
    target = source[:, 2:]  # the first two are new
    found = source @ nearest_combinations(source, eigenvalues, target, K)
    assert torch.allclose(found[:, :3], source[:, :3])
