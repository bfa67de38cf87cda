import copy
import io
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiSLayer
from pyg_basis.align import RANSAC
from pyg_basis.eigen.filter_window import MOST_GUARDS
from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.loader import AnchorLoader, ExactEmbedding
from pyg_basis.metrics import grassmann_distance
from pyg_basis.nn.rayleigh_ritz import MOST_DIRECTIONS

LAPLACIANS = ("sym", "rw", "comb")


def random_rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def three_blobs(num_points: int = 400, seed: int = 0) -> Tensor:
    """A triangle of blobs that touch: one component, three slow directions."""
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
    num_columns: int = 3, width: int = 2, seed: int = 0, **kwargs: Any
) -> BASiSLayer:
    settings: dict[str, Any] = {
        "num_anchors": 60,
        "num_neighbors": 20,
        "network": small_network(width=width, seed=seed),
    }
    # The output layer is drawn from the global generator, as those of torch are.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BASiSLayer(width, num_columns, **(settings | kwargs))


def ready_layer(num_columns: int = 3, **kwargs: Any) -> BASiSLayer:
    layer = make_layer(num_columns, **kwargs)
    layer.init_reference(three_blobs(), reference_size=200, seed=3)
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


def bits(layer: BASiSLayer, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return [layer(x), layer.targets(x).y, layer.loss(x)]


# --- forward


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("num_nodes", [0, 1, 2, 1000])
def test_forward_of_any_number_of_nodes(laplacian: Any, num_nodes: int) -> None:
    layer = ready_layer(laplacian=laplacian)
    embedding = layer(random_rows(num_nodes, 2))
    assert embedding.shape == (num_nodes, 3)
    assert embedding.dtype == torch.float32
    assert torch.isfinite(embedding).all()


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_forward_of_a_point_does_not_depend_on_the_others(laplacian: Any) -> None:
    layer = ready_layer(laplacian=laplacian).double()
    x = three_blobs(50).double()
    layer.rayleigh_ritz(x)
    together = layer(x)
    alone = torch.cat([layer(row.unsqueeze(0)) for row in x])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_forward_formula(laplacian: Any) -> None:
    x = three_blobs(30, seed=1)
    layer = ready_layer(laplacian=laplacian)
    layer.rayleigh_ritz(three_blobs())
    hidden = layer.network(
        (x - three_blobs().mean(dim=0)) / layer.standardization.scale
    )
    distance = (x[:, None] - layer.anchors).norm(dim=2)
    kernels = (-((distance / layer.bandwidths) ** 2)).exp()
    expected = hidden @ layer.readout.weight.T + layer.readout.bias
    expected = expected + kernels @ layer.readout.earlier.T
    if laplacian == "sym":
        expected = expected * layer.degree(x)[:, None]
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


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
    layer = ready_layer(laplacian="rw", network=TwoLayers())
    x = three_blobs(30, seed=1)
    first, last = layer.network(layer.standardization(x))
    assert torch.equal(layer.hidden(x)[:, 60:], torch.cat([first, last], dim=1))
    before = last @ layer.readout.weight.T + layer.readout.bias
    torch.testing.assert_close(layer(x), before)
    layer.rayleigh_ritz(three_blobs())
    assert layer.readout.earlier.shape == (3, 60 + 24) and layer.readout.earlier.any()
    after = (
        layer.hidden(x)
        @ torch.cat([layer.readout.earlier, layer.readout.weight], dim=1).T
    )
    torch.testing.assert_close(layer(x), after + layer.readout.bias)


def test_a_feature_that_hardly_any_node_has() -> None:
    x = F.pad(three_blobs(), (0, 1))
    x[0, 2] = 1e-4
    layer = make_layer(width=3)
    layer.init_reference(x, reference_size=200, seed=3)
    train(layer, x, num_steps=100, num_new=100)
    new = F.pad(three_blobs(100, seed=1), (0, 1))
    new[:5, 2] = 0.1  # little beside the blobs, but 20,000 standard deviations
    assert layer.loss(new).item() < 0.5  # without the logarithm 7,500


def test_default_network_has_five_linear_layers() -> None:
    layer = BASiSLayer(7, 4)
    widths = [tuple(p.shape) for p in layer.parameters() if p.dim() == 2]
    assert widths == [(256, 7), (512, 256), (512, 512), (256, 512), (4, 256)]
    assert layer.hidden(random_rows(5, 7)).shape == (5, 250 + 256 + 512 + 512 + 256)


def test_an_empty_network_is_the_identity() -> None:
    # An empty nn.Sequential is false in a condition, and a network all the same.
    layer = make_layer(2, network=nn.Sequential())
    x = random_rows(5, 2)
    assert torch.equal(layer.hidden(x)[:, 60:], x)
    assert not layer.hidden(x)[:, :60].any()  # no kernels without anchors


def test_custom_network_is_used() -> None:
    network = small_network(5)
    layer = make_layer(network=network)
    assert layer.network is network
    assert list(layer.parameters()) == [
        *network.parameters(),
        layer.readout.weight,
        layer.readout.bias,
    ]
    assert layer.readout.weight.shape == (3, 5)


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
        (lambda x, _: x[:, 0], r"\(2,\)"),
        (lambda x, _: x.unsqueeze(1), r"\(2, 1, 2\)"),
        (lambda x, _: x.mean(dim=0, keepdim=True), r"\(1, 2\)"),
        (lambda x, _: (x, x[:, 0]), r"\(2,\)"),
        (lambda x, _: [x, x], "list"),
        (lambda x, _: None, "NoneType"),
    ],
)
def test_custom_network_that_gives_no_hidden_features(
    function: Any, given: str
) -> None:
    match = rf"network gives {given} for 2 nodes of 2 features.*\[2, h\]"
    with pytest.raises(ValueError, match=match):
        make_layer(network=Given(function))


