import pytest
import torch
from torch import nn
from torch_geometric.nn import MLP

from pyg_basis.baselines._embedding_network import EmbeddingNetwork
from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian


def points(num_points: int = 20) -> torch.Tensor:
    return torch.randn(num_points, 3, generator=torch.Generator().manual_seed(0))


def test_is_the_network_on_standardised_points_times_a_matrix() -> None:
    network = nn.Linear(3, 2)
    module = EmbeddingNetwork(3, 2, network)
    x = 2 * points() + 1
    # Until something is fitted: the network alone.
    torch.testing.assert_close(module(x), network(x))
    module.standardization.fit(x)
    standard = (x - x.mean(dim=0)) / x.std(dim=0, correction=0)
    torch.testing.assert_close(module.rows(x), network(standard))
    matrix = torch.tensor([[1.0, 2], [3, 4]])
    module.matrix.copy_(matrix)
    torch.testing.assert_close(module.rows(x), network(standard))
    torch.testing.assert_close(module(x), network(standard) @ matrix)


def test_all_that_is_fitted_is_saved_and_only_the_network_is_trained() -> None:
    module = EmbeddingNetwork(3, 2, nn.Linear(3, 2))
    parameters = {name for name, _ in module.named_parameters()}
    assert parameters == {"network.weight", "network.bias"}
    buffers = {"matrix", "eigenvalues"}
    buffers |= {f"standardization.{name}" for name in ("mean", "scale", "linear_range")}
    assert set(module.state_dict()) == parameters | buffers


def test_takes_the_eigenvectors_that_the_outputs_hold() -> None:
    x = torch.linspace(0, 1, 30).unsqueeze(1)
    operator = laplacian(affinity(knn_graph(x.double(), 2)))
    operator = Laplacian(operator.matrix.float(), "sym", operator.degree.float())
    values, vectors = torch.linalg.eigh(operator.matrix.to_dense().double())
    weight = torch.rand(30, 1, generator=torch.Generator().manual_seed(0)) + 0.5

    class Rows(nn.Module):  # the first eigenvectors but for the weight, mixed
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            mixed = vectors[:, :3].float() @ torch.tensor(
                [[1.0, 2, 0], [0, 1, 3], [1, 0, 1]]
            )
            return mixed / weight

    module = EmbeddingNetwork(1, 3, Rows())
    module.take_eigenvectors(x, operator, weight)
    torch.testing.assert_close(
        module.eigenvalues, values[:3].float(), atol=1e-5, rtol=0
    )
    rows = module(x) * weight
    expected = vectors[:, :3].float() * 30**0.5
    signs = (rows * expected).sum(dim=0).sign()
    torch.testing.assert_close(rows * signs, expected, atol=1e-3, rtol=0)


def test_default_network() -> None:
    module = EmbeddingNetwork(3, 4)
    assert isinstance(module.network, MLP)
    assert module.network.channel_list == [3, 256, 512, 512, 256, 4]
    assert module(points()).shape == (20, 4)
    assert repr(module) == "EmbeddingNetwork(3, 4)"


@pytest.mark.parametrize("num_columns", [1, 3])
def test_network_of_a_wrong_width(num_columns: int) -> None:
    module = EmbeddingNetwork(3, 2, nn.Linear(3, num_columns))
    match = rf"network gives shape \(20, {num_columns}\) for 20 points, expected"
    with pytest.raises(ValueError, match=match):
        module.rows(points())


def test_network_that_mixes_points() -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2].mean(dim=0)

    with pytest.raises(ValueError, match=r"network gives shape \(2,\)"):
        EmbeddingNetwork(3, 2, Mean())(points())
