import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align.within_eigenspaces import within_eigenspaces
from tests.align.rows import normal, orthogonal

NUM_ROWS = 40
# Groups of nearly equal eigenvalues: of one, two and three.
VALUES = torch.tensor([0.0, 0.2, 0.204, 0.5, 0.9, 0.91, 0.92])
SIZES = [1, 2, 1, 3]
seeds = st.integers(0, 10**6)


def orthonormal(num_columns: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(normal(seed, (NUM_ROWS, num_columns))[0]).Q


def turned_within_groups(seed: int) -> Tensor:
    """A random orthogonal matrix that mixes no different eigenvalues."""
    return torch.block_diag(*(orthogonal(seed + i, k) for i, k in enumerate(SIZES)))


@given(seeds, st.floats(0, 10))
def test_is_orthogonal_and_block_diagonal_and_the_closest(seed, noise) -> None:
    rows = orthonormal(7, seed)
    reference = rows + noise * normal(seed + 1, (NUM_ROWS, 7))[0]
    rotation = within_eigenspaces(rows, reference, VALUES)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(7).double())
    may_mix = torch.block_diag(*(torch.ones(k, k) for k in SIZES)).bool()
    assert not rotation[~may_mix].any()
    distance = (rows @ rotation - reference).norm()
    other = turned_within_groups(seed + 2)
    assert (rows @ other - reference).norm() >= distance - 1e-9


@given(seeds)
def test_nearly_equal_eigenvalues_are_turned_onto_the_reference(seed) -> None:
    reference = orthonormal(7, seed)
    rows = reference @ turned_within_groups(seed)
    rotation = within_eigenspaces(rows, reference, VALUES)
    torch.testing.assert_close(rows @ rotation, reference)


@given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=5, max_size=5))
def test_single_eigenvalues_get_signs_only(signs: list[float]) -> None:
    # Whatever else the reference is, as long as it correlates.
    rows, values = orthonormal(5), torch.tensor([0.0, 0.1, 0.2, 0.4, 0.8])
    reference = 0.1 * (rows @ normal(1, (5, 5))[0]) + rows * torch.tensor(signs)
    rotation = within_eigenspaces(rows, reference, values)
    torch.testing.assert_close(rotation, torch.diag(torch.tensor(signs)).double())


@pytest.mark.parametrize(
    ("values", "is_one_space"),
    [
        ([1.0, 1.04], True),
        ([1.0, 1.06], False),
        ([0.001, 0.00104], True),  # of any size
        ([0.001, 0.00106], False),
        ([0.0, 1e-7], True),  # two components
        ([0.0, 1e-5], False),
        ([-1e-9, 0.0], True),  # rounding
        ([1.0, 1.04, 1.08, 1.12], True),  # the ends differ by more
    ],
)
def test_what_counts_as_nearly_equal(values: list[float], is_one_space: bool) -> None:
    reference = orthonormal(len(values))
    turn = orthogonal(3, len(values))
    rotation = within_eigenspaces(reference @ turn, reference, torch.tensor(values))
    expected = turn.T if is_one_space else turn.diag().sign().diag()
    torch.testing.assert_close(rotation, expected)


def test_reference_rows_that_tell_nothing() -> None:
    rotation = within_eigenspaces(orthonormal(7), torch.zeros(NUM_ROWS, 7), VALUES)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(7).double())