@pytest.mark.parametrize("method", ["forward", "loss"])  # a read-out evaluates
def test_custom_network_whose_width_changes(method: str) -> None:
    widened = Given(lambda x, training: torch.cat([x, x], 1) if training else x)
    layer = ready_layer(network=widened)
    with pytest.raises(
        ValueError, match=r"network gives shapes \[\(\d+, 4\)\].*, 2\)\]"
    ):
        getattr(layer, method)(three_blobs(100))


def test_the_pass_of_a_new_network_leaves_no_trace() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout())
    before = copy.deepcopy(network.state_dict())
    make_layer(network=network)
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    make_layer(network=network.eval())
    assert not any(module.training for module in network.modules())


def test_the_pass_of_a_new_network_leaves_frozen_parts_frozen() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
    network[1].eval()
    make_layer(network=network)
    assert network.training and not network[1].training


def test_a_network_that_fails_stays_in_training() -> None:
    network = nn.Linear(3, 4)
    with pytest.raises(RuntimeError):
        make_layer(network=network)
    assert network.training


# --- targets and loss: Algorithm 1


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("drop_trivial", [False, True])
def test_reference_is_the_exact_embedding(laplacian: Any, drop_trivial: bool) -> None:
    x = three_blobs(200)
    index = torch.arange(7, 67)
    layer = make_layer(laplacian=laplacian, drop_trivial=drop_trivial)
    layer.init_reference(x, index, reference_size=200)
    exact = ExactEmbedding(
        3,
        20,
        laplacian="rw" if laplacian == "sym" else laplacian,
        drop_trivial=drop_trivial,
    )(x)
    assert torch.equal(layer.anchors, x[index])
    # The same nodes in another order: the same rows up to signs.
    signs = (layer.reference * exact.vectors[index]).sum(dim=0).sign()
    torch.testing.assert_close(
        layer.reference, exact.vectors[index] * signs, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("alignment", ["lstsq", "ransac", "orthogonal"])
def test_targets_of_the_reference_set_are_the_reference(
    laplacian: Any, alignment: Any
) -> None:
    x = three_blobs(200)
    index = torch.arange(60)
    layer = make_layer(laplacian=laplacian, alignment=alignment)
    layer.init_reference(x, index, reference_size=200)
    batch = layer.targets(x[60:])
    torch.testing.assert_close(batch.y[:60], layer.reference, rtol=0, atol=1e-3)
    assert torch.equal(batch.x, x)
    assert batch.anchor_mask.tolist() == [True] * 60 + [False] * 140
    assert float(batch.residual) < 1e-3


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_targets_of_new_nodes_are_an_affine_map_of_their_eigenvectors(
    laplacian: Any,
) -> None:
    layer = ready_layer(laplacian=laplacian)
    new = three_blobs(200, seed=1)
    batch = layer.targets(new)
    joined = torch.cat([layer.anchors, new])
    vectors = layer.embedding(joined).vectors.double()[:, 1:]  # the rest is constant
    # The least-squares affine map of the anchors, in the textbook's way.
    design = torch.cat([vectors, torch.ones(260, 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(design[:60], layer.reference.double()).solution
    torch.testing.assert_close(
        batch.y.double(), design @ solution, rtol=1e-3, atol=1e-3
    )


def test_targets_have_mean_square_1() -> None:
    batch = ready_layer().targets(three_blobs(300, seed=1))
    assert batch.y.square().mean(dim=0).tolist() == pytest.approx([1] * 3, rel=0.2)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_loss_is_the_mean_over_nodes_and_columns(laplacian: Any) -> None:
    layer = ready_layer(laplacian=laplacian)
    new = three_blobs(100, seed=1)
    batch = layer.targets(new)
    hidden = layer.network(layer.standardization(batch.x))
    rows = F.linear(hidden, layer.readout.weight, layer.readout.bias).detach()
    total = sum(
        float((rows[i, k] - batch.y[i, k]) ** 2) for i in range(160) for k in range(3)
    )
    assert float(layer.loss(new).detach()) == pytest.approx(total / (160 * 3), rel=1e-5)


def test_loss_of_a_batch_is_the_loss_of_its_new_nodes() -> None:
    layer = ready_layer()
    new = three_blobs(100, seed=1)
    batch = layer.targets(new)
    assert isinstance(batch, Data)
    assert torch.equal(layer.loss(batch), layer.loss(new))
    assert not torch.equal(layer.loss(new[:50]), layer.loss(new))


def test_loss_of_loader_batches() -> None:
    layer = ready_layer()
    x = three_blobs(300)
    loader = AnchorLoader(x, layer.anchor_reference(), 100, num_batches=2)
    for batch in loader:
        assert torch.equal(layer.loss(batch), layer.loss(batch.x[60:]))


def test_gradients_reach_x_through_the_network_only() -> None:
    layer = ready_layer()
    new = three_blobs(50, seed=1).requires_grad_()
    batch = layer.targets(new)
    assert not batch.y.requires_grad
    layer.loss(new).backward()
    assert new.grad is not None
    # The gradient of the network's rows against constant targets, by hand.
    again = new.detach().clone().requires_grad_()
    hidden = layer.network(layer.standardization(again))
    rows = F.linear(hidden, layer.readout.weight, layer.readout.bias)
    loss = (rows - batch.y[60:].detach()).square().sum() / (110 * 3)
    loss.backward()
    torch.testing.assert_close(new.grad, again.grad)
    assert new.grad.abs().min() >= 0 and new.grad.abs().max() > 0


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_learns_the_eigenvectors(laplacian: Any, drop_trivial: bool) -> None:
    x = three_blobs(400)
    num_columns = 2 if drop_trivial else 3
    layer = make_layer(num_columns, laplacian=laplacian, drop_trivial=drop_trivial)
    layer.init_reference(x, reference_size=300)
    exact = ExactEmbedding(
        num_columns, 20, laplacian=laplacian, drop_trivial=drop_trivial
    )(x).vectors
    before = grassmann_distance(layer(x).detach(), exact)
    train(layer, x, num_steps=400, num_new=300)
    embedding = layer(x).detach()
    assert before > 0.2
    assert grassmann_distance(embedding, exact) < 0.02
    assert torch.isfinite(embedding).all()
    # New points of the same blobs: close to the eigenvectors of their own graph.
    new = three_blobs(400, seed=9)
    theirs = ExactEmbedding(
        num_columns, 20, laplacian=laplacian, drop_trivial=drop_trivial
    )(new).vectors
    assert grassmann_distance(layer(new).detach(), theirs) < 0.1


# --- read-out by Rayleigh-Ritz


def weights(layer: BASiSLayer, x: Tensor) -> Tensor:
    """How nodes count in the inner product of their graph's eigenvectors."""
    degree = layer.embedding.operator(x).degree
    if layer.embedding.laplacian != "rw":
        degree = torch.ones_like(degree)
    return degree / degree.sum()


def moments_of(layer: BASiSLayer, x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows' moments with the graph of the nodes, and with its Laplacian."""
    rows = layer.readout(*layer.hidden_layers(x)).detach().double()
    weighted = rows * weights(layer, x).double().unsqueeze(1)
    matrix = layer.embedding.operator(x).matrix.double()
    return weighted.T @ rows, weighted.T @ (matrix @ rows)


@pytest.mark.parametrize("extend_degree", [False, True])
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_rayleigh_ritz_is_orthonormal_over_the_sample(
    laplacian: Any, extend_degree: bool
) -> None:
    layer = ready_layer(laplacian=laplacian, extend_degree=extend_degree)
    x = three_blobs()
    layer.rayleigh_ritz(x)
    mass, stiffness = moments_of(layer, x)
    values = layer.readout.eigenvalues.double()
    torch.testing.assert_close(mass, torch.eye(3).double(), rtol=0, atol=1e-4)
    ritz = stiffness.diagonal()
    torch.testing.assert_close(stiffness, torch.diag(ritz), rtol=0, atol=1e-4)
    # The eigenvalues are between the exact ones and the Ritz values, in order.
    exact = ExactEmbedding(3, 20, laplacian=laplacian)(x).values
    assert (values[:3] <= ritz + 1e-4).all() and (values[:3] >= exact - 1e-4).all()
    assert (values.diff() >= 0).all() and values.shape == (8,)
    assert values.isfinite().all()


def test_rayleigh_ritz_of_several_samples_is_of_their_mean() -> None:
    layer = ready_layer(laplacian="rw")
    samples = [three_blobs(300), three_blobs(300, seed=1) * 1.5]
    layer.rayleigh_ritz(iter(samples))
    (first, one), (second, other) = (moments_of(layer, x) for x in samples)
    mass, stiffness = (first + second) / 2, (one + other) / 2
    torch.testing.assert_close(mass, torch.eye(3).double(), rtol=0, atol=1e-4)
    ritz = stiffness.diagonal()
    torch.testing.assert_close(stiffness, torch.diag(ritz), rtol=0, atol=1e-4)
    assert (layer.readout.eigenvalues[:3] <= ritz + 1e-4).all()
    assert not torch.allclose(first, mass, atol=1e-2)  # they do differ


def test_later_samples_count_for_the_directions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, asked = ready_layer(), []
    new_moments = layer.new_moments

    def recorded(x: Tensor, num_nodes: int, seed: int) -> Any:
        asked.append(num_nodes)
        return new_moments(x, num_nodes, seed)

    monkeypatch.setattr(layer, "new_moments", recorded)
    layer.rayleigh_ritz(three_blobs())
    layer.rayleigh_ritz([three_blobs()])
    assert asked == [len(three_blobs()), 8 * MOST_DIRECTIONS]


def test_no_more_samples_are_taken_than_settle() -> None:
    layer = ready_layer()
    samples = iter([three_blobs()] * 10)
    layer.rayleigh_ritz(samples)
    assert len(list(samples)) == 8  # the second changes nothing


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_rayleigh_ritz_is_closer_to_the_eigenvectors_of_new_nodes(
    laplacian: Any,
) -> None:
    layer = ready_layer(laplacian=laplacian)
    train(layer, three_blobs(), num_steps=100, num_new=300)
    new = three_blobs(400, seed=9)
    exact = ExactEmbedding(3, 20, laplacian=laplacian)(new).vectors
    before = grassmann_distance(layer(new).detach(), exact)
    layer.rayleigh_ritz(three_blobs())
    after = grassmann_distance(layer(new).detach(), exact)
    assert after < 0.9 * before


def exact_graph(kind: str, num_columns: int, num_nodes: int = 150) -> Data:
    """A weighted graph with features that are a mixture of its first eigenvectors,
    which come along as ``y``, with their eigenvalues."""
    points = torch.rand(num_nodes, 2, generator=torch.Generator().manual_seed(4))
    graph = affinity(knn_graph(points.double(), 8))
    operator = laplacian(graph, "comb" if kind == "comb" else "sym")
    values, vectors = torch.linalg.eigh(operator.matrix.to_dense())
    y = vectors[:, :num_columns]
    weight = torch.ones(num_nodes).double()
    if kind == "rw":
        y, weight = y / operator.degree.sqrt()[:, None], operator.degree
    y = y / ((weight / weight.sum()) @ y.square()).sqrt()
    mixture = random_rows(num_columns, num_columns, seed=5).double()
    return Data(
        x=y @ torch.linalg.qr(mixture).Q,
        y=y,
        eigenvalues=values[:num_columns],
        edge_index=graph.edge_index,
        edge_weight=graph.edge_weight,
    )


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize(
    ("laplacian", "extend_degree", "kind"),
    [
        ("sym", True, "rw"),
        ("sym", False, "sym"),
        ("rw", True, "rw"),
        ("comb", True, "comb"),
    ],
)
def test_rayleigh_ritz_of_a_given_graph_is_exact_where_the_features_span_it(
    laplacian: Any, extend_degree: bool, kind: str, drop_trivial: bool
) -> None:
    graph = exact_graph(kind, 5)
    layer = make_layer(
        5 - drop_trivial,
        width=5,
        network=nn.Sequential(),
        laplacian=laplacian,
        extend_degree=extend_degree,
        drop_trivial=drop_trivial,
    )
    vectors = layer.rayleigh_ritz(graph)
    assert vectors is not None
    first = int(drop_trivial)
    expected, values = graph.y[:, first:], graph.eigenvalues[first:]
    found = layer(graph.x).detach().double()
    signs = (found * expected).sum(dim=0).sign()
    torch.testing.assert_close(found * signs, expected, rtol=0, atol=1e-4)
    eigenvalues = layer.readout.eigenvalues.double()
    torch.testing.assert_close(
        eigenvalues[: len(values)], values, rtol=0, atol=1e-5 * float(values[-1])
    )
    # The constant is among the features: sym alone has it as a further direction.
    further = eigenvalues[len(values) :]
    assert further.isinf().tolist() == [kind != "sym", True, True, True, True]


def test_rayleigh_ritz_gives_the_vectors_as_functions_of_hidden_features() -> None:
    layer = ready_layer(laplacian="rw")
    vectors = layer.rayleigh_ritz(three_blobs())
    assert vectors is not None
    x = three_blobs(30, seed=1)
    rows = vectors.rows(layer.hidden(x)).detach()
    assert rows.shape == (30, 8)  # five beyond
    torch.testing.assert_close(rows[:, :3], layer(x).detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(vectors.values.float(), layer.readout.eigenvalues)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (1, -1, -1)])
def test_signs_follow_the_reference_rows(signs: tuple[int, ...]) -> None:
    layer = ready_layer(laplacian="rw")
    layer.reference.mul_(torch.tensor(signs))
    for sample in (three_blobs(), three_blobs(seed=1), three_blobs(300, seed=2)):
        layer.rayleigh_ritz(sample)
        gaps = layer.readout.eigenvalues.diff()[:3]
        assert (gaps > 0.1 * layer.readout.eigenvalues[1:4]).all()  # separated
        rows = layer(layer.anchors)
        cosine = F.cosine_similarity(rows, layer.reference, dim=0)
        assert (cosine > 0.7).all()


def test_signs_follow_the_output_of_a_layer_without_a_reference() -> None:
    graph = exact_graph("rw", 4)
    layer = make_layer(4, width=4, network=nn.Sequential(), laplacian="rw")
    before = layer(graph.x)
    layer.rayleigh_ritz(graph)
    after = layer(graph.x)
    assert (before * after).sum(dim=0).min() > 0
    with torch.no_grad():
        for parameter in layer.readout.parameters():
            parameter.neg_()
    layer.rayleigh_ritz(graph)
    torch.testing.assert_close(layer(graph.x), -after, rtol=0, atol=1e-4)


def test_features_that_do_not_span_enough_directions() -> None:
    layer = make_layer(network=nn.Linear(2, 1))  # without anchors, no kernels
    before = copy.deepcopy(layer.state_dict())
    # The constant is a direction as well.
    with pytest.warns(UserWarning, match="span the num_eigenvectors=3 directions"):
        assert layer.rayleigh_ritz(three_blobs()) is None
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_network_that_died_leaves_the_kernels() -> None:
    network = nn.Linear(2, 4)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    with pytest.warns(UserWarning, match="span the num_eigenvectors=3 directions"):
        assert make_layer(network=network).rayleigh_ritz(three_blobs()) is None
    layer, new = ready_layer(network=network, laplacian="rw"), three_blobs(seed=1)
    layer.rayleigh_ritz(three_blobs())
    assert grassmann_distance(layer(new), layer.embedding(new).vectors) < 0.1


def test_equal_points_are_not_read_out() -> None:
    # What rounding makes of them is no direction, not even one.
    layer = make_layer(2, laplacian="rw", num_neighbors=5)
    x = torch.ones(120, 2)
    layer.init_reference(x, reference_size=100)
    with pytest.warns(UserWarning, match="span the num_eigenvectors=2 directions"):
        layer.rayleigh_ritz(x)
    assert layer(x + 1e-3).abs().max() < 100


def test_the_order_of_nodes_plays_no_role() -> None:
    # The second component comes after more nodes than the directions are taken of.
    num_nodes, first = 6000, 5000
    start = torch.arange(num_nodes - 1)
    start = start[start != first - 1]
    edges = torch.stack([start, start + 1])
    place = torch.arange(num_nodes) / num_nodes
    graph = Data(
        x=torch.stack(
            [(torch.pi * place).cos(), (place >= first / num_nodes) * 1.0], 1
        ),
        edge_index=torch.cat([edges, edges.flip(0)], dim=1),
    )
    layer = make_layer(2, network=nn.Sequential(), laplacian="comb")
    layer.rayleigh_ritz(graph)
    assert float(layer.readout.eigenvalues[1]) == pytest.approx(0, abs=1e-10)


def test_the_warning_of_too_few_directions_names_the_caller() -> None:
    layer = make_layer(network=nn.Linear(2, 1))
    with pytest.warns(UserWarning, match="span") as caught:
        layer.rayleigh_ritz(three_blobs())
    assert [warning.filename for warning in caught] == [__file__]


def test_parameters_stay_what_an_optimizer_knows() -> None:
    layer = ready_layer()
    before = list(layer.parameters())
    vectors = layer.rayleigh_ritz(three_blobs())
    assert all(a is b for a, b in zip(before, layer.parameters(), strict=True))
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())
    assert vectors is not None and not vectors.weight.requires_grad


def test_rayleigh_ritz_depends_on_the_seed_of_the_mixture() -> None:
    layer = ready_layer(network=nn.Linear(2, 600))
    # 600 columns that are not a function of two: more than are searched at once.
    layer.network = nn.Sequential(layer.network, nn.ReLU())
    rows = []
    for seed in (0, 0, 1):
        again = copy.deepcopy(layer)
        again.rayleigh_ritz(three_blobs(), seed=seed)
        rows.append(again(three_blobs()))
    assert torch.equal(rows[0], rows[1]) and not torch.equal(rows[0], rows[2])
    torch.testing.assert_close(rows[0], rows[2], rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("sample", "match"),
    [
        (Data(edge_index=torch.tensor([[0, 1], [1, 0]])), r"a Data: give a tensor"),
        (
            Data(
                x=random_rows(3, 2),
                edge_index=torch.tensor([[0, 1], [1, 0]]),
                num_nodes=4,
            ),
            "features of 3 nodes.*num_nodes=4",
        ),
        (
            Data(x=random_rows(4, 3), edge_index=torch.tensor([[0, 1], [1, 0]])),
            "in_channels=2",
        ),
        (
            Data(x=random_rows(4, 2), edge_index=torch.tensor([[0, 1], [1, 2]])),
            "symmetric",
        ),
        ([], "no sample"),
        (["nodes"], "a str: give a tensor"),
        (three_blobs() / 0, "finite"),
    ],
)
def test_bad_samples_change_nothing(sample: Any, match: str) -> None:
    layer = ready_layer()
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=match):
        layer.rayleigh_ritz(sample)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), name


# --- state


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_state_dict_restores_everything(laplacian: Any) -> None:
    layer = ready_layer(laplacian=laplacian)
    train(layer, three_blobs(), num_steps=5, num_new=100)
    layer.rayleigh_ritz(three_blobs())
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    fresh = make_layer(laplacian=laplacian, seed=8)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(fresh.readout.eigenvalues, layer.readout.eigenvalues)
    x = three_blobs(70, seed=5)
    for value, expected in zip(bits(fresh, x), bits(layer, x), strict=True):
        assert torch.equal(value, expected)


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_state_dict_keeps_the_warm_start(laplacian: Any, drop_trivial: bool) -> None:
    layer = ready_layer(laplacian=laplacian, drop_trivial=drop_trivial)
    assert layer.start.shape == (60, 3 + drop_trivial + MOST_GUARDS)
    assert layer.window.dtype == torch.float64
    start = layer.anchor_reference().start
    assert start is not None and start.window is not None
    fresh = make_layer(laplacian=laplacian, drop_trivial=drop_trivial)
    fresh.load_state_dict(layer.state_dict())
    again = fresh.anchor_reference().start
    assert again is not None
    assert again.window == start.window
    assert torch.equal(again.rows, start.rows)
    # They are those of the reference, as it was made.
    _, cut, _, num_guards = layer.window.tolist()
    assert cut > 0
    assert start.rows.shape == (60, 3 + drop_trivial + num_guards)
    first = layer.start[:, int(drop_trivial) : 3 + drop_trivial]
    signs = (first * layer.reference).sum(dim=0).sign()
    if laplacian == "rw" or laplacian == "sym":  # in which form the network learns
        torch.testing.assert_close(first * signs, layer.reference, rtol=0, atol=0.02)


def test_prepared_reference_is_used_again() -> None:
    layer = ready_layer()
    reference = layer.anchor_reference()
    landmarks = reference.batches.landmarks
    layer.loss(three_blobs(50)).backward()
    layer.targets(three_blobs(50, seed=1))
    layer.rayleigh_ritz(three_blobs())
    assert layer.anchor_reference() is reference
    assert layer.anchor_reference().batches.landmarks is landmarks


def renew_by_init(layer: BASiSLayer) -> BASiSLayer:
    layer.init_reference(three_blobs(seed=7) + 1, reference_size=200, seed=8)
    return layer


def renew_by_load(layer: BASiSLayer) -> BASiSLayer:
    layer.load_state_dict(renew_by_init(make_layer()).state_dict())
    return layer


def renew_by_assign(layer: BASiSLayer) -> BASiSLayer:
    layer.load_state_dict(renew_by_init(make_layer()).state_dict(), assign=True)
    return layer


def renew_in_place(layer: BASiSLayer) -> BASiSLayer:
    layer.anchors.mul_(1.01)
    return layer


def renew_by_buffer(layer: BASiSLayer) -> BASiSLayer:
    layer.anchors = layer.anchors * 1.01
    return layer


def renew_by_empty(layer: BASiSLayer) -> BASiSLayer:
    layer = layer.to("meta").to_empty(device="cpu")
    for buffer in layer.buffers():
        buffer.zero_()  # what an empty tensor holds is not defined
    return layer


@pytest.mark.parametrize(
    "renew",
    [
        renew_by_init,
        renew_by_load,
        renew_by_assign,
        renew_in_place,
        renew_by_buffer,
        lambda layer: layer.to(torch.float64),
        lambda layer: layer.double(),
        renew_by_empty,
    ],
)
def test_prepared_reference_is_renewed(renew: Any) -> None:
    layer = ready_layer()
    layer.targets(three_blobs(50))
    old = layer.anchor_reference()
    layer = renew(layer)
    layer.is_initialized.fill_(True)
    new = layer.anchor_reference()
    assert new is not old
    assert new.anchors is layer.anchors
    assert new.rows is layer.reference
    assert "landmarks" not in vars(new.batches)


@pytest.mark.parametrize("renew", [renew_by_init, renew_by_load, renew_by_assign])
def test_targets_are_those_of_the_renewed_reference(renew: Any) -> None:
    layer = ready_layer()
    x = three_blobs(50, seed=5)
    before = layer.targets(x).y
    fresh = renew_by_init(make_layer())
    assert torch.equal(renew(layer).targets(x).y, fresh.targets(x).y)
    assert not torch.equal(layer.targets(x).y, before)


def test_reset_parameters_forgets_the_prepared_reference() -> None:
    layer = ready_layer()
    layer.targets(three_blobs(50))
    layer.reset_parameters()
    with pytest.raises(RuntimeError, match="init_reference"):
        layer.anchor_reference()
    assert not layer.start.any()
    assert not layer.window.any()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies(copied: Any) -> None:
    layer = ready_layer(alignment="ransac")
    twin = copied(layer)
    x = three_blobs(70, seed=5)
    before = bits(layer, x)
    for value, expected in zip(bits(twin, x), before, strict=True):
        assert torch.equal(value, expected)
    twin.reset_parameters()
    for value, expected in zip(bits(layer, x), before, strict=True):
        assert torch.equal(value, expected)


def test_reset_parameters() -> None:
    layer = ready_layer(network=None)
    train(layer, three_blobs(), num_steps=2, num_new=100)
    layer.rayleigh_ritz(three_blobs())
    trained = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.reset_parameters()
    fresh = make_layer(network=None).state_dict()
    for name, value in layer.state_dict().items():
        if name in dict(layer.named_parameters()):  # drawn anew
            assert not torch.equal(value, trained[name]), name
        else:
            assert torch.equal(value, fresh[name]), name
    with pytest.raises(RuntimeError, match="init_reference"):
        layer.targets(three_blobs(50))


def test_reset_parameters_reaches_custom_networks() -> None:
    network = small_network()
    layer = make_layer(network=network)
    before = [parameter.clone() for parameter in network.parameters()]
    layer.reset_parameters()
    for old, new in zip(before, network.parameters(), strict=True):
        assert not torch.equal(old, new)


def test_init_reference_twice_is_as_once() -> None:
    layer = make_layer()
    layer.init_reference(three_blobs(300, seed=4) + 7, reference_size=100)
    layer.init_reference(three_blobs(), reference_size=200, seed=3)
    once = ready_layer().state_dict()
    for name, value in layer.state_dict().items():
        assert torch.equal(value, once[name]), name


def test_init_reference_depends_on_the_seed() -> None:
    first, second, other = (make_layer() for _ in range(3))
    first.init_reference(three_blobs(), reference_size=200, seed=1)
    second.init_reference(three_blobs(), reference_size=200, seed=1)
    other.init_reference(three_blobs(), reference_size=200, seed=2)
    assert torch.equal(first.anchors, second.anchors)
    assert torch.equal(first.reference, second.reference)
    assert not torch.equal(first.anchors, other.anchors)


def test_given_anchors_are_not_drawn_again() -> None:
    # 61 nodes: the one that is no anchor must be the other node.
    x = three_blobs(61)
    layer = make_layer()
    layer.init_reference(x, torch.arange(60), reference_size=200)
    exact = layer.embedding(x).vectors[:60]
    assert torch.allclose(layer.reference, exact, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators() -> None:
    layer = ready_layer(alignment="ransac")
    layer.loss(three_blobs(50))
    layer(three_blobs(50))
    layer.rayleigh_ritz(three_blobs(50))


# --- dtypes and devices


def test_double() -> None:
    layer = make_layer().double()
    layer.init_reference(three_blobs().double(), reference_size=200, seed=3)
    x = three_blobs(50, seed=1).double()
    for value in bits(layer, x):
        assert value.dtype == torch.float64
    single = ready_layer()
    torch.testing.assert_close(
        layer(x).float(), single(x.float()), rtol=1e-3, atol=1e-3
    )


def test_features_of_another_precision() -> None:
    # As in targets(), the layer says in which precision the work is done.
    layer = make_layer()
    layer.init_reference(three_blobs().double(), reference_size=200, seed=3)
    assert torch.equal(layer.reference, ready_layer().reference)
    x = three_blobs(50, seed=1)
    assert torch.equal(layer.loss(x.double()), layer.loss(x))
    assert layer.targets(x.double()).y.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda() -> None:
    layer = ready_layer()
    x = three_blobs(50, seed=1)
    expected = bits(layer, x)
    layer = layer.to("cuda")
    on_device = bits(layer, x.to("cuda"))
    assert all(value.is_cuda for value in on_device)
    for value, cpu in zip(on_device, expected, strict=True):
        torch.testing.assert_close(value.cpu(), cpu, rtol=1e-2, atol=1e-2)
    layer.init_reference(three_blobs().to("cuda"), reference_size=200)
    layer.loss(x.to("cuda")).backward()
    layer.rayleigh_ritz(three_blobs().to("cuda"))
    assert torch.isfinite(layer(x.to("cuda"))).all()


def test_to_device_moves_everything() -> None:
    layer = ready_layer().to("meta")
    assert all(value.is_meta for value in layer.state_dict().values())


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
    if name == "constant":  # fewer directions than eigenvectors
        with pytest.warns(UserWarning, match="span"):
            layer.rayleigh_ritz(x)
    else:
        layer.rayleigh_ritz(x)
        assert layer.readout.eigenvalues[:3].isfinite().all()
    assert torch.isfinite(loss)
    assert torch.isfinite(layer(x)).all()
    state = layer.state_dict()
    # They are infinite where there is no further direction.
    assert not state.pop("readout.eigenvalues").isnan().any()
    assert all(torch.isfinite(value).all() for value in state.values())


# --- bad input


def test_without_a_reference() -> None:
    layer = make_layer()
    for call in (layer.targets, layer.loss, lambda _: layer.anchor_reference()):
        with pytest.raises(RuntimeError, match=r"init_reference.*load_state_dict"):
            call(three_blobs(50))


@pytest.mark.parametrize(
    "method", ["forward", "loss", "init_reference", "rayleigh_ritz"]
)
@pytest.mark.parametrize("shape", [(100, 3), (100, 1), (100,), (4, 100, 2)])
def test_wrong_width(method: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x has shape .*in_channels=2|\[nodes, 2\]"):
        getattr(ready_layer(), method)(random_rows(*shape))


@pytest.mark.parametrize(
    ("num_columns", "num_anchors", "drop_trivial", "least"),
    [(3, 2, False, 3), (3, 3, True, 4), (1, 1, False, 2), (1, 1, True, 2)],
)
def test_too_few_anchors(
    num_columns: int, num_anchors: int, drop_trivial: bool, least: int
) -> None:
    with pytest.raises(ValueError, match=rf"num_anchors={num_anchors}.*least {least}"):
        make_layer(num_columns, num_anchors=num_anchors, drop_trivial=drop_trivial)
    # The number asked for is enough.
    layer = make_layer(num_columns, num_anchors=least, drop_trivial=drop_trivial)
    layer.init_reference(three_blobs(), reference_size=100)
    assert torch.isfinite(layer.loss(three_blobs(50)))


def test_bad_settings() -> None:
    with pytest.raises(ValueError, match="num_eigenvectors=0"):
        make_layer(0)
    with pytest.raises(ValueError, match=r"'best'.*lstsq"):
        make_layer(alignment="best")
    for bad in ({"laplacian": "signless"}, {"bandwidth": "wide"}, {"bandwidth": -1.0}):
        (value,) = bad.values()
        with pytest.raises(ValueError, match=str(value)):
            make_layer(**bad).init_reference(three_blobs())


def test_aligner_with_settings_of_its_own() -> None:
    aligner = RANSAC(tolerance=0.3)
    assert make_layer(alignment=aligner).aligner is aligner


def test_init_reference_bad_samples() -> None:
    layer = make_layer()
    x = three_blobs(100)
    with pytest.raises(ValueError, match=r"num_anchors=60.*fewer anchors"):
        layer.init_reference(x[:60])
    with pytest.raises(ValueError, match=r"num_anchors=60.*larger reference_size"):
        layer.init_reference(x, reference_size=60)
    with pytest.raises(ValueError, match=r"num_anchors=60.*50 nodes"):
        layer.init_reference(x[:50])
    with pytest.raises(
        ValueError, match=r"anchor_index must hold num_anchors=60.*got 3"
    ):
        layer.init_reference(x, torch.arange(3))
    with pytest.raises(ValueError, match="finite"):
        layer.init_reference(torch.where(x > 3, torch.nan, x))
    assert not layer.is_initialized


def test_too_few_nodes_for_the_neighbours() -> None:
    with pytest.raises(ValueError, match="61"):
        make_layer(num_neighbors=61).init_reference(three_blobs(61))


def test_targets_of_no_or_bad_nodes() -> None:
    layer = ready_layer()
    with pytest.raises(ValueError, match="at least one node"):
        layer.targets(torch.empty(0, 2))
    with pytest.raises(ValueError, match="finite"):
        layer.loss(torch.full((5, 2), torch.inf))


def test_repr_is_one_line() -> None:
    layer = BASiSLayer(16, 10, laplacian="rw")
    assert repr(layer) == "BASiSLayer(16, 10, num_anchors=250, laplacian='rw')"


def test_mse_against_torch() -> None:
    layer = ready_layer()
    batch = layer.targets(three_blobs(40))
    assert torch.equal(layer.loss(batch), F.mse_loss(layer._rows(batch.x), batch.y))


@pytest.mark.parametrize("broken", [[-1, 1, 2], [0, 1, 1], [0, 1, 10_000]])
def test_anchor_index_must_hold_different_rows(broken):
    layer = BASiSLayer(2, 2, num_anchors=3, num_neighbors=5)
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="anchor_index must hold num_anchors=3"):
        layer.init_reference(x, torch.tensor(broken))


def test_unknown_bandwidth_is_refused_at_once():
    with pytest.raises(ValueError, match="bandwidth must be"):
        BASiSLayer(2, 2, bandwidth="foo")


def test_double_precision_features_are_taken():
    layer = BASiSLayer(2, 2)
    assert layer(torch.randn(3, 2, dtype=torch.float64)).dtype == torch.float32


# --- a reference larger than batches


def test_oversamples_bring_batches_closer_to_a_larger_reference() -> None:
    # No gap follows the third eigenvector of a square.
    x = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0))
    exact = ExactEmbedding(3, 20, laplacian="rw")(x).vectors
    index = torch.arange(300, 450)
    distances = {}
    for num_oversamples in (0, 4):
        layer = make_layer(
            num_anchors=60, laplacian="rw", num_oversamples=num_oversamples
        )
        layer.init_reference(x, reference_size=2000, batch_size=210)
        batch = layer.targets(x[index])
        assert batch.y.shape == (210, 3) and batch.eigenvalues.shape == (3,)
        distances[num_oversamples] = grassmann_distance(batch.y[60:], exact[index])
    assert distances[4] < 0.5 * distances[0]
    # The reference is of the larger graph, the start of one like a batch's.
    signs = (layer.rows * exact[layer.nodes]).sum(dim=0).sign()
    torch.testing.assert_close(
        layer.rows, exact[layer.nodes] * signs, atol=0.02, rtol=0
    )
    small = ready_layer(laplacian="rw", num_oversamples=4)
    small.init_reference(x, reference_size=210)
    assert layer.window[0] == pytest.approx(float(small.window[0]), rel=0.5)


