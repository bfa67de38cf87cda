from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian
from pyg_basis.metrics import grassmann_distance
from pyg_basis.nn.rayleigh_ritz import MOST_DIRECTIONS, RayleighRitz

N, K = 120, 5
KINDS = ("sym", "rw", "comb")


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def operator_of(kind: Any, num_nodes: int = N, seed: int = 0) -> Laplacian:
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


def identity(x: Tensor) -> Tensor:
    return x


def moments_of(
    features: Tensor,
    *operators: Laplacian,
    function: Callable[[Tensor], Tensor] = identity,
    num_vectors: int = 8,
    seed: int = 0,
) -> RayleighRitz:
    """The moments of the same features in several graphs."""
    generator = torch.Generator().manual_seed(seed)
    moments = RayleighRitz(function, features, len(features), num_vectors, generator)
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
@given(seed=st.integers(0, 10**6))
def test_mixed_eigenvectors_are_found(kind: Any, seed: int) -> None:
    operator = operator_of(kind)
    values, vectors = exact_pairs(operator)
    left, right = (torch.linalg.qr(random(K, K, seed=seed + i)).Q for i in range(2))
    scales = torch.tensor([0.2, 0.5, 1.0, 2.0, 3.0]).double()
    features = vectors[:, :K] @ (left * scales @ right) + random(K, seed=seed + 2)
    found, rows = rows_of(moments_of(features, operator), features, K)
    assert found.dtype == torch.float64
    same_up_to_sign(rows, vectors[:, :K])
    torch.testing.assert_close(found, values[:K], atol=1e-9, rtol=1e-7)


@given(
    seed=st.integers(0, 10**6),
    num_features=st.integers(1, 12),
    kind=st.sampled_from(KINDS),
)
def test_values_ascend_and_are_upper_bounds(
    seed: int, num_features: int, kind: str
) -> None:
    operator = operator_of(kind)
    exact, _ = exact_pairs(operator)
    features = random(N, num_features, seed=seed)
    values, _ = moments_of(features, operator).solve(20)
    assert len(values) == num_features + 1  # and the constant
    assert (values.diff() >= 0).all()
    # The min-max principle (Courant and Fischer).
    assert (values >= exact[: len(values)] - 1e-9 * exact[-1]).all()
    assert (values <= exact[-len(values) :] + 1e-9 * exact[-1]).all()


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS))
def test_vectors_are_orthonormal_and_diagonalize_the_laplacian(
    seed: int, kind: str
) -> None:
    operator, features = operator_of(kind), random(N, 6, seed=seed)
    values, rows = rows_of(moments_of(features, operator), features, 7)
    weighted = rows * weights(operator)[:, None]
    torch.testing.assert_close(
        weighted.T @ rows, torch.eye(7).double(), atol=1e-8, rtol=0
    )
    projected = weighted.T @ (operator.matrix @ rows)
    scale = float(values[-1])
    torch.testing.assert_close(projected, torch.diag(values), atol=1e-8 * scale, rtol=0)


def test_features_in_single_precision() -> None:
    operator = operator_of("rw")
    values, vectors = exact_pairs(operator)
    features = (vectors[:, :K] @ random(K, K)).float()
    found, rows = rows_of(moments_of(features, operator), features, K)
    assert rows.dtype == torch.float32 and found.dtype == torch.float64
    same_up_to_sign(rows.double(), vectors[:, :K], atol=1e-3)
    torch.testing.assert_close(found, values[:K], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_vectors_than_there_are(kind: Any) -> None:
    features = random(N, 6)
    moments = moments_of(features, operator_of(kind))
    values, coefficients = moments.solve(7)
    some, columns = moments.solve(3)
    assert torch.equal(some, values[:3])
    assert torch.equal(columns, coefficients[:, :3])


# --- features that are no basis


@given(
    seed=st.integers(0, 10**6),
    copies=st.integers(0, 5),
    level=st.floats(-100, 100),
    kind=st.sampled_from(KINDS),
)
def test_dependent_and_constant_features_change_nothing(
    seed: int, copies: int, level: float, kind: str
) -> None:
    operator, features = operator_of(kind), random(N, 3, seed=seed)
    dependent = torch.cat(
        [
            features @ random(3, copies, seed=seed + 1),
            torch.full((N, 1), level, dtype=torch.float64),
            features,
        ],
        dim=1,
    )
    values, rows = rows_of(moments_of(features, operator), features, 20)
    others, again = rows_of(moments_of(dependent, operator), dependent, 20)
    assert others.shape == (4,)
    torch.testing.assert_close(others, values, atol=1e-9, rtol=1e-6)
    same_up_to_sign(again, rows, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 1.0, 0.1, -12345.678])
