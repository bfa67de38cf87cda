"""Layers in files, on other devices, among other modules and as functions."""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from pyg_basis import BASiSLayer
from tests.nn.layers import (
    LAPLACIANS,
    NUM_ANCHORS,
    assert_same,
    assert_same_state,
    fitted_layer,
    make_layer,
    ready_layer,
    three_blobs,
    train,
)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def from_file(value: Any, weights_only: bool) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=weights_only)


# --- state dicts and copies


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_state_dict_restores_everything(laplacian: Any) -> None:
    layer, fresh = (fitted_layer(laplacian=laplacian, seed=seed) for seed in (0, 8))
    # The reference set has another length there.
    fresh.init_reference(three_blobs(seed=4), reference_size=100)
    before = copy.deepcopy(layer)
    fresh.load_state_dict(from_file(layer.state_dict(), weights_only=True))
    assert_same(fresh, layer)
    # What was loaded from is left alone.
    fresh.load_state_dict(layer.state_dict())
    fresh.reset_parameters()
    assert_same(layer, before)


def test_state_dict_holds_the_rows_of_anchors_once() -> None:
    layer = ready_layer()
    reference, state = layer.reference, layer.state_dict()
    assert state["rows"].shape == (200, 2)
    assert torch.equal(state["nodes"].unique(), state["nodes"].sort().values)
    holding = [
        name
        for name, value in state.items()
        if value.shape[1:] == (2,)
        and torch.equal(value[:NUM_ANCHORS], reference.anchor_rows)
    ]
    assert holding == ["rows"]


def test_state_of_another_layer_is_refused() -> None:
    state = ready_layer().state_dict()
    with pytest.raises(RuntimeError, match="size mismatch for rows"):
        make_layer(3).load_state_dict(state)
    del state["nodes"]
    with pytest.raises(RuntimeError, match="nodes"):
        make_layer().load_state_dict(state)


def test_state_for_a_layer_within_another_module() -> None:
    layer, fresh = fitted_layer(), make_layer(seed=8)
    state = nn.Sequential(layer, nn.Linear(2, 2)).state_dict()
    nn.Sequential(fresh, nn.Linear(2, 2)).load_state_dict(state)
    assert_same(fresh, layer)


def test_state_for_a_layer_of_another_precision() -> None:
    layer, double, single = fitted_layer(), make_layer().double(), make_layer()
    double.load_state_dict(layer.state_dict())
    assert double.anchors.dtype == double.rows.dtype == torch.float64
    assert_same(double, copy.deepcopy(layer).double())
    x = three_blobs(50)
    assert double(x).dtype == double.targets(x).y.dtype == torch.float64
    torch.testing.assert_close(double(x).float(), layer(x), rtol=1e-4, atol=1e-4)
    # And back: nothing was lost on the way.
    single.load_state_dict(double.state_dict())
    assert_same(single, layer)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda layer: pickle.loads(pickle.dumps(layer)),
        lambda layer: from_file(layer, weights_only=False),
    ],
)
def test_copies_are_their_own(copied: Any) -> None:
    layer = fitted_layer(alignment="ransac")
    twin, before = copied(layer), copy.deepcopy(layer)
    assert_same(twin, layer)
    twin.reset_parameters()
    assert_same(layer, before)


def test_reset_parameters_forgets_everything() -> None:
    layer = ready_layer(network=None, laplacian="sym")
    train(layer, three_blobs(), num_steps=2, num_new=100)
    layer.read_out(three_blobs())
    trained = copy.deepcopy(layer.state_dict())
    layer.reset_parameters()
    fresh = make_layer(network=None, laplacian="sym").state_dict()
    for name, value in layer.state_dict().items():
        if name in dict(layer.named_parameters()):  # drawn anew
            assert not torch.equal(value, trained[name]), name
        else:
            assert torch.equal(value, fresh[name]), name
    with pytest.raises(RuntimeError, match="init_reference"):
        layer.targets(three_blobs(50))


# --- dtypes and devices


def test_features_of_another_precision() -> None:
    # The layer says in which precision the work is done.
    layer, x = make_layer(), three_blobs(50, seed=1)
    layer.init_reference(three_blobs().double(), reference_size=200, seed=3)
    assert_same_state(layer, ready_layer().state_dict())
    for other in (x.double(), x.bfloat16()):
        assert torch.equal(layer(other), layer(other.float()))
        assert torch.equal(layer.loss(other), layer.loss(other.float()))


def on_meta() -> BASiSLayer:
    with torch.device("meta"):
        layer = make_layer(laplacian="sym")
    # Tests build networks on the CPU.
    return layer.to("meta")


def test_meta_layer_knows_its_shapes() -> None:
    layer = on_meta()
    assert all(value.is_meta for value in layer.state_dict().values())
    embedding = layer(torch.empty(7, 2, device="meta"))
    assert embedding.is_meta and embedding.shape == (7, 2)


@pytest.mark.parametrize("assign", [False, True])
def test_meta_layer_takes_a_state(assign: bool) -> None:
    layer, loaded = fitted_layer(laplacian="sym"), on_meta()
    if not assign:
        loaded.to_empty(device="cpu").reset_parameters()
    loaded.load_state_dict(layer.state_dict(), assign=assign)
    assert_same(loaded, layer)


@needs_gpu
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_cuda(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian)
    on_device, back = (make_layer(laplacian=laplacian) for _ in range(2))
    on_device.to("cuda").load_state_dict(layer.state_dict())
    assert all(value.is_cuda for value in on_device.state_dict().values())
    x = three_blobs(70, seed=5)
    torch.testing.assert_close(on_device(x.cuda()).cpu(), layer(x), rtol=0, atol=1e-3)
    found, expected = on_device.targets(x.cuda()).y, layer.targets(x).y
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-2, atol=1e-2)
    back.load_state_dict(on_device.state_dict())
    assert_same(back, layer)
    on_device.init_reference(three_blobs().cuda(), reference_size=200)
    on_device.loss(x.cuda()).backward()
    on_device.read_out(three_blobs().cuda())
    assert torch.isfinite(on_device(x.cuda())).all()


# --- among other modules, and as a function


def test_trains_within_a_sequence() -> None:
    layer = fitted_layer(laplacian="sym")
    model = nn.Sequential(nn.Linear(2, 2), layer, nn.Linear(2, 3))
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
    layer, other = fitted_layer(laplacian="sym"), fitted_layer(laplacian="sym", seed=8)
    x = three_blobs(50, seed=1)
    found = torch.func.functional_call(layer, other.state_dict(), (x,))
    assert torch.equal(found, other(x))
    assert not torch.equal(layer(x), found)
