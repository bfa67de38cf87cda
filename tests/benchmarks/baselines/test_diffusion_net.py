from typing import Any

import pytest
import torch
from sklearn.cluster import KMeans

from benchmarks.baselines import DiffusionNet, diffusion_net
from benchmarks.baselines.embedding_network import EmbeddingNetwork
from benchmarks.lib.exact import exact_space
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information

K = 3
pytestmark = pytest.mark.usefixtures("small_networks")


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
def test_moons(data: Any, k: int) -> None:
    x, _ = data(1200)
    new, labels = data(1000, seed=1)
    model = DiffusionNet(
        k, n_neighbors=20, max_iter=150, learning_rate=1e-2, random_state=0
    )
    embedding = model.fit(x).transform(new)
    assert grassmann_distance(embedding, exact_space(k, 20)(new).vectors) < 0.05
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1


@pytest.mark.parametrize(("decay", "penalty"), [(0.0, 0.0), (0.3, 0.0), (0.3, 2.0)])
def test_loss(decay: float, penalty: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion_net, "WEIGHT_DECAY", decay)
    monkeypatch.setattr(diffusion_net, "EIGENVECTOR_PENALTY", penalty)
    x = three_moons(60)[0]
    module = EmbeddingNetwork(2, K)
    rows = module.rows(x).detach()
    space = exact_space(K, 6)
    exact, operator = space(x), space.operator(x)
    diffusion = torch.eye(60) - operator.matrix.to_dense().float()
    expected = (rows - exact.vectors).square().sum() / 120
    matrices = [w for w in module.network.parameters() if w.dim() == 2]  # no biases
    expected += decay / 2 * sum(w.detach().square().sum() for w in matrices)
    for value, column in zip(1 - exact.values, rows.T, strict=True):
        error = (diffusion - value * torch.eye(60)) @ column
        expected += penalty / 120 * error.square().sum()
    found = DiffusionNet(K, n_neighbors=6)._loss(module, x)()
    assert float(found.detach()) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(("sample_size", "num_nodes"), [(None, 200), (70, 70)])
def test_the_graph_is_that_of_the_sample(
    sample_size: Any, num_nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = []
    eigenpairs = diffusion_net.eigenpairs

    def spy(operator: Any, *args: Any) -> Any:
        nodes.append(operator.num_nodes)
        return eigenpairs(operator, *args)

    monkeypatch.setattr(diffusion_net, "eigenpairs", spy)
    x, _ = two_moons(200)
    DiffusionNet(2, n_neighbors=10, max_iter=1, sample_size=sample_size).fit(x)
    assert nodes == [num_nodes]
