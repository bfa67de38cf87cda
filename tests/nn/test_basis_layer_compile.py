import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_basis import BASiSLayer
from tests.nn.layers import fitted_layer, ready_layer, three_blobs

# Traces as the default backend does, but needs no C++ compiler.
AOT_EAGER: dict[str, Any] = {"backend": "aot_eager", "fullgraph": True, "dynamic": True}
# What the default backend builds its kernels with; CI machines may lack them.
HAS_COMPILER = (
    shutil.which(os.environ.get("CXX", "g++")) is not None
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def gradients(module: Any, layer: BASiSLayer, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    total = module(x).square().sum()
    return list(torch.autograd.grad(total, [x, *layer.parameters()]))


@pytest.mark.parametrize("laplacian", ["rw", "sym"])
def test_one_graph_for_any_number_of_nodes(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian)
    compiled = torch.compile(layer, **AOT_EAGER)
    # Gradients at the centers of the degrees, too, at the distance 0 from themselves.
    x = three_blobs()
    for found, expected in zip(
        gradients(compiled, layer, x), gradients(layer, layer, x), strict=True
    ):
        assert torch.isfinite(found).all()
        # Compiled, kernels have more digits.
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    compiled(three_blobs(40))
    with torch.compiler.set_stance("fail_on_recompile"):
        for num_nodes in (2, 3, 25, 26, 1000):
            x = three_blobs(num_nodes, seed=1)
            torch.testing.assert_close(compiled(x), layer(x))
    for num_nodes in (1, 0):  # what torch always compiles apart
        x = three_blobs(num_nodes, seed=1)
        torch.testing.assert_close(compiled(x), layer(x))


def test_follows_what_is_fitted_later() -> None:
    layer, x = fitted_layer(), three_blobs(50, seed=1)
    compiled = torch.compile(layer, **AOT_EAGER)
    before = compiled(x)
    with torch.compiler.set_stance("fail_on_recompile"):
        layer.init_reference(three_blobs(seed=7) + 1, reference_size=150)
        layer.read_out(three_blobs(seed=7))
        torch.testing.assert_close(compiled(x), layer(x))
        assert not torch.allclose(compiled(x), before, atol=1e-2)
        layer.load_state_dict(fitted_layer().state_dict())
        torch.testing.assert_close(compiled(x), before)


def test_training_step_of_any_batch_size() -> None:
    layer = ready_layer()
    step = torch.compile(layer.loss, backend="aot_eager", dynamic=True)
    step(three_blobs(50))
    step(layer.targets(three_blobs(50)))
    # The search and the eigensolve are left as they are: tracing them would end in
    # new graphs for every batch.
    with torch.compiler.set_stance("fail_on_recompile"):
        for num_new in (60, 70):
            x = three_blobs(num_new, seed=num_new)
            torch.testing.assert_close(step(x), layer.loss(x))
            torch.testing.assert_close(step(layer.targets(x)), layer.loss(x))


def test_update_of_the_reference_within_compiled_code() -> None:
    layer, twin = ready_layer(), ready_layer()

    @torch.compile(backend="aot_eager", dynamic=True)
    def step(layer: BASiSLayer, x: Tensor) -> Tensor:
        movement = layer.update_reference(x * 1.01)
        return movement.change + layer.loss(x[:100])

    for seed in (1, 2):
        moved = three_blobs() + 0.01 * three_blobs(seed=seed)
        change = twin.update_reference(moved * 1.01).change
        expected = change + twin.loss(moved[:100])
        torch.testing.assert_close(step(layer, moved), expected)


def test_under_autocast() -> None:
    layer, x = fitted_layer(), three_blobs(100, seed=1)
    compiled = torch.compile(layer, **AOT_EAGER)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = layer(x), compiled(x)
    assert found.dtype == torch.float32
    # The compiler may add up in another order before it rounds to bfloat16.
    assert float((found - expected).norm() / expected.norm()) < 1e-2
    torch.testing.assert_close(compiled(x), layer(x))


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="the default backend compiles C++")
def test_default_backend() -> None:
    layer = fitted_layer(laplacian="sym")
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for num_nodes in (40, 3, 500):
        x = three_blobs(num_nodes, seed=1)
        torch.testing.assert_close(compiled(x), layer(x), rtol=1e-4, atol=1e-5)
    for found, expected in zip(
        gradients(compiled, layer, x), gradients(layer, layer, x), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
