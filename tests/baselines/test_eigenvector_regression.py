from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.baselines import EigenvectorRegression
from pyg_basis.baselines._batches import draw
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information


def small(num_columns: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MLP([2, 64, 64, num_columns], norm=None)


def fitted_to(x: Tensor, k: int, **kwargs: Any) -> Any:
    settings: dict[str, Any] = {
        "n_neighbors": 20, "batch_size": 400, "max_iter": 250, "learning_rate": 1e-2,
        "network": small(k), "random_state": 0,
    }  # fmt: skip
    return EigenvectorRegression(k, **(settings | kwargs)).fit(x)


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"laplacian": "rw"},
        {"laplacian": "comb"},
        {"extend_degree": True},
    ],
    ids=str,
)
def test_moons(data: Any, k: int, kwargs: dict[str, Any]) -> None:
    x, _ = data(1500)
    new, labels = data(1000, seed=1)
    fitted = fitted_to(x, k, **kwargs)
    embedding = fitted.transform(new)
    exact = ExactEmbedding(k, 20, laplacian=kwargs.get("laplacian", "sym"))
    assert grassmann_distance(embedding, exact(new).vectors) < 0.05
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1
    # The regressed rows themselves, not just their space.
    vectors = exact(x).vectors
    rows = fitted.transform(x)
    signs = (rows * vectors).sum(dim=0).sign()
    error = (rows * signs - vectors).square().mean().item()
    assert error < 0.03
    assert fitted.eigenvalues_ == pytest.approx(exact(x).values.numpy(), abs=1e-5)


class Table(nn.Module):
    """Any rows that are wished for, of points that are numbers in a row."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[x[:, 0].argsort().argsort()]


@pytest.mark.parametrize("laplacian", ["sym", "rw", "comb"])
def test_loss_is_the_mean_square_error(laplacian: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (0.5 + torch.randn(60, generator=generator).abs()).cumsum(0).unsqueeze(1)
    target = ExactEmbedding(2, 6, laplacian=laplacian)(x).vectors
    rows = torch.randn(60, 2, generator=generator)
    kwargs: dict[str, Any] = {
        "n_neighbors": 6, "batch_size": 60, "max_iter": 1, "laplacian": laplacian,
    }  # fmt: skip
    error = float((rows - target).square().mean())
    for given, expected in ((target, 0.0), (target + 0.5, 0.25), (rows, error)):
        fitted = fitted_to(x, 2, network=Table(given), **kwargs)
        assert fitted.history_[0] == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_batches_have_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def spy(num_points: int, size: int, generator: torch.Generator) -> Tensor:
        drawn = draw(num_points, size, generator)
        sizes.append(len(drawn))
        return drawn

    monkeypatch.setattr("pyg_basis.baselines.eigenvector_regression.draw", spy)
    x, _ = two_moons(100)
    # Smaller than a neighbourhood, down to single points, and larger than all.
    for size in (1, 30, 1000):
        fitted_to(x, 2, batch_size=size, max_iter=2)
    assert sizes == [1, 1, 30, 30, 100, 100]


# --- the degrees


def test_regresses_the_eigenvectors_of_the_random_walk() -> None:
    generator = torch.Generator().manual_seed(0)
    x = (0.5 + torch.randn(60, generator=generator).abs()).cumsum(0).unsqueeze(1)
    exact = ExactEmbedding(2, 6)(x)
    relative = (exact.degree / exact.degree.mean()).unsqueeze(1)
    walk = exact.vectors / relative.sqrt()
    assert walk[:, 0].std() < 1e-4  # the first one is constant
    kwargs: dict[str, Any] = {"n_neighbors": 6, "batch_size": 60, "max_iter": 1}
    for given, expected in ((walk, 0.0), (walk + 0.5, 0.25)):
        fitted = fitted_to(x, 2, network=Table(given), extend_degree=True, **kwargs)
        assert fitted.history_[0] == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_rows_are_multiplied_by_the_root_of_the_degree() -> None:
    x, _ = two_moons(1500)
    new, _ = two_moons(1000, seed=1)
    fitted = fitted_to(x, 2, extend_degree=True)
    root = fitted.module_.degree(new)
    rows = fitted.module_.rows(new).detach()
    torch.testing.assert_close(fitted.transform(new), rows * root.unsqueeze(1))
    degree = ExactEmbedding(2, 20).operator(x).degree
    relative = fitted.module_.degree(x).square() * degree.mean() / degree
    assert (relative.log().abs()).mean() < 0.05
    # What is regressed are the random walk's eigenvectors, which are constants here
    # but for the network's error: the degrees vary by far more.
    deviation = degree.std() / degree.mean()
    first = fitted.module_.rows(x).detach()[:, 0].abs()
    assert first.std() / first.mean() < 0.5 * deviation
    # All is normalised as the exact rows are.
    square = fitted.transform(x).square().mean(dim=0)
    torch.testing.assert_close(square, torch.ones(2), atol=0.05, rtol=0)


def test_without_it_there_is_no_degree() -> None:
    x, _ = two_moons(100)
    fitted = fitted_to(x, 2, max_iter=1)
    assert not hasattr(fitted.module_, "degree")


@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_degrees_are_of_sym_only(
    laplacian: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> None:
        raise AssertionError("it was refused too late")

    x, _ = two_moons(100)
    fitted = fitted_to(x, 2, extend_degree=True, max_iter=1)
    before = fitted.transform(x)
    for name in ("_train", "_new_module"):
        monkeypatch.setattr(EigenvectorRegression, name, work)
    fitted.set_params(laplacian=laplacian)
    match = rf"extend_degree=True needs laplacian='sym', not '{laplacian}'"
    with pytest.raises(ValueError, match=match):
        fitted.fit(x)
    assert torch.equal(fitted.transform(x), before)


def test_save_and_load_with_the_degree(tmp_path: Any) -> None:
    x, _ = two_moons(100)
    fitted = fitted_to(x, 2, extend_degree=True, max_iter=3, network=None)
    fitted.save(tmp_path / "one.pt")
    loaded = EigenvectorRegression.load(tmp_path / "one.pt")
    assert torch.equal(loaded.transform(x), fitted.transform(x))
    assert torch.equal(loaded.module_.degree(x), fitted.module_.degree(x))