def test_constant_features_alone(kind: Any, dtype: torch.dtype, level: float) -> None:
    features = torch.full((N, 3), level, dtype=dtype)
    values, rows = rows_of(moments_of(features, operator_of(kind)), features, 5)
    assert values.shape == (1,)  # the constant
    torch.testing.assert_close(rows, torch.ones(N, 1, dtype=dtype))


@pytest.mark.parametrize("kind", KINDS)
def test_what_rounding_makes_of_constant_features_is_no_direction(kind: Any) -> None:
    # As a matrix product gives them, whose last rows are added up in another order.
    features = torch.ones(N, 3)
    features[-7:] += torch.finfo(torch.float32).eps
    values, rows = rows_of(moments_of(features, operator_of(kind)), features, 5)
    assert values.shape == (1,)
    torch.testing.assert_close(rows, torch.ones(N, 1))


def test_features_of_very_different_sizes() -> None:
    # A direction with a small share of the variance is found, one of rounding is not.
    operator = operator_of("rw")
    _, vectors = exact_pairs(operator)
    large = 100 * vectors[:, 3:4]
    features = torch.cat([large, vectors[:, 1:2], 1e-6 * vectors[:, 2:3]], dim=1)
    values, rows = rows_of(moments_of(features, operator), features, 5)
    assert values.shape == (3,)
    same_up_to_sign(rows[:, 1:], vectors[:, [1, 3]], atol=1e-5)


