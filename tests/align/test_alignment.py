import math

import pytest
import torch
from torch import Tensor

from pyg_basis.align import Alignment


def alignment(linear: Tensor, shift: Tensor | None = None) -> Alignment:
    return Alignment(
        linear=linear,
        shift=linear.new_zeros(linear.size(1)) if shift is None else shift,
        residual=torch.tensor(0.125),
        inliers=torch.arange(10) < 9,
        rank=torch.tensor(1),
        method="lstsq",
    )


def test_apply_is_a_product_of_rows_and_a_shift() -> None:
    linear = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = alignment(linear, torch.tensor([10.0, 20.0, 30.0]))
    mapped = found.apply(torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, -1.0]]))
    assert mapped.tolist() == [[11, 22, 33], [10, 20, 30], [7, 17, 27]]
    assert found.apply(torch.empty(0, 2)).shape == (0, 3)
    for dtype in (torch.float32, torch.float64):  # that of the rows
        assert found.apply(torch.ones(3, 2, dtype=dtype)).dtype == dtype


def test_diagnostics_are_shown() -> None:
    shown = "Alignment(2, 3, method='lstsq', residual=0.12, inlier_share=0.90)"
    assert repr(alignment(torch.ones(2, 3))) == shown


def test_condition_number() -> None:
    assert alignment(torch.diag(torch.tensor([8.0, 2.0]))).condition_number == 4
    wide = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    assert alignment(wide).condition_number == 6
    for scale in (0.0, 1.0):
        singular = alignment(torch.diag(torch.tensor([scale, 0.0])))
        assert singular.condition_number == math.inf


@pytest.mark.parametrize("shape", [(5, 3), (2,), (1, 5, 2)])
def test_apply_to_another_width(shape) -> None:
    with pytest.raises(ValueError, match=r"phi has shape .*width 2: pass \[m, 2\]"):
        alignment(torch.eye(2)).apply(torch.ones(shape))


@pytest.mark.parametrize(
    ("phi", "kind"),
    [
        (torch.ones(3, 2).long(), "torch.int64"),  # the map would be rounded
        (torch.ones(3, 2).numpy(), "float32"),
        ([[1.0, 2.0]], "list"),
    ],
)
def test_apply_to_what_is_no_floating_point_tensor(phi, kind) -> None:
    match = rf"phi must be .* tensor, got .*{kind}.*: .* torch.as_tensor\(phi\)"
    with pytest.raises(ValueError, match=match):
        alignment(torch.eye(2) / 2).apply(phi)
