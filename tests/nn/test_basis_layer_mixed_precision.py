"""Autocast, and layers in low precision."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.nn.layers import (
    LAPLACIANS,
    NUM_ANCHORS,
    assert_same_state,
    fitted_layer,
    make_layer,
    random_rows,
    ready_layer,
    three_blobs,
)

LOW = [torch.bfloat16, torch.float16]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float(((found - expected).norm() / expected.norm()).detach())


# --- under autocast


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("device", DEVICES)
@torch.no_grad()
def test_forward_lowers_the_network_alone(device: str, laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian).to(device)
    x = three_blobs(100, seed=1).to(device)
    kernels = layer.hidden(x)[:, :NUM_ANCHORS]
    with torch.autocast(device, dtype=torch.bfloat16):
        found = layer(x)
        hidden = layer.network(layer.standardization(x))
    assert found.dtype == torch.float32 and hidden.dtype == torch.bfloat16
    assert 1e-4 < relative_error(found, layer(x)) < 3e-2
    rows = layer.output(kernels, hidden.float())
    if laplacian == "sym":
        rows = rows * layer.root_degree(x)[:, None]
    assert torch.equal(found, rows)


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("device", DEVICES)
def test_targets_are_those_of_full_precision(device: str, low: torch.dtype) -> None:
    layer = ready_layer().to(device)
    x = three_blobs(100, seed=1).to(device)
    expected = layer.targets(x)
    with torch.autocast(device, dtype=low):
        found = layer.targets(x)
        # Features that come out of a network under autocast.
        low_features = layer.targets(x.to(low)).y
    for key in ("x", "y", "eigenvalues", "degree"):
        assert torch.equal(found[key], expected[key]), key
    assert torch.equal(low_features, layer.targets(x.to(low).float()).y)


@pytest.mark.parametrize("alignment", ["moments", "lstsq", "ransac"])
@pytest.mark.parametrize("laplacian", ["rw", "sym"])
def test_fits_are_those_of_full_precision(laplacian: Any, alignment: Any) -> None:
    moved = three_blobs() + 0.05 * random_rows(400, 2, seed=1)
    expected, found = make_layer(laplacian=laplacian), make_layer(laplacian=laplacian)
    for layer, enabled in ((expected, False), (found, True)):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            layer.init_reference(three_blobs(), reference_size=200, seed=3)
            layer.update_reference(moved, alignment, momentum=0.5)
            layer.fit_degree(moved)
            layer.read_out(moved)
    assert_same_state(found, expected.state_dict())


def test_gradients_are_close_to_those_of_full_precision() -> None:
    layer = ready_layer()
    x = three_blobs(100, seed=1).requires_grad_()
    inputs = [x, *layer.parameters()]
    expected = torch.autograd.grad(layer.loss(x), inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = layer.loss(x)
    assert loss.dtype == torch.float32
    for found, exact in zip(torch.autograd.grad(loss, inputs), expected, strict=True):
        assert found.dtype == torch.float32
        assert relative_error(found, exact) < 0.05


# --- converted layers


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize(
    "method",
    [
        "forward",
        "targets",
        "loss",
        "read_out",
        "init_reference",
        "update_reference",
        "fit_degree",
    ],
)
def test_a_layer_in_low_precision_is_refused(method: str, low: torch.dtype) -> None:
    layer = fitted_layer(laplacian="sym").to(low)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(RuntimeError, match=rf"{low}.*keep it in float32.*autocast"):
        getattr(layer, method)(three_blobs().to(low))
    assert_same_state(layer, before)
