from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.baselines import SpecNet2, specnet2
from pyg_basis.baselines._batches import draw
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information

K = 3


def small(num_columns: int, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MLP([2, 64, 64, num_columns], norm=None)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parts(x: Tensor, k: int = 8) -> tuple[Tensor, Tensor]:
    """The smoothing ``A`` and the relative degrees, dense."""
    operator = laplacian(affinity(knn_graph(x.double(), k)), "sym")
    smoothing = torch.eye(len(x)).double() - operator.matrix.to_dense()
    return smoothing.float(), (operator.degree / operator.degree.mean()).float()


def dense_loss(z: Tensor, smoothing: Tensor) -> Tensor:
    n = len(z)
    gram = z.T @ z / n
    return -2 / n * torch.trace(z.T @ smoothing @ z) + torch.linalg.norm(gram) ** 2


def made(kind: Any, operator: Any, size: int, network: Any) -> tuple[SpecNet2, Any]:
    estimator = SpecNet2(
        K, batch_operator=operator, batch_size=size, n_neighbors=8, laplacian=kind,
        network=network,
    )  # fmt: skip
    return estimator, estimator._new_module(2, 0)


def loss_of(estimator: SpecNet2, module: Any, x: Tensor, seed: int = 0) -> Tensor:
    losses = {"local": estimator._local, "neighbor": estimator._neighbor}
    return losses[estimator.batch_operator](module, x, seeded(seed))()


def gradients(module: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters())))


def embedded(module: Any, x: Tensor, degree: Tensor, kind: str) -> Tensor:
    factor = degree.sqrt().unsqueeze(1) if kind == "rw" else 1.0
    return module.rows(x) * factor


# --- the loss and its gradient


@pytest.mark.parametrize("kind", ["sym", "rw"])
@pytest.mark.parametrize("batch_operator", ["neighbor", "local"])
def test_all_points_give_the_whole_loss_and_its_gradient(
    kind: Any, batch_operator: Any
) -> None:
    x = torch.randn(120, 2, generator=seeded())
    estimator, module = made(kind, batch_operator, 120, small(K))
    module.standardization.fit(x)
    smoothing, degree = parts(x)
    expected = dense_loss(embedded(module, x, degree, kind), smoothing)
    loss = loss_of(estimator, module, x)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    found = gradients(module, loss)
    for ours, theirs in zip(found, gradients(module, expected), strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, atol=1e-4 * scale, rtol=1e-3)
    # The test can tell the two kinds apart.
    other = dense_loss(embedded(module, x, degree, "rw"), smoothing)
    if kind == "sym":
        assert float(loss.detach()) != pytest.approx(float(other.detach()), rel=1e-3)


@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_local_loss_is_that_of_the_batch_alone(kind: Any) -> None:
    x = torch.randn(300, 2, generator=seeded())
    estimator, module = made(kind, "local", 60, small(K))
    batch = x[draw(300, 60, seeded(4))]
    smoothing, degree = parts(batch)
    expected = dense_loss(embedded(module, batch, degree, kind), smoothing)
    loss = loss_of(estimator, module, x, seed=4)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_neighbor_gradient_of_a_batch(kind: Any) -> None:
    x = torch.randn(300, 2, generator=seeded())
    estimator, module = made(kind, "neighbor", 60, small(K))
    generator = seeded(4)
    batch = draw(300, 60, generator)
    smoothing, degree = parts(x)
    is_near = (smoothing[batch] != 0).any(dim=0)
    is_near[batch] = True
    others = draw(300, int(is_near.sum()), generator)
    assert 60 < len(others) < 300
    z = embedded(module, x, degree, kind)
    near, fixed = z[batch], z.detach()
    gram = fixed[others].T @ fixed[others] / len(others)
    gradient = 4 * (fixed[batch] @ gram - smoothing[batch] @ fixed) / 60
    expected = gradients(module, (near * gradient).sum())
    loss = loss_of(estimator, module, x, seed=4)
    value = (
        gram.square().sum() - 2 / 60 * (fixed[batch] * (smoothing @ fixed)[batch]).sum()
    )
    assert float(loss.detach()) == pytest.approx(float(value), rel=1e-4)
    for ours, theirs in zip(gradients(module, loss), expected, strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, atol=1e-4 * scale, rtol=1e-3)


