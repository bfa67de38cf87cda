import pytest
import torch
from torch import Tensor, nn

from pyg_basis.nn._full_precision import full_precision


class Product(nn.Module):
    """``x @ matrix``, under autocast and not."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("matrix", torch.randn(8, 3, generator=generator))

    def lowered(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Documented."""
        return x @ self.matrix * scale

    exact = full_precision(lowered)

    @full_precision
    def fail(self) -> None:
        raise ValueError("on purpose")


def test_products_are_as_without_autocast() -> None:
    module, x = Product(), torch.linspace(-1, 1, 80).reshape(10, 8)
    expected = module.lowered(x, scale=2.0)
    assert torch.equal(module.exact(x, scale=2.0), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module.exact(x, scale=2.0), expected)
        # The surrounding region is as before.
        assert module.lowered(x).dtype == torch.bfloat16
        with pytest.raises(ValueError, match="on purpose"):
            module.fail()
        assert module.lowered(x).dtype == torch.bfloat16


def test_a_device_without_autocast() -> None:
    module = Product().to("meta")
    assert module.exact(torch.empty(10, 8, device="meta")).shape == (10, 3)


def test_compiles_into_one_graph() -> None:
    module, x = Product(), torch.linspace(-1, 1, 80).reshape(10, 8)
    compiled = torch.compile(module.exact, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x), module.lowered(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compiled(x), module.exact(x))


def test_is_the_method_it_wraps() -> None:
    assert Product.exact.__name__ == "lowered"
    assert Product.exact.__doc__ == "Documented."
