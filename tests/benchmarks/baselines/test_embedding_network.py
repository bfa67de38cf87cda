import pytest
import torch
from torch import Tensor, nn

from benchmarks.baselines.embedding_network import EmbeddingNetwork, rayleigh_ritz
from pyg_basis import BASiSLayer
from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian

N, K = 60, 4


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).double()


@pytest.fixture(scope="module")
def operator() -> Laplacian:
    return laplacian(affinity(knn_graph(random(N, 2), 10)), "sym")


def exact(operator: Laplacian) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(operator.matrix.to_dense().double())
    return values[:K], vectors[:, :K] * N**0.5


def same_up_to_sign(found: Tensor, expected: Tensor, atol: float) -> None:
    signs = (found * expected).sum(dim=0).sign()
    torch.testing.assert_close(found * signs, expected, atol=atol, rtol=0)


def test_the_network_is_that_of_the_layer() -> None:
    layer = BASiSLayer(3, 2, num_anchors=10)
    ours = [*layer.network.parameters(), *layer.output.parameters()]
    theirs = EmbeddingNetwork(3, 2).network.parameters()
    assert [p.shape for p in ours] == [p.shape for p in theirs]


def test_is_the_network_on_standardized_points_times_a_matrix() -> None:
    module = EmbeddingNetwork(3, 2)
    module.network = nn.Linear(3, 2)
    x = 2 * random(20, 3).float() + 1
    module.standardization.fit(x)
    standard = (x - x.mean(dim=0)) / x.std(dim=0, correction=0)
    module.matrix.copy_(torch.tensor([[1.0, 2], [3, 4]]))
    torch.testing.assert_close(module(x), module.network(standard) @ module.matrix)


def test_eigenvectors_that_the_span_holds_are_found(operator: Laplacian) -> None:
    _, vectors = exact(operator)
    rows = vectors @ random(K, K)
    same_up_to_sign(rows @ rayleigh_ritz(rows, operator), vectors, 1e-6)


def test_what_is_found_is_orthonormal_and_diagonal(operator: Laplacian) -> None:
    rows = random(N, K)
    y = rows @ rayleigh_ritz(rows, operator)
    torch.testing.assert_close(y.T @ y / N, torch.eye(K).double())
    energy = y.T @ (operator.matrix.double() @ y) / N
    values = energy.diagonal()
    torch.testing.assert_close(energy, torch.diag(values), atol=1e-9, rtol=0)
    # Ritz values ascend and are never below the eigenvalues.
    assert (values.diff() > 0).all() and (values >= exact(operator)[0] - 1e-12).all()


def test_a_direction_that_is_not_there_is_zero(operator: Laplacian) -> None:
    rows = random(N, 2) @ random(2, K)
    y = rows @ rayleigh_ritz(rows, operator)
    expected = torch.tensor([1.0, 1, 0, 0]).double()
    torch.testing.assert_close(y.square().mean(dim=0), expected, atol=1e-9, rtol=0)
    nothing = rayleigh_ritz(torch.zeros(N, K), operator)
    assert torch.equal(nothing, torch.zeros(K, K))
