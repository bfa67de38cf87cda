import torch
from torch import Tensor

from pyg_basis.nn._uncompiled import uncompiled


@uncompiled
def count_nonzero(x: Tensor) -> Tensor:
    """Documented."""
    assert not torch.compiler.is_compiling()
    return torch.tensor(int((x != 0).sum()))  # reads a number


def test_is_called_as_written_from_compiled_code() -> None:
    @torch.compile(backend="aot_eager")
    def mean_of_nonzero(x: Tensor) -> Tensor:
        return x.sum() / count_nonzero(x)

    assert float(mean_of_nonzero(torch.tensor([0.0, 3.0, 5.0]))) == 4.0
    with torch.compiler.set_stance("fail_on_recompile"):
        assert float(mean_of_nonzero(torch.tensor([7.0, 0.0, 0.0]))) == 7.0


def test_is_the_function_it_wraps() -> None:
    assert count_nonzero.__name__ == "count_nonzero"
    assert count_nonzero.__doc__ == "Documented."
    assert int(count_nonzero(torch.ones(3))) == 3
