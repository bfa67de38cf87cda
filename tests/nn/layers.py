"""Layers, and the points they are fitted to, for the tests of this folder."""

from typing import Any

import torch
from torch import Tensor, nn

from pyg_basis import BASiSLayer

LAPLACIANS = ("rw", "sym", "comb")
NUM_ANCHORS = 60


def random_rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def three_blobs(num_points: int = 400, seed: int = 0) -> Tensor:
    """A triangle of blobs that touch: one component, two slow directions."""
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 3.0]])
    x = random_rows(num_points, 2, seed=seed) * 0.6
    return x + corners[torch.arange(num_points) % 3]


def small_network(num_columns: int = 64, width: int = 2, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(width, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, num_columns),
        )


def make_layer(
    num_columns: int = 2, width: int = 2, seed: int = 0, **kwargs: Any
) -> BASiSLayer:
    settings: dict[str, Any] = {
        "num_anchors": NUM_ANCHORS,
        "num_neighbors": 20,
        "network": small_network(width=width, seed=seed),
    }
    # The output layer is drawn from the global generator, as those of torch are.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BASiSLayer(width, num_columns, **(settings | kwargs))


def ready_layer(num_columns: int = 2, **kwargs: Any) -> BASiSLayer:
    """A layer with a reference."""
    layer = make_layer(num_columns, **kwargs)
    layer.init_reference(three_blobs(), reference_size=200, seed=3)
    return layer


def fitted_layer(**kwargs: Any) -> BASiSLayer:
    """A layer in which nothing is left at its default."""
    layer = ready_layer(**kwargs)
    layer.read_out(three_blobs())
    return layer


def train(layer: BASiSLayer, x: Tensor, num_steps: int, num_new: int) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randperm(len(x), generator=generator)[:num_new] for _ in range(20)]
    batches = [layer.targets(x[drawn]) for drawn in draws]
    optimizer = torch.optim.Adam(layer.parameters(), lr=3e-3)
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / num_steps)
        optimizer.zero_grad()
        layer.loss(batches[step % len(batches)]).backward()
        optimizer.step()


@torch.no_grad()
def assert_same(layer: BASiSLayer, expected: BASiSLayer) -> None:
    """Both give the same bits."""
    x = three_blobs(70, seed=5).to(layer.anchors.dtype)
    assert torch.equal(layer(x), expected(x))
    assert torch.equal(layer.targets(x).y, expected.targets(x).y)
    assert torch.equal(layer.loss(x), expected.loss(x))
    assert torch.equal(layer.output.eigenvalues, expected.output.eigenvalues)


def assert_same_state(layer: BASiSLayer, state: dict[str, Tensor]) -> None:
    found = layer.state_dict()
    assert found.keys() == state.keys()
    for name, value in found.items():
        assert torch.equal(value, state[name]), name
