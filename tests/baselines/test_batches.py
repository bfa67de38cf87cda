from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_basis.baselines._batches import batch_laplacian, draw
from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.loader import ExactEmbedding


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Permuted (the size above a quarter), and drawn with replacement.
@given(
    num_points=st.integers(1, 300), size=st.integers(1, 400), seed=st.integers(0, 2**31)
)
def test_draws_different_points(num_points: int, size: int, seed: int) -> None:
    drawn = draw(num_points, size, seeded(seed))
    assert drawn.dtype == torch.int64
    assert drawn.shape == (min(size, num_points),)
    assert len(drawn.unique()) == len(drawn)
    assert drawn.min() >= 0 and drawn.max() < num_points
    assert torch.equal(drawn, draw(num_points, size, seeded(seed)))


@pytest.mark.parametrize("size", [2, 4])
def test_a_few_points_are_never_fewer(size: int) -> None:
    # Twice the size, drawn with replacement, can hold too few different ones.
    generator = seeded(0)
    for _ in range(3000):
        drawn = draw(4 * size, size, generator)
        assert len(drawn) == len(drawn.unique()) == size


@pytest.mark.parametrize("size", [6, 25])
def test_every_point_is_as_likely_and_in_any_order(size: int) -> None:
    generator = seeded(0)
    num_draws, num_points = 4000, 40
    draws = torch.stack([draw(num_points, size, generator) for _ in range(num_draws)])
    for counted, share in ((draws, size / num_points), (draws[:, 0], 1 / num_points)):
        counts = torch.bincount(counted.reshape(-1), minlength=num_points).double()
        deviation = (num_draws * share * (1 - share)) ** 0.5
        assert (counts - num_draws * share).abs().max() < 4.5 * deviation


@pytest.mark.parametrize("size", [10, 300])
def test_another_seed_draws_others(size: int) -> None:
    assert not torch.equal(draw(1000, size, seeded(0)), draw(1000, size, seeded(1)))


def test_no_work_grows_with_the_points() -> None:
    drawn = draw(10**15, 100, seeded(0))
    assert len(drawn.unique()) == 100


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators() -> None:
    draw(100, 10, seeded(0))
    draw(100, 90, seeded(0))


# --- the graph of a batch


@pytest.mark.parametrize("kind", ["sym", "rw", "comb"])
@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.7])
@pytest.mark.parametrize("num_nodes", [90, 2200])  # sought by all pairs, and by a tree
def test_is_the_laplacian_of_the_graph(
    kind: Any, bandwidth: Any, num_nodes: int
) -> None:
    x = torch.randn(num_nodes, 2, generator=seeded(0))
    space = ExactEmbedding(2, 8, bandwidth, kind)
    operator = batch_laplacian(x, space)
    graph = affinity(knn_graph(x.double(), 8), bandwidth)
    expected = laplacian(graph, "comb" if kind == "comb" else "sym")
    assert operator.kind == expected.kind
    assert operator.matrix.dtype == operator.degree.dtype == x.dtype
    torch.testing.assert_close(operator.degree, expected.degree.float())
    if num_nodes < 1000:
        dense = operator.matrix.to_dense(), expected.matrix.to_dense().float()
        torch.testing.assert_close(*dense)
    rows = torch.randn(num_nodes, 3, generator=seeded(1))
    torch.testing.assert_close(
        operator.matrix @ rows, expected.matrix.float() @ rows, atol=1e-4, rtol=1e-4
    )


def test_gradient_passes_through_it() -> None:
    x = torch.randn(40, 2, generator=seeded(0))
    operator = batch_laplacian(x, ExactEmbedding(2, 5))
    rows = torch.randn(40, 2, generator=seeded(1), requires_grad=True)
    (rows * (operator.matrix @ rows)).sum().backward()
    expected = 2 * operator.matrix.to_dense() @ rows.detach()
    torch.testing.assert_close(rows.grad, expected)