def test_oversamples_need_anchors_and_an_affine_map() -> None:
    with pytest.raises(ValueError, match=r"num_anchors=10.*at least 11"):
        make_layer(num_anchors=10, num_oversamples=8)
    for alignment in ("orthogonal", "moments"):
        with pytest.raises(ValueError, match="num_oversamples=2 needs an alignment"):
            make_layer(alignment=alignment, num_oversamples=2)


# --- features that move: Algorithm 2


def turned(x: Tensor, angle: float) -> Tensor:
    cosine, sine = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    return x @ torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_update_keeps_targets_in_their_basis(laplacian: Any) -> None:
    layer = ready_layer(laplacian=laplacian)
    x, new = three_blobs(), three_blobs(100, seed=1)
    before = layer.targets(new).y
    movement = layer.update_reference(turned(x, 2.0))
    assert float(movement.change) < 1e-3 and movement.num_lost == 0
    after = layer.targets(turned(new, 2.0)).y
    torch.testing.assert_close(after, before, atol=1e-2, rtol=0)
    assert torch.equal(layer.anchors, turned(x, 2.0)[layer.nodes[:60]])
    # Without it there would be another basis.
    fresh = make_layer(laplacian=laplacian)
    fresh.init_reference(turned(x, 2.0) + 5, reference_size=200, seed=4)
    assert not torch.allclose(fresh.reference, layer.reference, atol=1e-2)


