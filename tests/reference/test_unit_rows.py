import pytest
import torch
from sklearn.preprocessing import normalize

from pyg_basis.reference.unit_rows import unit_rows


def rows(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).double() - 0.2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_divides_by_the_norm(scale: float, dtype: torch.dtype) -> None:
    x = (scale * rows(50, 7)).to(dtype)
    if not x.isfinite().all() or not x.any():
        pytest.skip("beyond this precision")
    found = unit_rows(x)
    expected = x.double() / scale / (x.double() / scale).norm(dim=1, keepdim=True)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 7, 2000])
def test_rows_of_norm_1_stay_as_they_are(width: int, dtype: torch.dtype) -> None:
    x = rows(100, width).to(dtype)
    for unit in (
        unit_rows(x),
        unit_rows(x.double()).to(dtype),
        torch.nn.functional.normalize(x),
        torch.from_numpy(normalize(x.numpy())),
    ):
        assert torch.equal(unit_rows(unit), unit)
    assert not torch.equal(unit_rows(1.001 * unit), 1.001 * unit)


def test_half_precision_becomes_single() -> None:
    x = rows(20, 5).bfloat16()
    assert torch.equal(unit_rows(x), unit_rows(x.float()))


def test_a_row_of_zeros_is_named() -> None:
    x = rows(5, 3)
    x[3] = 0
    with pytest.raises(ValueError, match=r"row 3 of the .* is zero: .*'euclidean'"):
        unit_rows(x)
    with pytest.raises(ValueError, match="row 13 of the features"):
        unit_rows(x, [10, 11, 12, 13, 14])
