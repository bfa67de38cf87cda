"""What the layer computes, and what it refuses."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSLayer
from pyg_basis.data import AnchorLoader
from pyg_basis.datasets import two_moons
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding
from tests.nn.layers import (
    LAPLACIANS,
    NUM_ANCHORS,
    assert_same_state,
    fitted_layer,
    make_layer,
    random_rows,
    ready_layer,
    three_blobs,
    train,
)

# --- forward


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_formula(laplacian: Any) -> None:
    layer, x = fitted_layer(laplacian=laplacian), three_blobs(30, seed=1)
    features = (x - three_blobs().mean(dim=0)) / layer.standardization.scale
    distance = (x[:, None] - layer.anchors).norm(dim=2)
    kernels = (-((distance / layer.bandwidths) ** 2)).exp()
    expected = layer.network(features) @ layer.output.weight.T + layer.output.bias
    expected = expected + kernels @ layer.output.earlier.T
    if laplacian == "sym":
        expected = expected * layer.root_degree(x)[:, None]
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_rows_do_not_depend_on_the_other_nodes(laplacian: Any) -> None:
    layer = fitted_layer(laplacian=laplacian).double()
    x = three_blobs(50).double()
    alone = torch.cat([layer(row.unsqueeze(0)) for row in x])
    torch.testing.assert_close(layer(x), alone, rtol=1e-9, atol=1e-9)
    assert layer(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("origin", [0.0, 100.0])
def test_kernels_are_those_of_the_anchors_wherever_the_origin_is(origin: float) -> None:
    layer = make_layer()
    layer.init_reference(three_blobs() + origin, reference_size=200)
    x = three_blobs(30, seed=1) + origin
    # The bandwidth is the distance to the 20th anchor from this one.
    between = torch.cdist(layer.anchors.double(), layer.anchors.double())
    bandwidths = between.sort(dim=1).values[:, 20]
    distance = torch.cdist(x.double(), layer.anchors.double())
    expected = (-((distance / bandwidths) ** 2)).exp().float()
    kernels = layer.hidden(x)[:, :NUM_ANCHORS]
    torch.testing.assert_close(kernels, expected, rtol=0, atol=2e-4 if origin else 1e-5)
    # Far out they are zero, and the rows finite.
    far = torch.tensor([[1e3, 0.0], [1e18, -1e18]])
    assert not layer.hidden(far)[:, :NUM_ANCHORS].any()
    assert torch.isfinite(layer(far)).all()


# --- networks


class TwoLayers(nn.Module):
    """Gives the outputs of both of its layers."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(2, 24), nn.Linear(24, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.first(x).relu()
        return first, self.last(first).relu()


def test_the_last_of_several_layers_is_regressed_and_all_are_read_out() -> None:
    layer = ready_layer(network=TwoLayers())
    x = three_blobs(30, seed=1)
    first, last = layer.network(layer.standardization(x))
    assert torch.equal(layer.hidden(x)[:, NUM_ANCHORS:], torch.cat([first, last], 1))
    before = last @ layer.output.weight.T + layer.output.bias
    torch.testing.assert_close(layer(x), before)
    layer.read_out(three_blobs())
    assert layer.output.earlier[:, NUM_ANCHORS:].any()
    weight = torch.cat([layer.output.earlier, layer.output.weight], dim=1)
    after = layer.hidden(x) @ weight.T + layer.output.bias
    torch.testing.assert_close(layer(x), after)


def test_default_network_has_the_published_widths() -> None:
    layer = BASiSLayer(7, 4)
    widths = [tuple(p.shape) for p in layer.parameters() if p.dim() == 2]
    assert widths == [(256, 7), (512, 256), (512, 512), (256, 512), (4, 256)]
    assert layer.hidden(random_rows(5, 7)).shape == (5, 250 + 256 + 512 + 512 + 256)


