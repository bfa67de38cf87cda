import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.eigen._normalize_signs import normalize_signs


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
