from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian
from pyg_basis.metrics import grassmann_distance
from pyg_basis.readout import RayleighRitz

N, K = 120, 5
KINDS = ("sym", "rw", "comb")
SEEDS = st.integers(0, 10**6)


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def operator_of(kind: Any = "rw", num_nodes: int = N, seed: int = 0) -> Laplacian:
    """A connected graph of points in a square."""
    x = torch.rand(num_nodes, 2, generator=torch.Generator().manual_seed(seed))
    operator = laplacian(affinity(knn_graph(x.double(), 10)), kind)
    assert operator.components.max() == 0
    return operator


def weights(operator: Laplacian) -> Tensor:
    """How nodes count in the inner product, in sum 1."""
    degree = operator.degree if operator.kind == "rw" else torch.ones(N).double()
    return degree / degree.sum()


def exact_pairs(operator: Laplacian) -> tuple[Tensor, Tensor]:
    """All eigenvalues and eigenvectors, with mean square 1."""
    values, vectors = torch.linalg.eigh(operator.symmetric().to_dense())
    if operator.kind == "rw":
        vectors = vectors / operator.degree.sqrt()[:, None]
    return values, vectors / (weights(operator) @ vectors.square()).sqrt()


def moments_of(
    features: Tensor,
    *operators: Laplacian,
    num_nodes: int | None = None,
    num_vectors: int = 8,
    seed: int = 0,
) -> RayleighRitz:
    """The moments of the same features in several graphs."""
    moments = RayleighRitz(
        lambda x: x,
        features,
        num_nodes or len(features),
        num_vectors,
        torch.Generator().manual_seed(seed),
    )
    for operator in operators:
        moments.add(features, operator)
    return moments


def rows_of(moments: RayleighRitz, features: Tensor, k: int) -> tuple[Tensor, Tensor]:
    values, coefficients = moments.solve(k)
    return values, moments.vectors(values, coefficients).rows(features)


def same_up_to_sign(rows: Tensor, expected: Tensor, atol: float = 1e-7) -> None:
    signs = (rows * expected).sum(dim=0).sign()
    torch.testing.assert_close(rows * signs, expected, atol=atol, rtol=0)


# --- one graph


@pytest.mark.parametrize("kind", KINDS)
@given(seed=SEEDS)
def test_mixed_eigenvectors_are_found(kind: Any, seed: int) -> None:
    operator = operator_of(kind)
    values, vectors = exact_pairs(operator)
    left, right = (torch.linalg.qr(random(K, K, seed=seed + i)).Q for i in range(2))
    scales = torch.tensor([0.2, 0.5, 1.0, 2.0, 3.0]).double()
    features = vectors[:, :K] @ (left * scales @ right) + random(K, seed=seed + 2)
    found, rows = rows_of(moments_of(features, operator), features, K)
    same_up_to_sign(rows, vectors[:, :K])
    torch.testing.assert_close(found, values[:K], atol=1e-9, rtol=1e-7)


@given(seed=SEEDS, share=st.floats(1e-3, 0.1), kind=st.sampled_from(KINDS))
def test_eigenvalues_are_closer_than_ritz_values(
    seed: int, share: float, kind: str
) -> None:
    operator = operator_of(kind)
    exact, vectors = exact_pairs(operator)
    noise = random(N, K, seed=seed) * vectors.square().mean().sqrt()
    moments = moments_of(vectors[:, :K] + share * noise, operator)
    ritz, coefficients = moments.solve(K)
    found = moments.eigenvalues(coefficients)
    assert found.shape == (K,) and (found.diff() >= 0).all()
    # They are Ritz values, too: upper bounds.
    assert (found >= exact[:K] - 1e-9 * exact[-1]).all()
    # The steps for "comb" are bounded by the largest degree.
    most = 1.0 if kind == "comb" else 0.2
    assert (found - exact[:K]).sum() <= most * (ritz - exact[:K]).sum()


# --- features that are no basis


@given(
    seed=SEEDS,
    copies=st.integers(0, 5),
    level=st.floats(-100, 100),
    kind=st.sampled_from(KINDS),
)
def test_dependent_and_constant_features_change_nothing(
    seed: int, copies: int, level: float, kind: str
) -> None:
    operator, features = operator_of(kind), random(N, 3, seed=seed)
    copied = features @ random(3, copies, seed=seed + 1)
    constant = torch.full((N, 1), level).double()
    dependent = torch.cat([copied, constant, features], dim=1)
    values, rows = rows_of(moments_of(features, operator), features, 20)
    others, again = rows_of(moments_of(dependent, operator), dependent, 20)
    assert others.shape == (4,)
    torch.testing.assert_close(others, values, atol=1e-9, rtol=1e-6)
    same_up_to_sign(again, rows, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.0, 1.0, -12345.678])
