from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.baselines import SpectralNet, spectralnet
from pyg_basis.baselines._batches import draw
from pyg_basis.baselines.spectralnet import _orthonormalizing
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information


def small(num_columns: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MLP([2, 64, 64, num_columns], norm=None)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize("laplacian", ["sym", "comb"])
def test_moons(data: Any, k: int, laplacian: Any) -> None:
    x, _ = data(1500)
    new, labels = data(1000, seed=1)
    fitted = SpectralNet(
        k, n_neighbors=20, batch_size=400, max_iter=200, learning_rate=1e-2,
        network=small(k), laplacian=laplacian, random_state=0,
    ).fit(x)  # fmt: skip
    embedding = fitted.transform(new)
    exact = ExactEmbedding(k, 20, laplacian=laplacian)(new).vectors
    assert grassmann_distance(embedding, exact) < 0.1
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1
    assert fitted.history_[-1] < 0.1 * fitted.history_[0]


@pytest.mark.parametrize("laplacian", ["sym", "comb"])
def test_outputs_are_orthonormal(laplacian: Any) -> None:
    # Of all points, fewer than the last sample has; however little it learned.
    x, _ = two_moons(300)
    fitted = SpectralNet(
        3, n_neighbors=10, batch_size=100, max_iter=3, network=small(3),
        laplacian=laplacian, random_state=0,
    ).fit(x)  # fmt: skip
    y = fitted.transform(x).double()
    torch.testing.assert_close(y.T @ y / 300, torch.eye(3).double(), atol=1e-4, rtol=0)
    # Rotated to the eigenvectors that the space holds.
    operator = ExactEmbedding(3, 10, laplacian=laplacian).operator(x)
    energy = y.T @ (operator.matrix.double() @ y) / 300
    expected = torch.diag(torch.from_numpy(fitted.eigenvalues_).double())
    torch.testing.assert_close(energy, expected, atol=1e-3, rtol=0)


def test_last_layer_is_made_on_the_last_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectralnet, "LAST_SAMPLE", 120)
    sizes = []

    def spy(num_points: int, size: int, generator: torch.Generator) -> Tensor:
        sizes.append(size)
        return draw(num_points, size, generator)

    monkeypatch.setattr(spectralnet, "draw", spy)
    x, _ = two_moons(400)
    SpectralNet(2, n_neighbors=10, batch_size=50, max_iter=2, network=small(2)).fit(x)
    assert sizes == [50, 50, 120]


def test_last_layer_is_saved(tmp_path: Path) -> None:
    x, _ = two_moons(200)
    fitted = SpectralNet(
        2, n_neighbors=10, batch_size=100, max_iter=3, network=small(2), random_state=0
    ).fit(x)
    matrix = fitted.module_.get_buffer("matrix")
    assert (matrix - torch.eye(2)).abs().max() > 0.1
    fitted.save(tmp_path / "one.pt")
    saved = torch.load(tmp_path / "one.pt", weights_only=True)
    assert torch.equal(saved["state_dict"]["matrix"], matrix)
    loaded = SpectralNet.load(tmp_path / "one.pt", network=small(2))
    assert torch.equal(loaded.module_.get_buffer("matrix"), matrix)
    rows = fitted.module_.rows(x)
    torch.testing.assert_close(loaded.transform(x), (rows @ matrix).detach())


# --- the loss


class Table(nn.Module):
    """Any rows that are wished for, of points that are numbers in a row."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[x[:, 0].argsort().argsort()]


def first_loss(x: Tensor, rows: Tensor, laplacian: Any) -> float:
    fitted = SpectralNet(
        rows.size(1), n_neighbors=6, batch_size=len(x), max_iter=1, network=Table(rows),
        laplacian=laplacian, random_state=0, learning_rate=1e-9,
    ).fit(x)  # fmt: skip
    return fitted.history_[0]


def numbers() -> Tensor:
    """Points on a line, in order, that are not equally far apart."""
    return (0.5 + random(60).abs()).cumsum(0).unsqueeze(1)


@pytest.mark.parametrize("laplacian", ["sym", "comb"])
def test_loss(laplacian: Any) -> None:
    x, rows = numbers(), random(60, 3)
    graph = affinity(knn_graph(x.double(), 6))
    i, j = graph.edge_index
    degree = torch.zeros(60).double().index_add_(0, i, graph.edge_weight)
    y = torch.linalg.qr(rows.double()).Q * 60**0.5
    if laplacian == "sym":
        y = y / degree.sqrt().unsqueeze(1)
    total = (graph.edge_weight * (y[i] - y[j]).square().sum(dim=1)).sum()
    scale = 60 if laplacian == "sym" else float(degree.sum())
    expected = float(total) / 2 / scale
    assert first_loss(x, rows, laplacian) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("laplacian", ["sym", "comb"])
def test_eigenvectors_have_the_least_loss(laplacian: Any) -> None:
    x = numbers()
    exact = ExactEmbedding(3, 6, laplacian=laplacian)
    rows = exact(x).vectors
    least = float(exact(x).values.sum())
    if laplacian == "comb":
        least /= float(exact.operator(x).degree.mean())
    assert first_loss(x, rows, laplacian) == pytest.approx(least, abs=1e-4)
    assert first_loss(x, rows @ random(3, 3), laplacian) == pytest.approx(
        least, abs=1e-4
    )
    assert first_loss(x, rows + 0.1 * random(60, 3), laplacian) > least + 0.01


def test_orthonormalizing() -> None:
    rows = random(50, 4) @ random(4, 4)
    matrix = _orthonormalizing(rows)
    y = rows @ matrix
    torch.testing.assert_close(y.T @ y / 50, torch.eye(4), atol=1e-4, rtol=0)
    # Of the scale of the outputs nothing is left.
    other = 1e-4 * rows @ _orthonormalizing(1e-4 * rows)
    torch.testing.assert_close(other, y, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("rows", [torch.zeros(50, 3), torch.ones(50, 3)])
def test_outputs_that_do_not_differ_stay_finite(rows: Tensor) -> None:
    rows = rows.clone().requires_grad_()
    y = rows @ _orthonormalizing(rows)
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    assert rows.grad is not None and torch.isfinite(rows.grad).all()


def test_gradient_passes_through_the_last_layer() -> None:
    # The loss is the same for all bases of a space: no gradient along a mixing.
    operator = ExactEmbedding(3, 6).operator(numbers()).matrix.float()
    rows = random(60, 3).requires_grad_()
    y = rows @ _orthonormalizing(rows)
    (y * (operator @ y)).sum().backward()
    assert rows.grad is not None and rows.grad.abs().max() > 1e-2
    along = rows.detach().T @ rows.grad
    assert along.abs().max() < 1e-3 * rows.grad.norm() * rows.detach().norm()