def test_directions_do_not_follow_the_noise_of_few_nodes() -> None:
    # As many features as nodes would be able to follow any vector.
    features = random(N, N)
    for num_vectors, most in ((2, N // 8), (8, 32), (100, N // 2)):
        moments = moments_of(features, operator_of("rw"), num_vectors=num_vectors)
        assert len(moments.solve(N)[0]) == most + 1


def test_more_graphs_allow_more_directions() -> None:
    features = random(N, 100)
    generator = torch.Generator().manual_seed(0)
    moments = RayleighRitz(identity, features, 6 * N, 1, generator)
    for count in (1, 2, 3):
        moments.add(features, operator_of("rw", seed=count))
        assert len(moments.solve(N)[0]) == count * N // 8 + 1
    # Those of the most variance: the others change nothing.
    widths = 0.8 ** torch.arange(20.0).double()
    features = torch.linalg.qr(features - features.mean(dim=0)).Q[:, :20] * widths
    moments = RayleighRitz(identity, features, 6 * N, 1, generator)
    moments.add(features, operator_of("rw"))
    found, _ = moments.solve(N)
    expected, _ = moments_of(features[:, : N // 8], operator_of("rw")).solve(N)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


# --- the constant


def two_paths(kind: Any) -> Laplacian:
    """Two components, a path each."""
    start = torch.tensor([i for i in range(N - 1) if i != N // 2 - 1])
    edges = torch.stack([start, start + 1])
    edge_index = torch.cat([edges, edges.flip(0)], dim=1)
    weight = torch.ones(edge_index.size(1)).double()
    graph = Data(edge_index=edge_index, edge_weight=weight, num_nodes=N)
    operator = laplacian(graph, kind)
    assert operator.components.max() == 1
    return operator


@pytest.mark.parametrize("kind", ["rw", "comb"])
def test_the_constant_comes_first_in_a_disconnected_graph(kind: Any) -> None:
    is_second = (torch.arange(N) >= N // 2).double()[:, None]
    features = torch.cat([random(N, 2), 3 * is_second], dim=1) @ random(3, 3, seed=1)
    values, rows = rows_of(moments_of(features, two_paths(kind)), features, 4)
    assert float(values[0]) == 0
    assert float(rows[0, 0]) == pytest.approx(1, abs=1e-14)
    assert torch.equal(rows[:, 0], rows[:1, 0].expand(N))
    # Then the other null vector, and no mixture of both.
    assert float(values[1]) == pytest.approx(0, abs=1e-12)
    same_up_to_sign(rows[:, 1:2], 1 - 2 * is_second)
    assert values[2] > 1e-3


@pytest.mark.parametrize("kind", ["rw", "comb"])
def test_the_constant_is_there_whatever_the_features_are(kind: Any) -> None:
    values, rows = rows_of(moments_of(random(N, 3), operator_of(kind)), random(N, 3), 4)
    assert float(values[0]) == 0
    torch.testing.assert_close(rows[:, 0], torch.ones(N).double())


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_graphs_plays_no_role(kind: Any) -> None:
    first, second = (operator_of(kind, seed=seed) for seed in (0, 1))
    features = random(N, 6)
    values, rows = rows_of(moments_of(features, first, second), features, 7)
    others, again = rows_of(moments_of(features, second, first), features, 7)
    torch.testing.assert_close(values, others)
    same_up_to_sign(again, rows)


def test_graphs_of_other_nodes() -> None:
    # The same graph with its nodes in another order changes nothing.
    operator, features = operator_of("rw"), random(N, 4)
    moments = moments_of(features, operator)
    expected = moments.solve(5)[0]
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    dense = operator.matrix.to_dense()[order][:, order]
    again = Laplacian(dense.to_sparse_csr(), "rw", operator.degree[order])
    moments.add(features[order], again)
    torch.testing.assert_close(moments.solve(5)[0], expected)
    # Other nodes do.
    moments.add(features, operator_of("rw", seed=1))
    assert len(moments.graphs) == 3
    assert not torch.allclose(moments.solve(5)[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_may_come_in_blocks(kind: Any) -> None:
    operator, features = operator_of(kind), random(N, 6)
    whole, parts = moments_of(features), moments_of(features)
    whole.add(features, operator)
    parts.add(iter(features.split(50)), operator)
    for expected, found in zip(whole.solve(7), parts.solve(7), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)
    coefficients = whole.solve(7)[1]
    torch.testing.assert_close(
        parts.eigenvalues(coefficients), whole.eigenvalues(coefficients)
    )


# --- eigenvalues


@given(
    seed=st.integers(0, 10**6), share=st.floats(1e-3, 0.1), kind=st.sampled_from(KINDS)
)
def test_eigenvalues_are_closer_than_ritz_values(
    seed: int, share: float, kind: str
) -> None:
    operator = operator_of(kind)
    exact, vectors = exact_pairs(operator)
    noise = random(N, K, seed=seed) * vectors.square().mean().sqrt()
    features = vectors[:, :K] + share * noise
    moments = moments_of(features, operator)
    ritz, coefficients = moments.solve(K)
    found = moments.eigenvalues(coefficients)
    assert found.shape == (K,) and (found.diff() >= 0).all()
    # They are Ritz values, too: upper bounds.
    assert (found >= exact[:K] - 1e-9 * exact[-1]).all()
    if kind != "comb":  # of which the largest degree bounds the steps
        assert (found - exact[:K]).sum() < 0.2 * (ritz - exact[:K]).sum()
    assert (found - exact[:K]).sum() <= (ritz - exact[:K]).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_eigenvalues_of_several_graphs_are_of_their_mean(kind: Any) -> None:
    graphs = [operator_of(kind, seed=seed) for seed in (0, 0, 1)]
    features = random(N, 6)
    one, two, mixed = (
        moments_of(features, *chosen) for chosen in (graphs[:1], graphs[:2], graphs[1:])
    )
    coefficients = one.solve(5)[1]
    alone = one.eigenvalues(coefficients)
    torch.testing.assert_close(two.eigenvalues(coefficients), alone)
    other = moments_of(features, graphs[2]).eigenvalues(coefficients)
    mean = mixed.eigenvalues(coefficients)
    assert not torch.allclose(alone, other)
    # Each vector's quotient is between those in the two graphs.
    assert mean[-1] <= torch.maximum(alone, other)[-1] + 1e-9
    assert mean[0] >= torch.minimum(alone, other)[0] - 1e-9
    assert not torch.allclose(mean, alone) and not torch.allclose(mean, other)


# --- more features than are searched


def many_features(vectors: Tensor, share: float, num_features: int = 1100) -> Tensor:
    """Features whose leading directions are the vectors, with a little of all else."""
    noise = random(len(vectors), num_features, seed=1)
    return vectors @ random(vectors.size(1), num_features) + share * noise


def test_more_features_than_directions() -> None:
    assert MOST_DIRECTIONS < 1100
    operator = operator_of("rw")
    values, vectors = exact_pairs(operator)
    features = many_features(vectors[:, 1:K], share=0)
    found, rows = rows_of(moments_of(features, operator), features, K)
    same_up_to_sign(rows, vectors[:, :K])
    torch.testing.assert_close(found, values[:K], atol=1e-9, rtol=1e-7)


def test_more_features_and_nodes_than_directions() -> None:
    # Here the mixture leaves most directions out, but not the leading ones.
    num_nodes = 1200
    operator = operator_of("rw", num_nodes)
    degree = operator.degree
    values, vectors = torch.linalg.eigh(operator.symmetric().to_dense())
    vectors = vectors[:, :K] / degree.sqrt()[:, None]
    features = many_features(vectors[:, 1:] * num_nodes**0.5, share=1e-3)
    found, rows = rows_of(moments_of(features, operator), features, K)
    assert grassmann_distance(rows, vectors) < 1e-3
    torch.testing.assert_close(found, values[:K], atol=1e-3, rtol=0)


def test_the_mixture_is_that_of_the_seed() -> None:
    operator, features = operator_of("rw"), many_features(random(N, 3), share=0.1)
    first, second, other = (
        moments_of(features, operator, seed=seed).solve(K)[1] for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators() -> None:
    features = many_features(random(N, 3), share=0.1)
    moments_of(features, operator_of("rw")).solve(K)


# --- when enough graphs were added


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_graph_again_settles(kind: Any) -> None:
    operator, features = operator_of(kind), random(N, 6)
    moments = moments_of(features, operator)
    assert not moments.is_settled(3, 1e-3)  # one graph tells nothing of the noise
    for _ in range(4):
        moments.add(features, operator)
        assert moments.is_settled(3, 1e-3)


def test_small_graphs_are_looked_at_together() -> None:
    # Of 40 features and the constant, each costs as much as eight nodes, which three
    # graphs have together: the first, the fourth and the seventh are looked at. The
    # first allows 32 directions, so what the fourth adds to them is not all noise.
    operator, features = operator_of("rw"), random(N, 40)
    moments = RayleighRitz(identity, features, 9 * N, 8, torch.Generator())
    settled = []
    for _ in range(7):
        moments.add(features, operator)
        settled.append(moments.is_settled(3, 10.0))
    assert settled == [False] * 6 + [True]


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_what_is_left_of_the_noise(share: float) -> None:
    # Three graphs, and one more of 1 / 4 of the weight: three times its turn is left.
    k, features = 3, random(N, 6)
    moments = moments_of(features, *3 * [operator_of("rw")])
    before = moments.solve(k)[1]
    assert not moments.is_settled(k, 1.0)
    moments.add(features, operator_of("rw", seed=1))
    after = moments.solve(k)[1]
    # The space is turned for a distance whatever basis it has.
    root = torch.linalg.cholesky(moments.mass).T
    left = 3 * grassmann_distance(root @ before, root @ after)
    assert moments.is_settled(k, share * left / k) == (share > 1)


def test_another_graph_does_not_settle() -> None:
    features = random(N, 6)
    moments = moments_of(features, operator_of("rw"))
    moments.is_settled(3, 1e-3)
    moments.add(features, operator_of("rw", seed=1))
    assert not moments.is_settled(3, 1e-3)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_a_space_that_cannot_turn_settles_whatever_its_scale(factor: float) -> None:
    # Two features and the constant have one space of three directions.
    operator, features = operator_of("rw"), random(N, 2)
    moments = moments_of(features, operator)
    moments.is_settled(3, 1e-3)
    moments.add(factor * features, operator)
    assert moments.is_settled(3, 1e-3)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 4.0])
def test_a_space_that_turns_does_not_settle_whatever_its_scale(factor: float) -> None:
    features = random(N, 6)
    moments = moments_of(features, operator_of("rw"))
    moments.is_settled(3, 1e-3)
    moments.add(factor * features, operator_of("rw", seed=1))
    assert not moments.is_settled(3, 1e-3)