def test_constant_features_alone(kind: Any, level: float) -> None:
    features = torch.full((N, 3), level)
    # As a matrix product gives them, whose last rows are added up in another order.
    features[-7:] += abs(level) * torch.finfo(torch.float32).eps
    values, rows = rows_of(moments_of(features, operator_of(kind)), features, 5)
    assert values.shape == (1,)  # the constant
    torch.testing.assert_close(rows, torch.ones(N, 1))


def test_features_of_very_different_sizes() -> None:
    # A direction with a small share of the variance is found, one of rounding is not.
    _, vectors = exact_pairs(operator_of())
    features = vectors[:, 1:4] * torch.tensor([1, 1e-6, 100]).double()
    values, rows = rows_of(moments_of(features, operator_of()), features, 5)
    assert values.shape == (3,)
    same_up_to_sign(rows[:, 1:], vectors[:, [1, 3]], atol=1e-5)


def test_directions_do_not_follow_the_noise_of_few_nodes() -> None:
    # As many features as nodes would be able to follow any vector.
    features = random(N, N)
    for num_vectors, most in ((2, N // 8), (8, 32), (100, N // 2)):
        moments = moments_of(features, operator_of(), num_vectors=num_vectors)
        assert len(moments.solve(N)[0]) == most + 1
    # More graphs allow more.
    moments = moments_of(features, num_nodes=6 * N, num_vectors=1)
    for count in (1, 2, 3):
        moments.add(features, operator_of(seed=count))
        assert len(moments.solve(N)[0]) == count * N // 8 + 1


def test_directions_are_those_of_the_most_variance() -> None:
    features = random(N, 20) - random(N, 20).mean(dim=0)
    features = torch.linalg.qr(features).Q * 0.8 ** torch.arange(20).double()
    moments = moments_of(features, operator_of(), num_nodes=6 * N, num_vectors=1)
    fewer = moments_of(features[:, : N // 8], operator_of())
    torch.testing.assert_close(moments.solve(N)[0], fewer.solve(N)[0])


def test_more_features_and_nodes_than_directions() -> None:
    # The random mixture leaves most directions out, but not the leading ones.
    num_nodes = 1200
    operator = operator_of(num_nodes=num_nodes)
    values, vectors = torch.linalg.eigh(operator.symmetric().to_dense())
    vectors = vectors[:, :K] / operator.degree.sqrt()[:, None] * num_nodes**0.5
    features = vectors[:, 1:] @ random(K - 1, 1100)
    features = features + 1e-3 * random(num_nodes, 1100, seed=1)
    found, rows = rows_of(moments_of(features, operator), features, K)
    assert grassmann_distance(rows, vectors) < 1e-3
    torch.testing.assert_close(found, values[:K], atol=1e-3, rtol=0)


@pytest.mark.usefixtures("untouched_global_generators")
def test_the_mixture_is_that_of_the_seed() -> None:
    features = random(N, 3) @ random(3, 1100) + 0.1 * random(N, 1100, seed=1)
    first, second, other = (
        moments_of(features, operator_of(), seed=seed).solve(K)[1] for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


# --- the constant


@pytest.mark.parametrize("kind", ["rw", "comb"])
def test_the_constant_comes_first_in_a_disconnected_graph(kind: Any) -> None:
    start = torch.tensor([i for i in range(N - 1) if i != N // 2 - 1])  # two paths
    edges = torch.stack([start, start + 1])
    graph = Data(edge_index=torch.cat([edges, edges.flip(0)], dim=1), num_nodes=N)
    operator = laplacian(graph, kind)
    is_second = (torch.arange(N) >= N // 2).double()[:, None]
    features = torch.cat([random(N, 2), 3 * is_second], dim=1) @ random(3, 3, seed=1)
    values, rows = rows_of(moments_of(features, operator), features, 4)
    assert float(values[0]) == 0
    assert float(rows[0, 0]) == pytest.approx(1, abs=1e-7)
    assert torch.equal(rows[:, 0], rows[:1, 0].expand(N))
    # Then the other null vector, and no mixture of both.
    assert float(values[1]) == pytest.approx(0, abs=1e-12)
    same_up_to_sign(rows[:, 1:2], 1 - 2 * is_second)
    assert values[2] > 1e-3


# --- several graphs


@pytest.mark.parametrize("kind", KINDS)
def test_moments_of_two_graphs_are_their_mean(kind: Any) -> None:
    operators = [operator_of(kind, seed=seed) for seed in (0, 1)]
    features = random(N, 6)
    values, rows = rows_of(moments_of(features, *operators), features, 7)
    mass, stiffness = torch.zeros(2, 7, 7).double()
    for operator in operators:
        weighted = rows * weights(operator)[:, None]
        mass += weighted.T @ rows / 2
        stiffness += weighted.T @ (operator.matrix @ rows) / 2
    torch.testing.assert_close(mass, torch.eye(7).double(), atol=1e-9, rtol=0)
    scale = float(values[-1])
    torch.testing.assert_close(stiffness, torch.diag(values), atol=1e-9 * scale, rtol=0)


def test_eigenvalues_of_two_graphs_are_of_their_mean() -> None:
    graphs, features = [operator_of(seed=seed) for seed in (0, 1)], random(N, 6)
    one, other, both, twice = (
        moments_of(features, *chosen)
        for chosen in (graphs[:1], graphs[1:], graphs, 2 * graphs)
    )
    coefficients = one.solve(5)[1]
    first, second, mean, again = (
        moments.eigenvalues(coefficients) for moments in (one, other, both, twice)
    )
    torch.testing.assert_close(again, mean)
    # Each vector's quotient is between those in the two graphs.
    assert torch.minimum(first, second)[0] < mean[0]
    assert mean[-1] < torch.maximum(first, second)[-1]


def test_nodes_may_come_in_blocks_and_in_any_order() -> None:
    operator, features = operator_of(), random(N, 6)
    whole, parts, turned = (moments_of(features) for _ in range(3))
    whole.add(features, operator)
    parts.add(iter(features.split(50)), operator)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    dense = operator.matrix.to_dense()[order][:, order]
    again = Laplacian(dense.to_sparse_csr(), "rw", operator.degree[order])
    turned.add(features[order], again)
    for moments in (parts, turned):
        torch.testing.assert_close(moments.solve(7)[0], whole.solve(7)[0])


# --- when enough graphs were added


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_graph_again_settles(kind: Any) -> None:
    operator, features = operator_of(kind), random(N, 6)
    moments = moments_of(features, operator)
    assert not moments.is_settled(3, 1e-3)  # one graph does not show the noise
    for _ in range(4):
        moments.add(features, operator)
        assert moments.is_settled(3, 1e-3)


def test_small_graphs_are_looked_at_together() -> None:
    # Of 40 features and the constant, each costs as much as eight nodes, which three
    # graphs have together: the first, the fourth and the seventh are looked at. The
    # first allows 32 directions, so what the fourth adds to them is not all noise.
    features, settled = random(N, 40), []
    moments = moments_of(features, num_nodes=9 * N)
    for _ in range(7):
        moments.add(features, operator_of())
        settled.append(moments.is_settled(3, 10.0))
    assert settled == [False] * 6 + [True]


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_what_is_left_of_the_noise(share: float) -> None:
    # Three graphs, and one more of 1 / 4 of the weight: three times its turn is left.
    k, features = 3, random(N, 6)
    moments = moments_of(features, *3 * [operator_of()])
    before = moments.solve(k)[1]
    assert not moments.is_settled(k, 1.0)
    moments.add(features, operator_of(seed=1))
    after = moments.solve(k)[1]
    # The space is turned for a distance whatever basis it has.
    root = torch.linalg.cholesky(moments.mass).T
    left = 3 * grassmann_distance(root @ before, root @ after)
    assert moments.is_settled(k, share * left / k) == (share > 1)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_features", [2, 6])
def test_settling_does_not_depend_on_the_scale(
    num_features: int, factor: float
) -> None:
    # Two features and the constant have one space of three directions, six can turn.
    features = random(N, num_features)
    moments = moments_of(features, operator_of())
    moments.is_settled(3, 1e-3)
    moments.add(factor * features, operator_of(seed=1))
    assert moments.is_settled(3, 1e-3) == (num_features == 2)


def test_eigenvalues_at_the_end_of_the_spectrum_are_not_left_out() -> None:
    """The steps that take out large eigenvalues leave nothing of such vectors."""
    index = torch.arange(N)
    edges = torch.stack([index, (index + 1) % N])  # an even ring, of eigenvalue 2
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    weight = torch.ones(2 * N, dtype=torch.float64)
    data = Data(edge_index=edges, edge_weight=weight, num_nodes=N)
    operator = laplacian(data, "rw")
    values, vectors = exact_pairs(operator)
    moments = moments_of(vectors[:, [1, 3, N - 1]], operator)
    coefficients = moments.solve(K)[1]
    expected = values[[0, 1, 3, N - 1]]
    assert torch.allclose(moments.eigenvalues(coefficients), expected, atol=1e-9)


@given(SEEDS)
def test_earlier_moments_count_as_their_graphs(seed: int) -> None:
    features = random(N, 7, seed=seed)
    first, second = operator_of(seed=1), operator_of(seed=2)
    both = moments_of(features, first, second).solve(K)
    earlier = moments_of(features, first).moments()
    alone = moments_of(features, second).solve(K)
    for share, (values, _) in (0.5, both), (0, alone):
        joined = RayleighRitz(
            lambda x: x, features, N, 8, torch.Generator(), earlier=earlier, share=share
        )
        joined.add(features, second)
        assert torch.allclose(joined.solve(K)[0], values, atol=1e-8)