def test_update_is_that_of_the_moving_reference() -> None:
    layer = ready_layer()
    noisy = three_blobs() + 0.1 * random_rows(400, 2, seed=1)
    expected, _ = layer.moving_reference().updated(noisy, RANSAC(), momentum=0.5)
    layer.update_reference(noisy, "ransac", momentum=0.5)
    assert torch.equal(layer.rows, expected.rows)
    assert torch.equal(layer.reference, expected.reference.rows)
    mean = noisy.mean(dim=0)
    torch.testing.assert_close(layer.standardization.mean, mean)


def test_degrees_are_learned_anew_on_demand() -> None:
    layer = ready_layer()
    moved = three_blobs() * torch.tensor([1.0, 3.0])
    before = layer.degree.coefficients.clone()
    layer.update_reference(moved)
    assert torch.equal(layer.degree.coefficients, before)
    layer.fit_degree(moved, seed=3)
    fresh = make_layer()
    fresh.init_reference(moved, reference_size=200, seed=3)
    assert torch.equal(layer.degree.coefficients, fresh.degree.coefficients)
    layer.rayleigh_ritz(moved)
    assert torch.isfinite(layer(moved)).all()
    comb = ready_layer(laplacian="comb")
    comb.fit_degree(moved)  # has none
    assert not comb.degree.coefficients.any()


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (three_blobs(399), {}, "made of 400 nodes"),
        (random_rows(400, 3), {}, "in_channels=2"),
        (three_blobs() / 0, {}, "finite"),
        (three_blobs(), {"alignment": "best"}, "'best'.*moments"),
        (three_blobs(), {"momentum": 2.0}, "momentum=2.0"),
    ],
)
def test_bad_updates_change_nothing(x: Tensor, settings: Any, match: str) -> None:
    layer = ready_layer()
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=match):
        layer.update_reference(x, **settings)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_update_without_a_reference() -> None:
    with pytest.raises(RuntimeError, match="init_reference"):
        make_layer().update_reference(three_blobs())


