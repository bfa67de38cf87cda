import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.eigen._start_block import GUARD_NOISE, start_block
from pyg_basis.graph import laplacian


@pytest.fixture(scope="module")
def operator(neighbors) -> SymmetricOperator:
    return SymmetricOperator.from_laplacian(laplacian(neighbors(100)))


def random_columns(p: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(100, p, generator=generator, dtype=torch.float64)


def assert_known_and_guards(block: Tensor, num_known: int) -> None:
    """The first columns orthonormal, the others orthogonal to them, of full rank."""
    known, guards = block[:, :num_known], block[:, num_known:]
    eye = torch.eye(num_known, dtype=torch.float64)
    assert torch.allclose(known.t() @ known, eye, rtol=0, atol=1e-13)
    assert torch.linalg.matrix_norm(known.t() @ guards) < 1e-12
    assert torch.linalg.matrix_rank(block) == block.shape[1]


@pytest.mark.usefixtures("untouched_global_generators")
def test_random_block_is_seeded(operator) -> None:
    block = start_block(operator, 6, 12, None, seed=0)
    assert block.shape == (100, 12)
    assert torch.allclose(block[:, 0].abs(), operator.null_vector)
    assert_known_and_guards(block, 1)
    # Random columns have norm 1 or so, like the others.
    assert torch.allclose(block.norm(dim=0), torch.ones(12).double(), atol=0.3)
    assert torch.equal(block, start_block(operator, 6, 12, None, seed=0))
    assert not torch.equal(block, start_block(operator, 6, 12, None, seed=1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_holds_what_is_known(operator, dtype) -> None:
    x0 = random_columns(3).to(dtype)
    block = start_block(operator, 3, 8, x0, seed=0)
    known = torch.cat([operator.null_vector.unsqueeze(1), x0.double()], dim=1)
    assert block.shape == (100, 8)
    assert block.dtype == torch.float64
    assert_known_and_guards(block, 4)
    assert torch.allclose(block[:, :4] @ (block[:, :4].t() @ known), known)


def test_columns_beyond_the_wanted_are_guards_with_noise(operator) -> None:
    x0 = random_columns(6)
    block = start_block(operator, 2, 9, x0, seed=0)
    assert_known_and_guards(block, 3)
    # What the guess of four guards comes to, and the share of noise in it.
    first = block[:, :3]
    guess = x0[:, 2:] - first @ (first.t() @ x0[:, 2:])
    basis = torch.linalg.qr(guess).Q
    guards = block[:, 3:7]
    noise = guards - basis @ (basis.t() @ guards)
    assert torch.allclose(
        noise.norm(dim=0), torch.full((4,), GUARD_NOISE).double(), rtol=0.3
    )
    assert torch.linalg.svdvals(basis.t() @ guards).min() > 0.8
    # The rest is random, with next to nothing of the guess.
    assert torch.allclose(block[:, 7:].norm(dim=0), torch.ones(2).double(), atol=0.3)


def test_more_guesses_than_columns(operator) -> None:
    x0 = random_columns(30)
    block = start_block(operator, 4, 10, x0, seed=0)
    assert block.shape == (100, 10)
    assert_known_and_guards(block, 5)


def test_bad_columns_are_replaced(operator) -> None:
    x0 = torch.ones(100, 4)
    x0[3, 0], x0[5, 1] = torch.nan, torch.inf  # and the last two are equal
    block = start_block(operator, 4, 8, x0, seed=0)
    assert_known_and_guards(block, 2)
    assert block.shape == (100, 8)
    assert_known_and_guards(start_block(operator, 4, 8, x0 * torch.nan, seed=0), 1)
    # The null vector itself adds nothing.
    null = operator.null_vector.unsqueeze(1)
    assert_known_and_guards(start_block(operator, 1, 8, null, seed=0), 1)


def test_guards_that_are_known_already_add_nothing(operator) -> None:
    x0 = random_columns(3).repeat(1, 2)
    block = start_block(operator, 3, 8, x0, seed=0)
    # Not the noise of a tenth: four wholly random columns.
    assert_known_and_guards(block, 4)
    assert block[:, 4:].norm(dim=0).min() > 0.7


@given(
    k=st.integers(1, 8),
    num_guards=st.integers(1, 8),
    p=st.integers(0, 20),
    rank=st.integers(1, 20),
    seed=st.integers(0, 100),
)
def test_size_and_rank_whatever_is_known(k, num_guards, p, rank, seed) -> None:
    operator = SymmetricOperator.from_tensor(torch.eye(100))
    x0 = random_columns(rank, seed) @ random_columns(p, seed + 1)[:rank]
    block = start_block(operator, k, k + num_guards, x0, seed)
    assert block.shape == (100, k + num_guards)
    assert_known_and_guards(block, min(k, p, rank))


def test_plain_operator_without_start() -> None:
    operator = SymmetricOperator.from_tensor(torch.eye(30))
    assert start_block(operator, 3, 5, None, seed=0).shape == (30, 5)
