import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align import Alignment

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 6)


def normal(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.double) for s in shapes]


def alignment(
    linear: Tensor,
    shift: Tensor,
    residual: float = 0.0,
    inlier_share: float = 1.0,
    rank: int = 1,
    method: str = "lstsq",
) -> Alignment:
    return Alignment(
        linear=linear,
        shift=shift,
        residual=torch.tensor(residual),
        inliers=torch.arange(10) < round(10 * inlier_share),
        rank=torch.tensor(rank),
        method=method,
    )


def test_apply_is_a_product_of_rows_and_a_shift() -> None:
    linear = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = alignment(linear, torch.tensor([10.0, 20.0, 30.0]))
    mapped = found.apply(torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, -1.0]]))
    assert mapped.tolist() == [[11, 22, 33], [10, 20, 30], [7, 17, 27]]
    assert found.apply(torch.empty(0, 2)).shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_apply_keeps_the_dtype_of_its_rows(dtype) -> None:
    found = alignment(torch.eye(2).double(), torch.zeros(2).double())
    assert found.apply(torch.ones(3, 2, dtype=dtype)).dtype == dtype


@given(seeds, sizes, sizes)
def test_apply_is_affine(seed, k_source, k_target) -> None:
    linear, shift, one, other = normal(
        seed, (k_source, k_target), (k_target,), (7, k_source), (7, k_source)
    )
    found = alignment(linear, shift)
    between = 0.3 * found.apply(one) + 0.7 * found.apply(other)
    assert torch.allclose(found.apply(0.3 * one + 0.7 * other), between, atol=1e-12)


@given(seeds, sizes)
def test_inverse_undoes_on_both_sides(seed, k) -> None:
    linear, shift, phi = normal(seed, (k, k), (k,), (9, k))
    found = alignment(linear + 3 * k * torch.eye(k), shift)
    back = found.inverse()
    assert torch.allclose(back.apply(found.apply(phi)), phi, rtol=0, atol=1e-10)
    assert torch.allclose(found.apply(back.apply(phi)), phi, rtol=0, atol=1e-10)
    assert torch.allclose(back.inverse().linear, found.linear, rtol=0, atol=1e-10)


@given(seeds, sizes, sizes, sizes, sizes)
def test_compose_is_one_after_the_other(seed, a, b, c, d) -> None:
    shapes = [(a, b), (b,), (b, c), (c,), (c, d), (d,), (9, a)]
    values = normal(seed, *shapes)
    first, second, third = (alignment(*values[i : i + 2]) for i in (0, 2, 4))
    phi = values[-1]
    expected = third.apply(second.apply(first.apply(phi)))
    for composed in (
        first.compose(second).compose(third),
        first.compose(second.compose(third)),
    ):
        assert torch.allclose(composed.apply(phi), expected, rtol=0, atol=1e-9)


@given(seeds, sizes)
def test_composed_with_the_inverse_is_the_identity(seed, k) -> None:
    linear, shift = normal(seed, (k, k), (k,))
    found = alignment(linear + 3 * k * torch.eye(k), shift)
    whole = found.compose(found.inverse())
    assert torch.allclose(whole.linear, torch.eye(k).double(), rtol=0, atol=1e-10)
    assert torch.allclose(whole.shift, torch.zeros(k).double(), rtol=0, atol=1e-10)


def test_compose_keeps_the_worse_diagnostics() -> None:
    one = alignment(torch.eye(3), torch.zeros(3), 0.1, 0.5, 3, "ransac")
    other = alignment(torch.eye(3), torch.zeros(3), 0.2, 0.9, 2, "lstsq")
    for composed in (one.compose(other), other.compose(one)):
        assert float(composed.residual) == pytest.approx(0.2)
        assert float(composed.inlier_share) == 0.5
        assert composed.rank == 2
        assert composed.method == "composed"
    assert one.compose(one).method == "ransac"


def test_inlier_share() -> None:
    found = alignment(torch.eye(3), torch.zeros(3), inlier_share=0.7)
    assert found.inlier_share.dtype == torch.float32
    assert float(found.inlier_share) == pytest.approx(0.7)


def test_inverse_keeps_the_diagnostics() -> None:
    found = alignment(2 * torch.eye(3), torch.ones(3), 0.1, 0.5, 3, "ransac").inverse()
    assert (float(found.inlier_share), int(found.rank), found.method) == (
        0.5,
        3,
        "ransac",
    )
    assert float(found.residual) == pytest.approx(0.1)


def test_condition_number() -> None:
    shift = torch.zeros(2)
    assert alignment(torch.diag(torch.tensor([8.0, 2.0])), shift).condition_number == 4
    assert alignment(torch.eye(2), shift).condition_number == 1
    wide = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    assert alignment(wide, torch.zeros(3)).condition_number == 6


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_condition_number_of_a_singular_map_is_infinite(scale) -> None:
    linear = torch.diag(torch.tensor([scale, 0.0]))
    assert alignment(linear, torch.zeros(2)).condition_number == math.inf


@pytest.mark.parametrize(
    "linear",
    [
        torch.zeros(2, 2),
        torch.ones(2, 2),
        torch.diag(torch.tensor([1.0, 1e-9])),
        torch.diag(torch.tensor([1.0, 1e-17]).double()),
    ],
)
def test_inverse_of_a_singular_map(linear) -> None:
    match = r"singular \(condition number .*\).*more anchors, or fewer eigenvectors"
    with pytest.raises(ValueError, match=match):
        alignment(linear, torch.zeros(2)).inverse()


def test_what_is_singular_depends_on_the_precision() -> None:
    linear = torch.diag(torch.tensor([1.0, 1e-9])).double()
    back = alignment(linear, torch.zeros(2).double()).inverse()
    assert torch.allclose(back.linear.diag(), torch.tensor([1.0, 1e9]).double())


def test_inverse_between_widths() -> None:
    match = "from 2 to 3 columns has no inverse: fit one between .* equal width"
    with pytest.raises(ValueError, match=match):
        alignment(torch.ones(2, 3), torch.zeros(3)).inverse()


@pytest.mark.parametrize("shape", [(5, 3), (2,), (1, 5, 2)])
def test_apply_to_another_width(shape) -> None:
    match = r"phi has shape .*width 2: pass \[m, 2\]"
    with pytest.raises(ValueError, match=match):
        alignment(torch.eye(2), torch.zeros(2)).apply(torch.ones(shape))


def test_apply_to_integers() -> None:
    # The map would be rounded to their dtype.
    with pytest.raises(ValueError, match=r"phi .* torch\.int64: .* phi\.float\(\)"):
        alignment(torch.eye(2) / 2, torch.zeros(2)).apply(torch.ones(3, 2).long())


def test_compose_of_widths_that_do_not_meet() -> None:
    one = alignment(torch.ones(2, 3), torch.zeros(3))
    match = "after takes rows of width 2, .* gives width 3: compose maps that meet"
    with pytest.raises(ValueError, match=match):
        one.compose(one)


def test_repr() -> None:
    found = alignment(torch.ones(2, 3), torch.zeros(3), 0.01234, 0.7, 2, "ransac")
    assert repr(found) == (
        "Alignment(2, 3, method='ransac', residual=0.012, inlier_share=0.70)"
    )
