import pytest
import torch

from pyg_basis.eigen._ritz import ritz_pairs, small_eigh


def _symmetric(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(n, n, generator=generator, dtype=torch.float64)
    return matrix + matrix.t()


def test_pairs_of_an_invariant_space_are_eigenpairs() -> None:
    matrix = _symmetric(30)
    values, vectors = torch.linalg.eigh(matrix)
    turned = vectors[:, :6] @ torch.linalg.qr(_symmetric(6)).Q
    ritz = ritz_pairs(matrix, turned)
    assert torch.allclose(ritz.values, values[:6])
    assert torch.allclose(ritz.image, matrix @ ritz.x)
    assert torch.allclose(ritz.image, ritz.x * ritz.values)


def test_rounded_gram_matrix_is_made_symmetric() -> None:
    gram = _symmetric(5)
    rounded = gram + 1e-9 * torch.triu(torch.ones(5, 5, dtype=torch.float64))
    values, rotation = small_eigh(rounded)
    assert torch.allclose(values, torch.linalg.eigvalsh(gram), atol=1e-7)
    assert torch.allclose(rotation.t() @ rotation, torch.eye(5, dtype=torch.float64))


@pytest.mark.parametrize("closeness", [0.0, 0.9, 1.0])
def test_spare_memory_changes_nothing(closeness) -> None:
    matrix = _symmetric(30)
    # Columns that take one pass of Cholesky QR, two, and Householder's.
    block = matrix[:, :4] + 100 * closeness * matrix[:, 4:5]
    expected = ritz_pairs(matrix, block.clone())
    spare = torch.full_like(block, torch.nan)
    for one, other in zip(ritz_pairs(matrix, block, spare), expected, strict=True):
        assert torch.equal(one, other)