class Table(nn.Module):
    """Any rows that are wished for, of points with a tenth of their number as first
    feature."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[(10 * x[:, 0]).round().long()]


@pytest.mark.parametrize("kind", ["sym", "rw"])
@pytest.mark.parametrize("batch_operator", ["neighbor", "local"])
def test_minimum(kind: Any, batch_operator: Any) -> None:
    x = torch.stack([torch.arange(100.0), torch.rand(100, generator=seeded())], dim=1)
    x /= 10
    smoothing, degree = parts(x)
    values, vectors = torch.linalg.eigh(smoothing.double())
    values, vectors = values.flip(0)[:K], vectors.flip(1)[:, :K]
    root = degree.double().sqrt().unsqueeze(1) if kind == "rw" else 1.0
    mixed = torch.linalg.qr(torch.randn(K, K, generator=seeded()).double()).Q

    def norm_and_loss(z: Tensor) -> tuple[float, float]:
        table = Table((z / root).float())
        estimator, module = made(kind, batch_operator, 100, table)
        loss = loss_of(estimator, module, x)
        (gradient,) = gradients(module, loss)
        return float(gradient.norm()), float(loss.detach())

    # In any basis; not at the eigenvectors themselves, nor elsewhere.
    z = 10 * vectors * values.sqrt() @ mixed
    norm, least = norm_and_loss(z)
    assert norm < 1e-5
    assert least == pytest.approx(-float(values.square().sum()), abs=1e-4)
    for other in (10 * vectors, z * 1.1, z[:, :2] @ torch.ones(2, K).double()):
        norm, loss = norm_and_loss(other)
        assert norm > 1e-4
        assert loss > least
    _, without = norm_and_loss(z + 0.1 * torch.randn(100, K, generator=seeded()))
    assert without > least + 1e-3


def test_neighbors_in_addition_to_the_batch() -> None:
    # A batch far smaller than a neighbourhood has no graph of its own.
    x, _ = two_moons(200)
    kwargs: dict[str, Any] = {
        "batch_size": 5, "n_neighbors": 20, "max_iter": 3, "network": small(2),
    }  # fmt: skip
    fitted = SpecNet2(2, batch_operator="neighbor", **kwargs).fit(x)
    assert torch.isfinite(fitted.transform(x)).all()
    with pytest.raises(ValueError, match=r"^n_neighbors=20 needs .* 21 points.* has 5"):
        SpecNet2(2, batch_operator="local", **kwargs).fit(x)


# --- what it learns


@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_embedding_is_orthonormal(kind: Any) -> None:
    x, _ = two_moons(300)
    fitted = SpecNet2(
        3, n_neighbors=10, batch_size=100, max_iter=3, network=small(3),
        laplacian=kind, random_state=0,
    ).fit(x)  # fmt: skip
    exact = ExactEmbedding(3, 10, laplacian=kind)
    y = fitted.transform(x).double()
    if kind == "rw":
        degree = exact.operator(x).degree.double()
        y = y * (degree / degree.mean()).sqrt().unsqueeze(1)
    torch.testing.assert_close(y.T @ y / 300, torch.eye(3).double(), atol=1e-3, rtol=0)
    energy = y.T @ (exact.operator(x).symmetric().double() @ y) / 300
    expected = torch.diag(torch.from_numpy(fitted.eigenvalues_).double())
    torch.testing.assert_close(energy, expected, atol=1e-3, rtol=0)


def test_post_processing_is_done_on_the_last_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(specnet2, "LAST_SAMPLE", 120)
    sizes = []

    def spy(num_points: int, size: int, generator: torch.Generator) -> Tensor:
        sizes.append(size)
        return draw(num_points, size, generator)

    monkeypatch.setattr(specnet2, "draw", spy)
    x, _ = two_moons(400)
    SpecNet2(2, n_neighbors=10, batch_size=50, max_iter=2, network=small(2)).fit(x)
    assert sizes[::2] == [50, 50, 120]  # for each batch, points for the Gram matrix


def on_moons(data: Any, k: int, **kwargs: Any) -> tuple[float, float]:
    x, _ = data(400)
    new, labels = data(1000, seed=1)
    fitted = SpecNet2(
        k, n_neighbors=30, max_iter=600, learning_rate=1e-2, network=small(k),
        random_state=0, **kwargs,
    ).fit(x)  # fmt: skip
    embedding = fitted.transform(new)
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    exact = ExactEmbedding(k, 30, laplacian=kwargs.get("laplacian", "sym"))
    # Of the new points among those it was fitted on.
    together = exact(torch.cat([new, x])).vectors[: len(new)]
    return normalized_mutual_information(labels, found), grassmann_distance(
        embedding, together
    )


# Few points have a wide gap after the last eigenvalue, by which it converges.
@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
def test_moons(data: Any, k: int) -> None:
    score, distance = on_moons(data, k, batch_size=400)
    assert score > 0.99
    assert distance < 0.1


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize(
    ("batch_operator", "batch_size", "laplacian"),
    [
        ("local", 200, "sym"),
        pytest.param("local", 200, "rw", marks=pytest.mark.slow),
        pytest.param("neighbor", 400, "rw", marks=pytest.mark.slow),
    ],
)
def test_moons_of_other_kinds(
    data: Any, k: int, batch_operator: Any, batch_size: int, laplacian: Any
) -> None:
    score, distance = on_moons(
        data, k, batch_operator=batch_operator, batch_size=batch_size,
        laplacian=laplacian,
    )  # fmt: skip
    assert score > 0.99
    assert distance < 0.2
