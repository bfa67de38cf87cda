import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.nn.orthonormalization import UNLEARNED, Orthonormalization


def random_matrix(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def orthonormal(num_rows: int, num_columns: int, seed: int = 0) -> Tensor:
    """Columns with Y^T Y / n = I."""
    basis, _ = torch.linalg.qr(random_matrix(num_rows, num_columns, seed=seed))
    return basis * num_rows**0.5


def fitted(rows: Tensor) -> Orthonormalization:
    orthonormalization = Orthonormalization(rows.size(1)).to(rows.dtype)
    orthonormalization.fit([rows])
    return orthonormalization


@given(
    seed=st.integers(0, 2**31 - 1),
    num_columns=st.integers(1, 6),
    scale=st.floats(1e-6, 1e6),
)
def test_orthonormal_over_the_sample(seed: int, num_columns: int, scale: float) -> None:
    # A mix of condition number 4 at most: every direction counts as learned.
    mix = torch.eye(num_columns, dtype=torch.float64)
    noise = random_matrix(num_columns, num_columns, seed=seed)
    mix = mix + 0.6 * noise / torch.linalg.matrix_norm(noise, 2)
    rows = scale * orthonormal(200, num_columns, seed) @ mix
    aligned = fitted(rows)(rows)
    torch.testing.assert_close(
        aligned.T @ aligned / 200,
        torch.eye(num_columns, dtype=torch.float64),
        atol=1e-9,
        rtol=0,
    )


def test_symmetric_positive_definite() -> None:
    matrix = fitted(random_matrix(100, 4) @ random_matrix(4, 4, seed=1)).matrix
    torch.testing.assert_close(matrix, matrix.T, rtol=1e-12, atol=1e-12)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_closed_form_of_two_columns() -> None:
    # Gram [[a, b], [b, a]] has eigenvalues a + b and a - b along the diagonals.
    a, b = 0.8, 0.3
    gram = torch.tensor([[a, b], [b, a]], dtype=torch.float64)
    rows = orthonormal(50, 2) @ torch.linalg.cholesky(gram).T
    p, m = (a + b) ** -0.5, (a - b) ** -0.5
    expected = torch.tensor([[p + m, p - m], [p - m, p + m]], dtype=torch.float64) / 2
    torch.testing.assert_close(fitted(rows).matrix, expected)


def test_a_rotated_orthonormal_basis_is_left_alone() -> None:
    rotation, _ = torch.linalg.qr(random_matrix(5, 5, seed=2))
    rows = orthonormal(300, 5) @ rotation
    torch.testing.assert_close(fitted(rows)(rows), rows)


def test_no_other_orthonormal_basis_is_nearer() -> None:
    rows = 0.7 * orthonormal(300, 4) + 0.2 * random_matrix(300, 4, seed=3)
    nearest = fitted(rows)(rows)
    torch.testing.assert_close(
        nearest.T @ nearest / 300, torch.eye(4, dtype=torch.float64)
    )
    distance = (nearest - rows).norm()
    for seed in range(50):
        skew = random_matrix(4, 4, seed=seed) * 0.2
        rotation = torch.linalg.matrix_exp(skew - skew.T)
        assert (nearest @ rotation - rows).norm() > distance


def test_undoes_a_common_shrinkage() -> None:
    basis = orthonormal(300, 3)
    torch.testing.assert_close(fitted(0.6 * basis)(0.6 * basis), basis)


@pytest.mark.parametrize("share", [0.0, 1e-12, 1e-4])
def test_unlearned_direction_is_not_blown_up(share: float) -> None:
    rows = orthonormal(300, 3)
    rows[:, 2] *= share
    aligned = fitted(rows)(rows)
    torch.testing.assert_close(aligned[:, :2], rows[:, :2])
    # Raised as if it had the least mean square that counts as learned, no more.
    most = share * UNLEARNED**-0.5
    assert aligned[:, 2].square().mean().sqrt() <= most * (1 + 1e-9)


def test_all_zero_rows_stay_finite() -> None:
    aligned = fitted(torch.zeros(10, 3))(torch.zeros(10, 3))
    assert torch.equal(aligned, torch.zeros(10, 3))


def test_blocks_are_as_good_as_all_rows_at_once() -> None:
    rows = random_matrix(100, 4)
    orthonormalization = Orthonormalization(4).double()
    orthonormalization.fit(iter(rows.split(30)))
    torch.testing.assert_close(orthonormalization.matrix, fitted(rows).matrix)


def test_identity_until_fitted_and_after_reset() -> None:
    rows = random_matrix(20, 3)
    orthonormalization = Orthonormalization(3).double()
    assert torch.equal(orthonormalization(rows), rows)
    orthonormalization.fit([rows])
    assert not torch.allclose(orthonormalization(rows), rows)
    orthonormalization.reset_parameters()
    assert torch.equal(orthonormalization(rows), rows)


def test_repr() -> None:
    assert repr(Orthonormalization(4)) == "Orthonormalization(4)"
