from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from benchmarks.baselines import SpecNet2
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.training import draw
from benchmarks.lib.exact import exact_space
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information

K = 3
pytestmark = pytest.mark.usefixtures("small_networks")
both = pytest.mark.parametrize("batch_operator", ["neighbor", "local"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cloud(num_points: int) -> Tensor:
    return torch.randn(num_points, 2, generator=seeded())


def smoothing_of(x: Tensor) -> Tensor:
    """``A``, dense."""
    operator = laplacian(affinity(knn_graph(x.double(), 8)), "sym")
    return (torch.eye(len(x)).double() - operator.matrix.to_dense()).float()


def dense_loss(z: Tensor, smoothing: Tensor) -> Tensor:
    n = len(z)
    gram = z.T @ z / n
    return -2 / n * torch.trace(z.T @ smoothing @ z) + torch.linalg.norm(gram) ** 2


def loss_of(module: Any, x: Tensor, operator: Any, size: int, seed: int = 0) -> Tensor:
    model = SpecNet2(K, batch_operator=operator, batch_size=size, n_neighbors=8)
    return model._loss(module, x, seeded(seed))()


def check_gradient(module: nn.Module, found: Tensor, expected: Tensor) -> None:
    parameters = list(module.parameters())
    gradients = (torch.autograd.grad(loss, parameters) for loss in (found, expected))
    for ours, theirs in zip(*gradients, strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, atol=1e-4 * scale, rtol=1e-3)


@both
def test_all_points_give_the_whole_loss_and_its_gradient(batch_operator: Any) -> None:
    x, module = cloud(120), EmbeddingNetwork(2, K)
    expected = dense_loss(module.rows(x), smoothing_of(x))
    loss = loss_of(module, x, batch_operator, 120)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    check_gradient(module, loss, expected)


def test_local_loss_is_that_of_the_batch_alone() -> None:
    x, module = cloud(300), EmbeddingNetwork(2, K)
    batch = x[draw(300, 60, seeded(4))]
    expected = dense_loss(module.rows(batch), smoothing_of(batch))
    loss = loss_of(module, x, "local", 60, seed=4)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


def test_neighbor_gradient_of_a_batch() -> None:
    x, module = cloud(300), EmbeddingNetwork(2, K)
    generator = seeded(4)
    batch = draw(300, 60, generator)
    smoothing = smoothing_of(x)
    is_near = (smoothing[batch] != 0).any(dim=0)
    is_near[batch] = True
    others = draw(300, int(is_near.sum()), generator)
    assert 60 < len(others) < 300
    z = module.rows(x)
    near, fixed = z[batch], z.detach()
    gram = fixed[others].T @ fixed[others] / len(others)
    gradient = 4 * (fixed[batch] @ gram - smoothing[batch] @ fixed) / 60
    loss = loss_of(module, x, "neighbor", 60, seed=4)
    check_gradient(module, loss, (near * gradient).sum())


class Table(nn.Module):
    """Any rows that are wished for, of points with a tenth of their number as first
    feature."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[(10 * x[:, 0]).round().long()]


@both
def test_minimum(batch_operator: Any) -> None:
    x = torch.stack([torch.arange(100.0), torch.rand(100, generator=seeded())], dim=1)
    x /= 10
    values, vectors = torch.linalg.eigh(smoothing_of(x).double())
    values, vectors = values.flip(0)[:K], vectors.flip(1)[:, :K]
    mixed = torch.linalg.qr(torch.randn(K, K, generator=seeded()).double()).Q

    def norm_and_loss(z: Tensor) -> tuple[float, float]:
        module = EmbeddingNetwork(2, K)
        module.network = Table(z.float())
        loss = loss_of(module, x, batch_operator, 100)
        (gradient,) = torch.autograd.grad(loss, module.network.rows)
        return float(gradient.norm()), float(loss.detach())

    # In any basis; not at the eigenvectors themselves, nor elsewhere.
    z = 10 * vectors * values.sqrt() @ mixed
    norm, least = norm_and_loss(z)
    assert norm < 1e-5
    assert least == pytest.approx(-float(values.square().sum()), abs=1e-4)
    for other in (10 * vectors, z * 1.1):
        norm, loss = norm_and_loss(other)
        assert norm > 1e-4 and loss > least


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize(
    ("batch_operator", "batch_size", "most"),
    # Few points have a wide gap after the last eigenvalue, by which it converges.
    [("neighbor", 400, 0.1), ("local", 200, 0.2)],
)
def test_moons(
    data: Any, k: int, batch_operator: Any, batch_size: int, most: float
) -> None:
    x, _ = data(400)
    new, labels = data(1000, seed=1)
    model = SpecNet2(
        k,
        n_neighbors=30,
        batch_operator=batch_operator,
        batch_size=batch_size,
        max_iter=600,
        learning_rate=1e-2,
        random_state=0,
    )
    embedding = model.fit(x).transform(new)
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) > 0.99
    # Of the new points among those it was fitted on.
    together = exact_space(k, 30)(torch.cat([new, x])).vectors[: len(new)]
    assert grassmann_distance(embedding, together) < most
