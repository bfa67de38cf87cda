import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.eigen._canonical_basis import canonical_basis, normalize_signs


def test_largest_entry_is_positive() -> None:
    vectors = torch.tensor([[0.1, -0.5], [-0.9, 0.2]])
    assert (
        normalize_signs(vectors).tolist()
        == torch.tensor([[-0.1, 0.5], [0.9, -0.2]]).tolist()
    )


def test_roundoff_does_not_choose_among_equals() -> None:
    vector = torch.tensor([[0.5], [-0.5], [0.5], [-0.5]], dtype=torch.float64)
    for index in range(4):
        noisy = vector.clone()
        noisy[index] *= 1 + 1e-7
        assert torch.allclose(normalize_signs(noisy), vector)
        assert torch.allclose(normalize_signs(-noisy), vector)


def test_zero_columns_stay() -> None:
    assert normalize_signs(torch.zeros(3, 2)).tolist() == [[0, 0]] * 3


@given(st.integers(0, 1000), st.integers(1, 20), st.integers(1, 5))
def test_sign_of_the_input_does_not_matter(seed, n, k) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n, k, generator=generator)
    assert torch.equal(normalize_signs(vectors), normalize_signs(-vectors))


@given(
    st.integers(0, 1000),
    st.integers(1, 4),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.data(),
)
def test_basis_follows_from_the_spaces(seed, count, multiplicities, data) -> None:
    generator = torch.Generator().manual_seed(seed)

    def orthonormal(*shape: int) -> torch.Tensor:
        random = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return torch.linalg.qr(random).Q

    m = sum(multiplicities)
    k = data.draw(st.integers(1, m))
    vectors = orthonormal(count, m + 5, m)
    turns = [orthonormal(count, size, size) for size in multiplicities]
    turn = torch.stack([torch.block_diag(*each) for each in zip(*turns, strict=True)])
    space = torch.arange(len(multiplicities)).repeat_interleave(
        torch.tensor(multiplicities)
    )
    is_new = space.diff(prepend=torch.tensor([-1])) > 0
    arguments = is_new.expand(count, m), vectors[..., 0].clone()
    basis = canonical_basis(vectors.clone(), *arguments, k)
    turned = canonical_basis(vectors @ turn, *arguments, k)
    assert torch.allclose(normalize_signs(basis), normalize_signs(turned), atol=1e-10)
    # Orthonormal, and of the same spaces. The first space begins with the given vector.
    eye = torch.eye(k).double()
    assert torch.allclose(basis.mT @ basis, eye.expand(count, k, k), atol=1e-12)
    overlap = (vectors.mT @ basis).square()
    assert overlap[:, space[:, None] != space[:k]].sum() < 1e-20
    assert torch.allclose(overlap[:, 0, 0], torch.ones(count).double())


def test_vectors_of_simple_eigenvalues_stay() -> None:
    vectors = torch.linalg.qr(torch.arange(20.0).sin().view(5, 4)).Q
    basis = canonical_basis(vectors.clone(), torch.ones(4) > 0, vectors[:, 0], 3)
    assert torch.equal(basis, vectors[:, :3])
