from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state

from benchmarks.baselines import EigenvectorRegression
from benchmarks.baselines.training import draw
from benchmarks.lib.exact import exact_space
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information

pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize("extend_degree", [False, True])
def test_moons(data: Any, k: int, extend_degree: bool) -> None:
    x, _ = data(1500)
    new, labels = data(1000, seed=1)
    model = EigenvectorRegression(
        k,
        n_neighbors=20,
        batch_size=400,
        max_iter=250,
        learning_rate=1e-2,
        random_state=0,
        extend_degree=extend_degree,
    ).fit(x)
    embedding = model.transform(new)
    exact = exact_space(k, 20)
    assert grassmann_distance(embedding, exact(new).vectors) < 0.05
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1
    # The regressed rows themselves, not only their space.
    vectors, rows = exact(x).vectors, model.transform(x)
    signs = (rows * vectors).sum(dim=0).sign()
    assert (rows * signs - vectors).square().mean() < 0.02


def test_the_loss_is_the_mean_square_over_a_batch() -> None:
    x, _ = two_moons(300)
    settings = {"n_neighbors": 10, "batch_size": 50, "max_iter": 1, "random_state": 3}
    model = EigenvectorRegression(2, **settings, learning_rate=1e-12).fit(x)
    seed = int(check_random_state(3).randint(2**31 - 1))
    batch = draw(300, 50, torch.Generator().manual_seed(seed))
    target = exact_space(2, 10)(x).vectors
    error = (model.module_.rows(x[batch]) - target[batch]).square().mean()
    assert model.history_[0] == pytest.approx(float(error.detach()), rel=1e-4)
