import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.align import Alignment
from tests.align.rows import normal

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 6)


def alignment(
    linear: Tensor,
    shift: Tensor | None = None,
    residual: float = 0.0,
    inlier_share: float = 1.0,
    rank: int = 1,
    method: str = "lstsq",
) -> Alignment:
    return Alignment(
        linear=linear,
        shift=linear.new_zeros(linear.size(1)) if shift is None else shift,
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
    for dtype in (torch.float32, torch.float64):  # that of the rows
        assert found.apply(torch.ones(3, 2, dtype=dtype)).dtype == dtype


@given(seeds, sizes)
def test_inverse_undoes_on_both_sides(seed, k) -> None:
    linear, shift, phi = normal(seed, (k, k), (k,), (9, k))
    found = alignment(linear + 3 * k * torch.eye(k), shift)
    back = found.inverse()
    assert torch.allclose(back.apply(found.apply(phi)), phi, rtol=0, atol=1e-10)
    assert torch.allclose(found.apply(back.apply(phi)), phi, rtol=0, atol=1e-10)


@given(seeds, sizes, sizes, sizes, sizes)
def test_compose_is_one_after_the_other(seed, a, b, c, d) -> None:
    shapes = [(a, b), (b,), (b, c), (c,), (c, d), (d,), (9, a)]
    values = normal(seed, *shapes)
    first, second, third = (alignment(*values[i : i + 2]) for i in (0, 2, 4))
    expected = third.apply(second.apply(first.apply(values[-1])))
    for composed in (
        first.compose(second).compose(third),
        first.compose(second.compose(third)),
    ):
        assert torch.allclose(composed.apply(values[-1]), expected, rtol=0, atol=1e-9)


def test_compose_keeps_the_worse_diagnostics_and_inverse_all() -> None:
    one = alignment(torch.eye(3), None, 0.1, 0.5, 3, "ransac")
    other = alignment(torch.eye(3), None, 0.2, 0.9, 2, "lstsq")
    for composed in (one.compose(other), other.compose(one)):
        assert float(composed.residual) == pytest.approx(0.2)
        assert float(composed.inlier_share) == 0.5
        assert composed.rank == 2
        assert composed.method == "composed"
    assert one.compose(one).method == "ransac"
    back = one.inverse()
    assert (float(back.inlier_share), int(back.rank), back.method) == (0.5, 3, "ransac")
    assert float(back.residual) == pytest.approx(0.1)


def test_condition_number() -> None:
    assert alignment(torch.diag(torch.tensor([8.0, 2.0]))).condition_number == 4
    wide = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    assert alignment(wide).condition_number == 6
    for scale in (0.0, 1.0):
        singular = alignment(torch.diag(torch.tensor([scale, 0.0])))
        assert singular.condition_number == math.inf


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
        alignment(linear).inverse()


@pytest.mark.parametrize("shape", [(5, 3), (2,), (1, 5, 2)])
def test_apply_to_another_width(shape) -> None:
    with pytest.raises(ValueError, match=r"phi has shape .*width 2: pass \[m, 2\]"):
        alignment(torch.eye(2)).apply(torch.ones(shape))


def test_apply_to_integers() -> None:
    # The map would be rounded to their dtype.
    with pytest.raises(ValueError, match=r"phi .* torch\.int64: .* phi\.float\(\)"):
        alignment(torch.eye(2) / 2).apply(torch.ones(3, 2).long())


def test_widths_that_do_not_meet() -> None:
    one = alignment(torch.ones(2, 3))
    match = "after takes rows of width 2, .* gives width 3: compose maps that meet"
    with pytest.raises(ValueError, match=match):
        one.compose(one)
    match = "from 2 to 3 columns has no inverse: fit one between .* equal width"
    with pytest.raises(ValueError, match=match):
        one.inverse()
