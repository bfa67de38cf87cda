import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pyg_basis import BASiSLayer
from pyg_basis.nn.gaussian_kernels import gaussian_kernels
from tests.nn.fitted_layer import fitted_layer
from tests.nn.test_basis_layer import (
    LAPLACIANS,
    make_layer,
    random_rows,
    ready_layer,
    three_blobs,
    train,
)

LOW = [torch.bfloat16, torch.float16]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float(((found - expected).norm() / expected.norm()).detach())


def assert_same_state(layer: BASiSLayer, other: BASiSLayer) -> None:
    state = other.state_dict()
    for name, value in layer.state_dict().items():
        assert torch.equal(value, state[name]), name


def lowered(layer: BASiSLayer, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        return layer(x)


# --- under autocast


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("device", DEVICES)
@torch.no_grad()
def test_forward_lowers_the_network_alone(device: str, laplacian: Any) -> None:
    layer = ready_layer(laplacian=laplacian)
    with torch.enable_grad():
        train(layer, three_blobs(), num_steps=100, num_new=100)
    layer = layer.to(device)
    x = three_blobs(100, seed=1).to(device)
    assert 1e-4 < relative_error(lowered(layer, x), layer(x)) < 1e-2
    # Ritz vectors draw on directions of little variance as well, which hold more of
    # the rounding.
    layer.rayleigh_ritz(three_blobs().to(device))
    found = lowered(layer, x)
    assert found.dtype == torch.float32
    assert 1e-4 < relative_error(found, layer(x)) < 3e-2
    with torch.autocast(device, dtype=torch.bfloat16):
        hidden = layer.network(layer.standardization(x))
    assert hidden.dtype == torch.bfloat16
    kernels = gaussian_kernels(x, layer.anchors, layer.bandwidths)
    rows = layer.readout(kernels, hidden.float())
    if laplacian == "sym":
        rows = rows * layer.degree(x)[:, None]
    assert torch.equal(found, rows)


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_targets_are_those_of_full_precision(
    laplacian: Any, device: str, low: torch.dtype
) -> None:
    layer = ready_layer(laplacian=laplacian).to(device)
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
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_fits_are_those_of_full_precision(laplacian: Any, alignment: Any) -> None:
    moved = three_blobs() + 0.05 * random_rows(400, 2, seed=1)
    expected, found = make_layer(laplacian=laplacian), make_layer(laplacian=laplacian)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found.init_reference(three_blobs(), reference_size=200, seed=3)
        lowered = found.update_reference(moved, alignment, momentum=0.5)
        found.fit_degree(moved)
    expected.init_reference(three_blobs(), reference_size=200, seed=3)
    movement = expected.update_reference(moved, alignment, momentum=0.5)
    expected.fit_degree(moved)
    assert torch.equal(lowered.change, movement.change)
    assert_same_state(found, expected)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_rayleigh_ritz_is_that_of_full_precision(laplacian: Any) -> None:
    expected, found = (ready_layer(laplacian=laplacian) for _ in range(2))
    expected.rayleigh_ritz(three_blobs())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found.rayleigh_ritz(three_blobs())
    assert_same_state(found, expected)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_gradients_are_close_to_those_of_full_precision(laplacian: Any) -> None:
    layer = ready_layer(laplacian=laplacian)
    x = three_blobs(100, seed=1).requires_grad_()
    inputs = [x, *layer.parameters()]
    expected = torch.autograd.grad(layer.loss(x), inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = layer.loss(x)
    assert loss.dtype == torch.float32
    for found, exact in zip(torch.autograd.grad(loss, inputs), expected, strict=True):
        assert found.dtype == torch.float32
        assert relative_error(found, exact) < 0.05


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_training_comes_as_far(laplacian: Any) -> None:
    layer, twin = ready_layer(laplacian=laplacian), ready_layer(laplacian=laplacian)
    batch = layer.targets(three_blobs(100, seed=1))
    before = float(layer.loss(batch).detach())
    train(twin, three_blobs(), num_steps=150, num_new=100)
    # One region for all steps must not remember the weights of the first.
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        train(layer, three_blobs(), num_steps=150, num_new=100)
    full, lowered = (float(m.loss(batch).detach()) for m in (twin, layer))
    assert full < 0.1 * before
    assert lowered == pytest.approx(full, rel=0.1)


def test_behind_an_encoder_under_autocast() -> None:
    layer, encoder = fitted_layer(), nn.Linear(2, 2)
    x = three_blobs(100, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = encoder(x)
        assert features.dtype == torch.bfloat16
        loss = layer.loss(features) + layer(features).square().mean()
    loss.backward()
    for parameter in [*encoder.parameters(), *layer.parameters()]:
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all()


def test_compiled() -> None:
    layer, x = fitted_layer(), three_blobs(100, seed=1)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = layer(x), compiled(x)
    assert found.dtype == torch.float32
    # The compiler may add up in another order before it rounds to bfloat16.
    assert relative_error(found, expected) < 1e-2
    torch.testing.assert_close(compiled(x), layer(x))


# --- converted layers


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize(
    "method",
    [
        "forward",
        "targets",
        "loss",
        "rayleigh_ritz",
        "init_reference",
        "update_reference",
        "fit_degree",
    ],
)
def test_a_layer_in_low_precision_is_refused(method: str, low: torch.dtype) -> None:
    layer = fitted_layer().to(low)
    before = copy.deepcopy(layer)
    with pytest.raises(RuntimeError, match=rf"{low}.*keep it in float32.*autocast"):
        getattr(layer, method)(three_blobs().to(low))
    assert_same_state(layer, before)


@pytest.mark.parametrize("low", LOW)
def test_features_in_low_precision(low: torch.dtype) -> None:
    layer, x = fitted_layer(), three_blobs(100, seed=1).to(low)
    assert layer(x).dtype == torch.float32
    assert torch.equal(layer(x), layer(x.float()))
    assert torch.equal(layer.loss(x), layer.loss(x.float()))


def test_a_layer_in_double_precision() -> None:
    layer, x = fitted_layer(), three_blobs(100, seed=1)
    single = layer(x)
    double = layer.double()(x)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-4)