class JointTraining:
    """An encoder, a layer behind it and their optimiser, on a task of its own."""

    def __init__(self) -> None:
        self.encoder = small_network(2, seed=1)
        self.layer = make_layer(laplacian="rw", seed=2)
        parameters = [*self.encoder.parameters(), *self.layer.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=1e-3)
        self.x = three_blobs()

    def start(self) -> None:
        self.layer.init_reference(self.encoder(self.x).detach(), reference_size=200)

    def step(self, step: int) -> None:
        drawn = torch.randperm(400, generator=torch.Generator().manual_seed(step))
        batch = self.x[drawn[:100]]
        loss = (self.encoder(batch) - batch).square().mean()
        if step % 2 == 0:
            self.layer.update_reference(self.encoder(self.x))
            loss = loss + self.layer.loss(self.encoder(batch))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def parts(self) -> list[Any]:
        return [self.encoder, self.layer, self.optimizer]


def test_joint_training_goes_on_bit_by_bit_from_a_file() -> None:
    whole = JointTraining()
    whole.start()
    for step in range(5):
        whole.step(step)
    file = io.BytesIO()
    torch.save([part.state_dict() for part in whole.parts()], file)
    for step in range(5, 11):
        whole.step(step)

    file.seek(0)
    resumed = JointTraining()
    for part, state in zip(
        resumed.parts(), torch.load(file, weights_only=True), strict=True
    ):
        part.load_state_dict(state)
    for step in range(5, 11):
        resumed.step(step)
    for part, other in zip(resumed.parts()[:2], whole.parts()[:2], strict=True):
        expected = other.state_dict()
        for name, value in part.state_dict().items():
            assert torch.equal(value, expected[name]), name
