import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align.within_eigenspaces import within_eigenspaces

NUM_ROWS = 40
# Groups of nearly equal eigenvalues: of one, two and three.
VALUES = torch.tensor([0.0, 0.2, 0.204, 0.5, 0.9, 0.91, 0.92])
GROUPS = [[0], [1, 2], [3], [4, 5, 6]]


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def orthonormal(num_columns: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(random(NUM_ROWS, num_columns, seed=seed)).Q


def turned_within_groups(seed: int) -> Tensor:
    """A random orthogonal matrix that mixes no different eigenvalues."""
    blocks = [
        random(len(group), len(group), seed=seed + i) for i, group in enumerate(GROUPS)
    ]
    return torch.block_diag(*(torch.linalg.qr(block).Q for block in blocks))


def is_mixed() -> Tensor:
    """Which columns may be mixed."""
    return torch.block_diag(*(torch.ones(len(g), len(g)) for g in GROUPS)).bool()


@given(seed=st.integers(0, 10**6), noise=st.floats(0, 10))
def test_orthogonal_and_block_diagonal(seed: int, noise: float) -> None:
    rows = orthonormal(7, seed)
    reference = rows + noise * random(NUM_ROWS, 7, seed=seed + 1)
    rotation = within_eigenspaces(rows, reference, VALUES)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(7).double())
    assert not rotation[~is_mixed()].any()


@given(seed=st.integers(0, 10**6))
def test_nearly_equal_eigenvalues_are_turned_onto_the_reference(seed: int) -> None:
    reference = orthonormal(7, seed)
    rows = reference @ turned_within_groups(seed)
    rotation = within_eigenspaces(rows, reference, VALUES)
    torch.testing.assert_close(rows @ rotation, reference)


@given(signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=5, max_size=5))
def test_single_eigenvalues_get_signs_only(signs: list[float]) -> None:
    # Whatever else the reference is, as long as it correlates.
    rows, values = orthonormal(5), torch.tensor([0.0, 0.1, 0.2, 0.4, 0.8])
    reference = 0.1 * (rows @ random(5, 5, seed=1)) + rows * torch.tensor(signs)
    rotation = within_eigenspaces(rows, reference, values)
    torch.testing.assert_close(rotation, torch.diag(torch.tensor(signs)).double())


@given(seed=st.integers(0, 10**6))
def test_no_other_turn_comes_closer(seed: int) -> None:
    rows, reference = orthonormal(7, seed), random(NUM_ROWS, 7, seed=seed + 1)
    rotation = within_eigenspaces(rows, reference, VALUES)
    distance = (rows @ rotation - reference).norm()
    other = turned_within_groups(seed + 2)
    assert (rows @ other - reference).norm() >= distance * (1 - 1e-12)


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
    ],
)
def test_what_counts_as_nearly_equal(values: list[float], is_one_space: bool) -> None:
    reference = orthonormal(2)
    half = torch.tensor([[1.0, -1.0], [1.0, 1.0]]).double() / 2**0.5
    rotation = within_eigenspaces(reference @ half, reference, torch.tensor(values))
    expected = half.T if is_one_space else rotation.diag().sign().diag()
    torch.testing.assert_close(rotation, expected)


def test_a_chain_of_near_neighbors_is_one_space() -> None:
    reference = orthonormal(4)
    turn = torch.linalg.qr(random(4, 4, seed=3)).Q
    values = torch.tensor([1.0, 1.04, 1.08, 1.12])  # the ends differ by more
    rotation = within_eigenspaces(reference @ turn, reference, values)
    torch.testing.assert_close(rotation, turn.T)


def test_one_column() -> None:
    rows = orthonormal(1)
    rotation = within_eigenspaces(-rows, rows, torch.tensor([0.3]))
    torch.testing.assert_close(rotation, torch.tensor([[-1.0]]).double())


def test_reference_rows_that_tell_nothing() -> None:
    rotation = within_eigenspaces(orthonormal(7), torch.zeros(NUM_ROWS, 7), VALUES)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(7).double())


def test_rows_in_single_precision() -> None:
    reference = orthonormal(7).float()
    rows = reference @ turned_within_groups(0).float()
    rotation = within_eigenspaces(rows, reference, VALUES)
    assert rotation.dtype == torch.float64
    torch.testing.assert_close(rows.double() @ rotation, reference.double())
