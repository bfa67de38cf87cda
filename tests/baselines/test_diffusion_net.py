from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.baselines import DiffusionNet, diffusion_net
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.eigen import eigenpairs
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information

K = 3


def small(num_columns: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MLP([2, 64, 64, num_columns], norm=None)


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize("laplacian", ["sym", "rw"])
def test_moons(data: Any, k: int, laplacian: Any) -> None:
    x, _ = data(1200)
    new, labels = data(1000, seed=1)
    fitted = DiffusionNet(
        k, n_neighbors=20, max_iter=150, learning_rate=1e-2, network=small(k),
        laplacian=laplacian, decoder=False, random_state=0,
    ).fit(x)  # fmt: skip
    embedding = fitted.transform(new)
    exact = ExactEmbedding(k, 20, laplacian=laplacian)
    assert grassmann_distance(embedding, exact(new).vectors) < 0.05
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1
    assert fitted.eigenvalues_ == pytest.approx(exact(x).values.numpy(), abs=1e-5)


# --- the loss


class Table(nn.Module):
    """Any rows that are wished for, of points that are numbers in a row."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[x[:, 0].argsort().argsort()]


def numbers() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (0.5 + torch.randn(60, generator=generator).abs()).cumsum(0).unsqueeze(1)


def first_loss(rows: Tensor, **kwargs: Any) -> float:
    settings: dict[str, Any] = {
        "n_neighbors": 6, "max_iter": 1, "network": Table(rows), "decoder": False,
        "weight_decay": 0.0, "random_state": 0,
    }  # fmt: skip
    return DiffusionNet(K, **(settings | kwargs)).fit(numbers()).history_[0]


@pytest.mark.parametrize("laplacian", ["sym", "rw"])
def test_loss_is_zero_at_exact_eigenvectors(laplacian: Any) -> None:
    exact = ExactEmbedding(K, 6, laplacian=laplacian)(numbers()).vectors
    settings: dict[str, Any] = {"laplacian": laplacian, "eigenvector_penalty": 10.0}
    assert first_loss(exact, **settings) == pytest.approx(0, abs=1e-8)
    # Three times as long they are eigenvectors still: half of 2^2 a column is left.
    assert first_loss(3 * exact, **settings) == pytest.approx(2 * K, rel=1e-4)
    # Those of the other kind are not.
    other: Any = "rw" if laplacian == "sym" else "sym"
    wrong = ExactEmbedding(K, 6, laplacian=other)(numbers()).vectors
    without = first_loss(wrong, laplacian=laplacian, eigenvector_penalty=0.0)
    assert first_loss(wrong, **settings) > without + 1e-3


@pytest.mark.parametrize("laplacian", ["sym", "rw"])
@pytest.mark.parametrize(("decay", "penalty"), [(0.0, 0.0), (0.3, 0.0), (0.3, 2.0)])
def test_loss(laplacian: Any, decay: float, penalty: float) -> None:
    rows = torch.randn(60, K, generator=torch.Generator().manual_seed(1))
    space = ExactEmbedding(K, 6, laplacian=laplacian)
    exact, operator = space(numbers()), space.operator(numbers())
    diffusion = torch.eye(60) - operator.matrix.to_dense()
    expected = (rows - exact.vectors).square().sum() / 120
    expected += decay / 2 * rows.square().sum()
    for value, column in zip(1 - exact.values, rows.T, strict=True):
        error = (diffusion - value * torch.eye(60)) @ column
        expected += penalty / 120 * error.square().sum()
    found = first_loss(
        rows, laplacian=laplacian, weight_decay=decay, eigenvector_penalty=penalty
    )
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_biases_do_not_decay() -> None:
    class Shifted(Table):
        def __init__(self, rows: Tensor) -> None:
            super().__init__(rows)
            self.bias = nn.Parameter(torch.full((K,), 100.0))

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + self.bias - 100

    rows = torch.randn(60, K, generator=torch.Generator().manual_seed(1))
    decayed = first_loss(rows, weight_decay=0.3)
    assert first_loss(rows, weight_decay=0.3, network=Shifted(rows)) == pytest.approx(
        decayed, rel=1e-4
    )


# --- the sample


@pytest.mark.parametrize(
    ("sample_size", "num_nodes"), [(None, 200), (70, 70), (300, 200)]
)
def test_sample_size(
    sample_size: Any, num_nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = []

    def spy(operator: Any, *args: Any) -> Any:
        nodes.append(operator.num_nodes)
        return eigenpairs(operator, *args)

    monkeypatch.setattr(diffusion_net, "eigenpairs", spy)
    x, _ = two_moons(200)
    settings: dict[str, Any] = {
        "n_neighbors": 10, "max_iter": 1, "network": small(2), "decoder": False,
        "sample_size": sample_size,
    }  # fmt: skip
    first, second = (DiffusionNet(2, random_state=s, **settings).fit(x) for s in (0, 1))
    assert nodes == [num_nodes, num_nodes]
    means = [e.module_.standardization.mean for e in (first, second)]
    is_all = num_nodes == 200
    assert torch.allclose(*means, atol=1e-5) == is_all  # others are drawn
    assert torch.allclose(means[0], x.mean(dim=0), atol=1e-5) == is_all


# --- the decoder


@pytest.fixture(scope="module")
def decoded() -> tuple[Any, Tensor]:
    # Of a curve, whose eigenvectors tell where on it a point is; off the origin.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion_net, "HIDDEN_CHANNELS", (64, 64))
        x, _ = two_moons(400, noise=0.02)
        x = 20 * x + torch.tensor([50.0, -300.0])
        fitted = DiffusionNet(
            6, n_neighbors=15, max_iter=300, learning_rate=1e-2, network=small(6),
            random_state=0,
        ).fit(x)  # fmt: skip
    return fitted, x


def test_decodes_its_embedding(decoded: tuple[Any, Tensor]) -> None:
    fitted, x = decoded
    points = fitted.inverse_transform(fitted.transform(x))
    assert points.shape == x.shape and points.dtype == torch.float32
    assert not points.requires_grad
    error = (points - x).square().mean(dim=0) / x.var(dim=0)
    assert (error < 0.1).all()
    # Of the exact rows, which it is trained on, as well.
    exact = ExactEmbedding(6, 15)(x).vectors
    rows = fitted.transform(x)
    signs = (rows * exact).sum(dim=0).sign()
    points = fitted.inverse_transform(exact * signs)
    error = (points - x).square().mean(dim=0) / x.var(dim=0)
    assert (error < 0.1).all()


def test_decodes_arrays(decoded: tuple[Any, Tensor]) -> None:
    fitted, x = decoded
    rows = fitted.transform(x[:20])
    expected = fitted.inverse_transform(rows)
    for kind in (Tensor.numpy, lambda r: r.double().numpy(), Tensor.tolist):
        points = fitted.inverse_transform(kind(rows))
        assert isinstance(points, np.ndarray)
        np.testing.assert_allclose(points, expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda r: r[:, :5], r"5 columns.*n_components=6: pass rows of the embedding"),
        (lambda r: torch.cat([r, r], dim=1), r"12 columns.*n_components=6"),
        (lambda r: r * torch.nan, "NaN"),
        (lambda r: r[0], "2D array"),
    ],
)
def test_rows_that_cannot_be_decoded(
    decoded: tuple[Any, Tensor], spoil: Callable[[Tensor], Tensor], match: str
) -> None:
    fitted, x = decoded
    with pytest.raises(ValueError, match=match):
        fitted.inverse_transform(spoil(fitted.transform(x)))


def test_without_a_decoder() -> None:
    x, _ = two_moons(100)
    settings: dict[str, Any] = {"n_neighbors": 10, "max_iter": 1, "network": small(2)}
    fitted = DiffusionNet(2, decoder=False, **settings).fit(x)
    with pytest.raises(ValueError, match=r"decoder=False.*fit with decoder=True"):
        fitted.inverse_transform(fitted.transform(x))
    assert not hasattr(fitted.module_, "decoder")
    with pytest.raises(NotFittedError):
        DiffusionNet(2).inverse_transform(np.zeros((3, 2)))


def test_decoder_is_apart_from_the_encoder() -> None:
    x, _ = two_moons(100)
    settings: dict[str, Any] = {
        "n_neighbors": 10, "max_iter": 3, "network": small(2), "random_state": 0,
    }  # fmt: skip
    with_it, without = (
        DiffusionNet(2, decoder=decoder, **settings).fit(x) for decoder in (True, False)
    )
    assert torch.equal(with_it.transform(x), without.transform(x))
    assert with_it.history_ == without.history_
    # Of mirrored widths.
    widths = with_it.module_.decoder.channel_list
    assert widths == [2, 256, 512, 512, 256, 2]


def test_decoder_is_saved(tmp_path: Any) -> None:
    x, _ = two_moons(100)
    fitted = DiffusionNet(2, n_neighbors=10, max_iter=2, random_state=0).fit(x)
    fitted.save(tmp_path / "one.pt")
    loaded = DiffusionNet.load(tmp_path / "one.pt")
    rows = fitted.transform(x)
    assert torch.equal(loaded.inverse_transform(rows), fitted.inverse_transform(rows))