class Given(nn.Module):
    """A network that is a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x, self.training)


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda x, _: x.unsqueeze(1), r"\(2, 1, 2\)"),
        (lambda x, _: x.mean(dim=0, keepdim=True), r"\(1, 2\)"),
        (lambda x, _: (x, x[:, 0]), r"\(2,\)"),
        (lambda x, _: [x, x], "list"),
    ],
)
def test_a_network_that_gives_no_hidden_features(function: Any, given: str) -> None:
    match = rf"network gives {given} for 2 nodes of 2 features.*\[2, h\]"
    with pytest.raises(ValueError, match=match):
        make_layer(network=Given(function))


def test_a_network_whose_width_changes() -> None:
    widened = Given(lambda x, training: torch.cat([x, x], 1) if training else x)
    layer = ready_layer(network=widened)
    with pytest.raises(ValueError, match=r"network gives .*4\)\].*2\)\].*not change"):
        layer(three_blobs(100))


def test_a_network_is_left_in_its_modes() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout())
    network[1].eval()  # frozen
    before = copy.deepcopy(network.state_dict())
    layer = ready_layer(network=network)
    layer.read_out(three_blobs())
    assert [part.training for part in network] == [True, False, True]
    assert layer.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    wrong = nn.Linear(3, 4)
    with pytest.raises(RuntimeError):
        make_layer(network=wrong)
    assert wrong.training


# --- targets and loss: Algorithm 1


def test_loss_is_the_mean_over_nodes_and_columns() -> None:
    # The regression is of the rows before they are multiplied by degrees.
    layer = ready_layer(laplacian="sym")
    for batch in AnchorLoader(three_blobs(300), layer.reference, 100, num_batches=2):
        hidden = layer.network(layer.standardization(batch.x))
        rows = F.linear(hidden, layer.output.weight, layer.output.bias)
        expected = (rows - batch.y).square().sum() / (100 * 2)
        torch.testing.assert_close(layer.loss(batch), expected)
        assert torch.equal(layer.loss(batch), layer.loss(batch.x[60:]))


@pytest.mark.parametrize("y", [None, torch.zeros(9, 2), torch.zeros(10, 3)])
def test_a_batch_without_targets_of_its_nodes(y: Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"x\.y must be targets of shape \(10, 2\)"):
        ready_layer().loss(Data(x=three_blobs(10), y=y))


def test_gradients_reach_x_through_the_network_only() -> None:
    layer = ready_layer()
    new = three_blobs(50, seed=1).requires_grad_()
    batch = layer.targets(new)
    assert not batch.y.requires_grad
    layer.loss(new).backward()
    again = new.detach().clone().requires_grad_()
    hidden = layer.network(layer.standardization(again))
    rows = F.linear(hidden, layer.output.weight, layer.output.bias)
    ((rows - batch.y[60:]).square().sum() / (110 * 2)).backward()
    torch.testing.assert_close(new.grad, again.grad)
    assert again.grad.norm() > 0


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_learns_the_eigenvectors(laplacian: Any) -> None:
    x, new = three_blobs(), three_blobs(seed=9)
    layer = make_layer(laplacian=laplacian)
    layer.init_reference(x, reference_size=300)
    embedding = ExactEmbedding(2, 20, laplacian=laplacian)
    exact = embedding(x).vectors
    assert grassmann_distance(layer(x).detach(), exact) > 0.2
    train(layer, x, num_steps=400, num_new=300)
    assert grassmann_distance(layer(x).detach(), exact) < 0.02
    # New points of the same blobs: close to the eigenvectors of their own graph.
    assert grassmann_distance(layer(new).detach(), embedding(new).vectors) < 0.1


def test_a_layer_that_was_fitted_to_a_graph_has_a_reference() -> None:
    x = two_moons(400)[0].float()
    graph = affinity(knn_graph(x, 10))
    graph.x = x
    model = BASiS(2, n_anchors=30, n_neighbors=10, max_iter=10, random_state=0)
    layer = model.fit(graph).layer_
    new = x[:100].clone().requires_grad_()
    loss = layer.loss(new)
    loss.backward()
    gradients = [new.grad, *(parameter.grad for parameter in layer.parameters())]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert new.grad.any()
    # What it learned is the embedding of the graph, so the loss starts low.
    assert float(loss.detach()) < 0.5


# --- seeds


def test_init_reference_depends_on_its_seed_alone() -> None:
    layer, other = make_layer(), make_layer()
    layer.init_reference(three_blobs(300, seed=4) + 7, reference_size=100)
    layer.init_reference(three_blobs(), reference_size=200, seed=3)
    assert_same_state(layer, ready_layer().state_dict())
    other.init_reference(three_blobs(), reference_size=200, seed=2)
    assert not torch.equal(layer.anchors, other.anchors)


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators() -> None:
    layer = fitted_layer(alignment="ransac", laplacian="sym")
    layer.loss(three_blobs(50))
    layer.update_reference(three_blobs())


# --- ordinary, if unusual, points


def unusual_points(name: str) -> Tensor:
    x = three_blobs(120)
    if name == "duplicates":
        return x[:12].repeat(10, 1)
    if name == "constant":
        return torch.ones(120, 2)
    if name == "constant feature":
        return torch.stack([x[:, 0], torch.full((120,), 3.0)], dim=1)
    if name == "far point":
        return torch.cat([x[:-1], torch.tensor([[1e6, -1e6]])])
    return x + 1e3 * (torch.arange(120) % 8)[:, None]  # disconnected


@pytest.mark.parametrize(
    "name",
    ["duplicates", "constant", "constant feature", "far point", "disconnected"],
)
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_unusual_points_stay_finite(name: str, laplacian: Any) -> None:
    x = unusual_points(name)
    layer = make_layer(laplacian=laplacian, num_neighbors=5)
    layer.init_reference(x, reference_size=100)
    loss = layer.loss(x[:50])
    loss.backward()
    assert torch.isfinite(loss)
    if name == "constant":  # what rounding makes of the features is no direction
        with pytest.warns(UserWarning, match="span the num_eigenvectors=2 directions"):
            layer.read_out(x)
        assert layer(x + 1e-3).abs().max() < 100
    else:
        layer.read_out(x)
        assert layer.output.eigenvalues[:2].isfinite().all()
    assert torch.isfinite(layer(x)).all()
    state = layer.state_dict()
    # They are infinite where there is no further direction.
    assert not state.pop("output.eigenvalues").isnan().any()
    assert all(torch.isfinite(value).all() for value in state.values())


# --- features that move: Algorithm 2


def test_update_keeps_targets_in_their_basis() -> None:
    layer = ready_layer()
    x, new = three_blobs(), three_blobs(100, seed=1)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    before = layer.targets(new).y
    movement = layer.update_reference(x @ turn + 5)
    assert float(movement.change) < 1e-3 and movement.num_lost == 0
    after = layer.targets(new @ turn + 5).y
    torch.testing.assert_close(after, before, atol=1e-2, rtol=0)
    assert torch.equal(layer.anchors, (x @ turn + 5)[layer.nodes[:60]])
    torch.testing.assert_close(layer.standardization.mean, (x @ turn + 5).mean(dim=0))


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.update_reference(three_blobs() + 1),
        lambda layer: layer.load_state_dict(make_layer().state_dict()),
        lambda layer: layer.reset_parameters(),
    ],
)
def test_a_reference_that_was_taken_stays_as_it_was(change: Any) -> None:
    # A loader works with it.
    layer = ready_layer()
    reference = layer.reference
    anchors, rows = reference.anchors.clone(), reference.rows.clone()
    change(layer)
    assert torch.equal(reference.anchors, anchors)
    assert torch.equal(reference.rows, rows)


def test_degrees_are_learned_anew_on_demand() -> None:
    layer, fresh = ready_layer(laplacian="sym"), make_layer(laplacian="sym")
    moved = three_blobs() * torch.tensor([1.0, 3.0])
    before = layer.root_degree.coefficients.clone()
    layer.update_reference(moved)
    assert torch.equal(layer.root_degree.coefficients, before)
    layer.fit_degree(moved, seed=3)
    fresh.init_reference(moved, reference_size=200, seed=3)
    assert torch.equal(layer.root_degree.coefficients, fresh.root_degree.coefficients)


def test_updates_go_on_bit_by_bit_from_a_state_dict() -> None:
    whole, resumed = ready_layer(), make_layer()
    whole.update_reference(three_blobs() + 0.1 * random_rows(400, 2, seed=1))
    resumed.load_state_dict(whole.state_dict())
    for layer in (whole, resumed):
        layer.update_reference(three_blobs() + 0.1 * random_rows(400, 2, seed=2))
    assert_same_state(resumed, whole.state_dict())


# --- bad input


def test_without_a_reference() -> None:
    layer, x = make_layer(), three_blobs(50)
    for call in (
        lambda: layer.reference,
        lambda: layer.targets(x),
        lambda: layer.loss(x),
        lambda: layer.update_reference(x),
    ):
        with pytest.raises(RuntimeError, match=r"init_reference\(x\).*load_state_dict"):
            call()


@pytest.mark.parametrize(
    "method", ["forward", "loss", "init_reference", "update_reference", "read_out"]
)
@pytest.mark.parametrize("shape", [(100, 3), (100,), (4, 100, 2)])
def test_wrong_width(method: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x has shape .*\[nodes, 2\]"):
        getattr(ready_layer(), method)(random_rows(*shape))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"num_columns": 0}, "num_eigenvectors.*Got 0"),
        ({"num_columns": "2"}, "num_eigenvectors.*Got '2'"),
        ({"network": nn.Linear}, "network.*Got <class"),
        ({"extend_degree": None}, "extend_degree.*Got None"),
        ({"num_anchors": 2}, "num_anchors=2 .*at least 3"),
        ({"alignment": "best"}, "alignment.*'lstsq'.*Got 'best'"),
        ({"laplacian": "signless"}, "laplacian.*Got 'signless'"),
        ({"bandwidth": "wide"}, "bandwidth.*Got 'wide'"),
        ({"num_neighbors": 0}, "num_neighbors.*Got 0"),
    ],
)
def test_bad_settings(settings: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_layer(**settings)


def test_a_generator_of_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    # It is not ignored: the weights would be others each time.
    monkeypatch.setattr(torch, "get_default_device", lambda: torch.device("cuda"))
    with pytest.raises(ValueError, match=r"generator is on cpu.*Generator\('cuda'\)"):
        BASiSLayer(2, 2, generator=torch.Generator())


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (three_blobs(), {"reference_size": 60}, "larger reference_size"),
        (three_blobs(), {"anchor_index": torch.arange(3)}, "num_anchors=60.*got 3"),
        (three_blobs(), {"anchor_index": torch.rand(60)}, "anchor_index.*float32"),
        (three_blobs(), {"anchor_index": list(range(60))}, "anchor_index.*Got"),
        (three_blobs(), {"reference_size": None}, "reference_size.*Got None"),
        (three_blobs(), {"seed": -1}, "seed.*Got -1"),
        (three_blobs().to_sparse(), {}, "x must be a dense tensor.*sparse_coo"),
        (three_blobs().numpy(), {}, "x must be a dense tensor.*ndarray"),
        (three_blobs().to(torch.complex64), {}, "real numbers.*complex64"),
        (three_blobs() / 0, {}, "finite"),
    ],
)
def test_bad_samples_for_a_reference(x: Tensor, settings: Any, match: str) -> None:
    layer = make_layer()
    with pytest.raises(ValueError, match=match):
        layer.init_reference(x, **settings)
    assert not layer.is_initialized


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (three_blobs(399), {}, "made of 400 nodes"),
        (three_blobs() / 0, {}, "finite"),
        (three_blobs(), {"alignment": "best"}, "alignment.*'moments'.*Got 'best'"),
        (three_blobs(), {"momentum": 2.0}, r"momentum.*Got 2\.0"),
        (three_blobs(), {"momentum": "half"}, "momentum.*Got 'half'"),
    ],
)
def test_bad_updates_change_nothing(x: Tensor, settings: Any, match: str) -> None:
    layer = ready_layer()
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=match):
        layer.update_reference(x, **settings)
    assert_same_state(layer, before)
