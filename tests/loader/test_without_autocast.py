import pytest
import torch

from pyg_basis.loader._without_autocast import without_autocast


def test_products_keep_their_precision_and_the_region_is_as_before() -> None:
    x = torch.linspace(-1, 1, 64).reshape(8, 8)
    expected = x @ x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with without_autocast(x.device):
            assert torch.equal(x @ x, expected)
        assert (x @ x).dtype == torch.bfloat16
        with pytest.raises(ValueError, match="on purpose"), without_autocast(x.device):
            raise ValueError("on purpose")
        assert (x @ x).dtype == torch.bfloat16


def test_a_device_without_autocast() -> None:
    x = torch.empty(2, 2, device="meta")
    with without_autocast(x.device):
        assert (x @ x).shape == (2, 2)
