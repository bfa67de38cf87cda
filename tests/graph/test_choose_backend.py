import pytest
import torch

from pyg_basis.graph import _choose_backend as module


@pytest.mark.parametrize(
    ("n", "d", "installed", "expected"),
    [
        (512, 16, True, "torch"),
        (512, 2, True, "torch"),
        (9000, 2, True, "torch_cluster"),
        (9000, 2, False, "sklearn"),
        (9000, 16, True, "sklearn"),
    ],
)
def test_choice(
    monkeypatch: pytest.MonkeyPatch, n: int, d: int, installed: bool, expected: str
) -> None:
    monkeypatch.setattr(module, "_is_installed", lambda name: installed)
    assert module.choose_backend(torch.empty(n, d)) == expected


def test_broken_extension_counts_as_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise OSError("undefined symbol")

    monkeypatch.setattr(module, "_import_backend", broken)
    module._is_installed.cache_clear()
    assert not module._is_installed("torch_cluster")
    module._is_installed.cache_clear()
    with pytest.raises(ImportError, match=r"undefined symbol.*pyg-basis\[cluster\]"):
        module.load_backend("torch_cluster", torch.empty(9, 2), 3)


def test_kernels_hold_a_hundred_neighbours_on_cuda() -> None:
    pytest.importorskip("torch_cluster")

    class OnCuda:
        is_cuda = True

    with pytest.raises(ValueError, match=r"k=95 is too many.*backend='torch'"):
        module.load_backend("torch_cluster", OnCuda(), 95)  # type: ignore[arg-type]
