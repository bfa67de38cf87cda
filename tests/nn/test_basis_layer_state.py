import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pyg_basis import BASiSLayer
from tests.nn.fitted_layer import fitted_layer
from tests.nn.test_basis_layer import (
    LAPLACIANS,
    bits,
    make_layer,
    ready_layer,
    three_blobs,
)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def assert_same(layer: BASiSLayer, expected: BASiSLayer) -> None:
    x = three_blobs(70, seed=5)
    for found, value in zip(bits(layer, x), bits(expected, x), strict=True):
        assert torch.equal(found, value)


# --- files, and other devices


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_saved_whole(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian, alignment="ransac", num_oversamples=2)
    layer.targets(three_blobs(50))  # what is prepared then is not saved
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert_same(again, layer)
    assert repr(again) == repr(layer)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_state_within_another_module(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian)
    fresh = make_layer(laplacian=laplacian, seed=8)
    head = nn.Linear(3, 2)
    state = nn.Sequential(layer, head).state_dict()
    nn.Sequential(fresh, nn.Linear(3, 2)).load_state_dict(state, strict=True)
    assert_same(fresh, layer)


def test_state_for_a_layer_of_another_precision() -> None:
    layer = fitted_layer()
    double = make_layer().double()
    double.load_state_dict(layer.state_dict())
    assert double.anchors.dtype == double.rows.dtype == torch.float64
    assert_same(double, copy.deepcopy(layer).double())
    # And back: nothing was lost on the way.
    single = make_layer()
    single.load_state_dict(double.state_dict())
    assert_same(single, layer)


def on_meta(laplacian: Any) -> BASiSLayer:
    with torch.device("meta"):
        layer = make_layer(laplacian=laplacian)
    # Tests build networks on the CPU.
    return layer.to("meta")


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_meta_layer_knows_its_shapes(laplacian: Any) -> None:
    layer = on_meta(laplacian)
    assert all(value.is_meta for value in layer.state_dict().values())
    embedding = layer(torch.empty(7, 2, device="meta"))
    assert embedding.is_meta and embedding.shape == (7, 3)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("assign", [False, True])
def test_meta_layer_takes_a_state(laplacian: Any, assign: bool) -> None:
    layer = fitted_layer(laplacian=laplacian)
    loaded = on_meta(laplacian)
    if not assign:
        loaded.to_empty(device="cpu")
    loaded.load_state_dict(layer.state_dict(), assign=assign)
    assert_same(loaded, layer)


def test_meta_layer_starts_anew() -> None:
    layer = on_meta("sym").to_empty(device="cpu")
    layer.reset_parameters()
    fresh = make_layer().state_dict()
    for name, value in layer.state_dict().items():
        if name not in dict(layer.named_parameters()):  # which are drawn at random
            assert torch.equal(value, fresh[name]), name
    layer.init_reference(three_blobs(), reference_size=200, seed=3)
    assert torch.equal(layer.reference, ready_layer().reference)


@needs_gpu
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_state_crosses_devices(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian)
    on_device = make_layer(laplacian=laplacian).to("cuda")
    on_device.load_state_dict(layer.state_dict())
    assert all(value.is_cuda for value in on_device.state_dict().values())
    x = three_blobs(70, seed=5)
    torch.testing.assert_close(on_device(x.cuda()).cpu(), layer(x), rtol=0, atol=1e-3)
    back = make_layer(laplacian=laplacian)
    back.load_state_dict(on_device.state_dict())
    assert_same(back, layer)


# --- among other modules, and as a function


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_trains_within_a_sequence(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian)
    model = nn.Sequential(nn.Linear(2, 2), layer, nn.Linear(3, 3))
    x, labels = three_blobs(300, seed=1), torch.arange(300) % 3
    buffers = {name: value.clone() for name, value in layer.named_buffers()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
    assert losses[-1] < 0.1 * losses[0]
    for name, value in layer.named_buffers():
        assert torch.equal(value, buffers[name]), name


def test_functional_call() -> None:
    layer, other = fitted_layer(), fitted_layer(seed=8)
    x = three_blobs(50, seed=1)
    before, expected = layer(x), other(x)
    found = torch.func.functional_call(layer, other.state_dict(), (x,))
    assert torch.equal(found, expected)
    assert torch.equal(layer(x), before) and not torch.equal(before, expected)


def test_gradients_of_a_functional_call() -> None:
    layer, x = fitted_layer(), three_blobs(50, seed=1)
    parameters = dict(layer.named_parameters())

    def total(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, parameters, (x,)).square().sum()

    by_name, of_x = torch.func.grad(total, argnums=(0, 1))(parameters, x)
    x.requires_grad_()
    layer(x).square().sum().backward()
    torch.testing.assert_close(of_x, x.grad)
    for name, parameter in parameters.items():
        torch.testing.assert_close(by_name[name], parameter.grad)


def test_gradient_of_each_point() -> None:
    layer, x = fitted_layer(), three_blobs(50, seed=1)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: layer(row[None])[0]))(x)
    x.requires_grad_()
    embedding = layer(x)
    for k in range(3):
        (expected,) = torch.autograd.grad(embedding[:, k].sum(), x, retain_graph=True)
        torch.testing.assert_close(jacobian[:, k], expected, rtol=1e-3, atol=1e-4)
