import pytest
import torch

from pyg_basis.eigen import SymmetricOperator
from pyg_basis.eigen._start_block import start_block
from pyg_basis.graph import laplacian


@pytest.fixture(scope="module")
def operator(neighbors) -> SymmetricOperator:
    return SymmetricOperator.from_laplacian(laplacian(neighbors(100)))


def test_random_block_is_orthonormal_and_seeded(operator) -> None:
    block = start_block(operator, 12, None, seed=0)
    assert torch.allclose(block.t() @ block, torch.eye(12).double(), atol=1e-13)
    assert torch.equal(block, start_block(operator, 12, None, seed=0))
    assert not torch.equal(block, start_block(operator, 12, None, seed=1))


def test_holds_what_is_known(operator) -> None:
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(100, 3, generator=generator)
    block = start_block(operator, 8, x0, seed=0)
    known = torch.cat([operator.null_vector.unsqueeze(1), x0.double()], dim=1)
    assert block.shape == (100, 8)
    assert torch.allclose(block @ (block.t() @ known), known)


def test_bad_columns_are_replaced(operator) -> None:
    x0 = torch.ones(100, 4)
    x0[3, 0], x0[5, 1] = torch.nan, torch.inf  # and the last two are equal
    block = start_block(operator, 8, x0, seed=0)
    assert torch.allclose(block.t() @ block, torch.eye(8).double(), atol=1e-13)


def test_plain_operator_without_start() -> None:
    operator = SymmetricOperator.from_tensor(torch.eye(30))
    assert start_block(operator, 5, None, seed=0).shape == (30, 5)
