from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from benchmarks.baselines import SpectralNet, baseline
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.baselines.spectralnet import orthonormalizing
from benchmarks.lib.exact import exact_space
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information

pytestmark = pytest.mark.usefixtures("small_networks")


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
def test_moons(data: Any, k: int) -> None:
    x, _ = data(1500)
    new, labels = data(1000, seed=1)
    settings = {"n_neighbors": 20, "batch_size": 400, "max_iter": 200}
    model = SpectralNet(k, **settings, learning_rate=1e-2, random_state=0).fit(x)
    embedding = model.transform(new)
    assert grassmann_distance(embedding, exact_space(k, 20)(new).vectors) < 0.1
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1


def test_the_last_layer_is_made_on_the_last_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However little was learned, its columns are orthonormal there, and the Ritz
    # vectors of its graph.
    monkeypatch.setattr(baseline, "LAST_SAMPLE", 300)
    x, _ = two_moons(300)
    y = SpectralNet(3, n_neighbors=10, batch_size=100, max_iter=3).fit(x).transform(x)
    y = y.double()
    torch.testing.assert_close(y.T @ y / 300, torch.eye(3).double(), atol=1e-4, rtol=0)
    operator = exact_space(3, 10).operator(x)
    energy = y.T @ (operator.matrix.double() @ y) / 300
    diagonal = torch.diag(energy.diagonal())
    torch.testing.assert_close(energy, diagonal, atol=1e-3, rtol=0)


class Table(nn.Module):
    """Any rows that are wished for, of points in this order."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[x[:, 0].argsort().argsort()]


def loss_of(x: Tensor, rows: Tensor) -> float:
    module = EmbeddingNetwork(1, rows.size(1))
    module.network = Table(rows)
    model = SpectralNet(rows.size(1), n_neighbors=6, batch_size=len(x))
    return float(model._loss(module, x, torch.Generator())())


@pytest.fixture
def numbers() -> Tensor:
    """Points on a line, in order, that are not equally far apart."""
    return (0.5 + random(60).abs()).cumsum(0).unsqueeze(1)


def test_loss(numbers: Tensor) -> None:
    rows = random(60, 3)
    graph = affinity(knn_graph(numbers.double(), 6))
    i, j = graph.edge_index
    degree = torch.zeros(60).double().index_add_(0, i, graph.edge_weight)
    y = torch.linalg.qr(rows.double()).Q * 60**0.5 / degree.sqrt().unsqueeze(1)
    total = (graph.edge_weight * (y[i] - y[j]).square().sum(dim=1)).sum()
    assert loss_of(numbers, rows) == pytest.approx(float(total) / 120, rel=1e-4)


def test_eigenvectors_have_the_least_loss_in_any_basis(numbers: Tensor) -> None:
    exact = exact_space(3, 6)(numbers)
    least = pytest.approx(float(exact.values.sum()), abs=1e-4)
    assert loss_of(numbers, exact.vectors) == least
    assert loss_of(numbers, exact.vectors @ random(3, 3)) == least
    assert loss_of(numbers, exact.vectors + 0.1 * random(60, 3)) > least.expected + 0.01


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_orthonormalizing(scale: float) -> None:
    rows = scale * random(50, 4) @ random(4, 4)
    y = rows @ orthonormalizing(rows)
    torch.testing.assert_close(y.T @ y / 50, torch.eye(4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rows", [torch.zeros(50, 3), torch.ones(50, 3)])
def test_outputs_that_do_not_differ_stay_finite(rows: Tensor) -> None:
    rows = rows.clone().requires_grad_()
    y = rows @ orthonormalizing(rows)
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    assert rows.grad is not None and torch.isfinite(rows.grad).all()


def test_the_gradient_passes_through_the_last_layer(numbers: Tensor) -> None:
    # The loss is the same for all bases of a space: no gradient along a mixing.
    operator = exact_space(3, 6).operator(numbers).matrix.float()
    rows = random(60, 3).requires_grad_()
    y = rows @ orthonormalizing(rows)
    (y * (operator @ y)).sum().backward()
    assert rows.grad is not None and rows.grad.abs().max() > 1e-2
    along = rows.detach().T @ rows.grad
    assert along.abs().max() < 1e-3 * rows.grad.norm() * rows.detach().norm()
