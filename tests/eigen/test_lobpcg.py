import importlib
from math import inf

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.eigen import (
    LOBPCG,
    Dense,
    Eigenpairs,
    FilterWindow,
    SymmetricOperator,
    eigenpairs,
)
from pyg_basis.eigen._chebyshev_filter import chebyshev_filter
from pyg_basis.graph import laplacian

K = 6
# Too few iterations for a path.
SHORT = LOBPCG(max_iter=1, num_filters=0, window=FilterWindow(0.2, 0.3, 1.0, 4))


@pytest.fixture(scope="module")
def operator(neighbors) -> SymmetricOperator:
    return SymmetricOperator.from_laplacian(laplacian(neighbors(400)))


@pytest.fixture(scope="module")
def answer(operator):
    return Dense().solve(operator, 40)


def test_start_at_the_answer_only_waits_for_the_guards(operator, answer) -> None:
    pairs = LOBPCG().solve(operator, 4, answer.vectors[:, :4])
    assert pairs.iterations <= 2
    assert pairs.converged


def test_start_close_to_the_answer_saves_iterations(operator, answer) -> None:
    solver = LOBPCG(num_filters=0)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400, K, generator=generator, dtype=torch.float64)
    start = answer.vectors[:, :K] + 1e-6 * noise
    cold, warm = solver.solve(operator, K), solver.solve(operator, K, start)
    assert cold.converged
    assert warm.converged
    assert warm.iterations <= cold.iterations / 2
    assert torch.allclose(warm.values, answer.values[:K], atol=1e-9)


@pytest.mark.parametrize("num_filters", [0, 3])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x * torch.nan,
        lambda x: x.index_fill(1, torch.tensor([0, 3]), torch.inf),
        lambda x: x[:, :1].expand(-1, K),  # rank 1
        lambda x: torch.zeros_like(x),
        lambda x: x[:, :2],
        lambda x: x * 1e-200,
        lambda x: x * 1e200,
        lambda x: torch.full_like(x, 1.7e308),
        lambda x: x.float(),
        lambda x: torch.cat([x, x.flip(0), x.roll(7, 0), x.roll(50, 0)], dim=1),
        lambda x: torch.eye(400).double(),
    ],
)
def test_any_start_gives_the_answer(operator, answer, spoil, num_filters) -> None:
    start = spoil(answer.vectors[:, :K])
    pairs = LOBPCG(num_filters=num_filters).solve(operator, K, start, tol=1e-8)
    assert pairs.converged
    assert pairs.solver == "lobpcg"
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


@pytest.mark.parametrize("num_filters", [0, 3])
def test_start_orthogonal_to_the_answer(operator, answer, num_filters) -> None:
    wrong = answer.vectors[:, 20 : 20 + K]
    pairs = LOBPCG(num_filters=num_filters).solve(operator, K, wrong, tol=1e-8)
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


def test_start_that_lacks_the_second_eigenvector_of_a_path(path) -> None:
    # The gaps are so small that a guard takes long to find what is missing.
    operator = SymmetricOperator.from_laplacian(laplacian(path(300)))
    vectors = Dense().solve(operator, K + 1)
    pairs = LOBPCG().solve(operator, K, vectors.vectors[:, [0, *range(2, K + 1)]])
    assert pairs.converged
    assert torch.allclose(pairs.values, vectors.values[:K], atol=1e-8)


@pytest.mark.parametrize("num_guards", [1, 2, 20])
def test_number_of_guards(operator, answer, num_guards) -> None:
    pairs = LOBPCG(num_guards=num_guards).solve(operator, K, tol=1e-8)
    assert pairs.solver == "lobpcg"
    assert torch.allclose(pairs.values, answer.values[:K], atol=1e-10)


@pytest.mark.parametrize("window", [None, FilterWindow(0.2, 0.3, 1.0, 4)])
def test_unconverged_result_says_so(path, window) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(1000)))
    pairs = LOBPCG(max_iter=1, num_filters=0, window=window).solve(operator, K)
    assert pairs.iterations == 1
    assert not pairs.converged
    assert pairs.residuals.max() > 1e-6
    assert pairs.vectors.isfinite().all()


@pytest.mark.parametrize("max_iter", [1, 2, 3, 5, 8])
def test_converged_says_what_the_residuals_are(path, max_iter) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(1000)))
    pairs = LOBPCG(max_iter=max_iter).solve(operator, K)
    product = operator.matrix @ pairs.vectors - pairs.vectors * pairs.values
    assert pairs.converged == bool((product.norm(dim=0) / 2 <= 1e-6).all())
    assert pairs.iterations <= max_iter


def test_unconverged_window_is_followed_by_the_next_solver(path) -> None:
    found = eigenpairs(laplacian(path(1000)), K, SHORT, tol=1e-10)
    assert found.solver != "lobpcg"
    assert found.converged
    expected = torch.linalg.eigvalsh(laplacian(path(1000)).matrix.to_dense())
    assert torch.allclose(found.values, expected[:K], rtol=0, atol=1e-9)


def test_unconverged_everywhere_warns(path, monkeypatch) -> None:
    module = importlib.import_module("pyg_basis.eigen.eigenpairs")
    monkeypatch.setattr(module, "solver_chain", lambda *_: [SHORT])
    with pytest.warns(RuntimeWarning, match="of solver 'lobpcg' is above tol"):
        found = eigenpairs(laplacian(path(1000)), K)
    assert not found.converged


# --- a window


@pytest.fixture(scope="module")
def window(operator, answer) -> FilterWindow:
    return FilterWindow.of(operator, answer.values, K)


def test_window_and_a_close_start_take_one_filter(
    operator, answer, window, subspace_error
) -> None:
    width = K + window.num_guards
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400, width, generator=generator, dtype=torch.float64) / 20
    start = answer.vectors[:, :width] + 0.1 * noise
    pairs = LOBPCG(window=window).solve(operator, K, start)
    assert pairs.converged
    assert pairs.iterations <= 2 < LOBPCG().solve(operator, K, start).iterations
    assert subspace_error(pairs.vectors, answer.vectors[:, :K]) < 1e-6


def starts(answer: Eigenpairs) -> dict[str, Tensor | None]:
    vectors, width = answer.vectors, K + 6
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(400, width, generator=generator, dtype=torch.float64) / 20
    some_nan = vectors[:, :width].clone()
    some_nan[7, [0, 3, 8]] = torch.nan
    return {
        "none": None,
        "answer": vectors[:, :width],
        "noisy": vectors[:, :width] + 0.1 * noise,
        "random": noise,
        "orthogonal": vectors[:, 20 : 20 + width],
        "lacks the first": vectors[:, 1 : K + 1],
        "lacks one": vectors[:, [0, 1, 3, 4, 5, 6]],
        "lacks all but guards": vectors[:, [*range(20, 26), *range(6)]],
        "nan": noise * torch.nan,
        "some nan": some_nan,
        "rank 1": vectors[:, :1].expand(-1, width),
        "rank 3": vectors[:, :3].repeat(1, 4),
        "zeros": torch.zeros(400, width),
    }


WRONG_WINDOWS = {
    "cut below the wanted": (0.001, 0.002, 0.8),
    "all above the wanted": (0.5, 0.6, 0.9),
    "cut amid the wanted": (0.001, 0.1, 0.9),
    "wanted far below": (1e-9, 0.15, 0.9),
    "negative": (-0.5, -0.1, 0.9),
    "no room": (0.1, 0.1 + 1e-17 * 2**3, 1.0),
    "hardly any room": (0.1, 0.1 + 1e-9, 1.0),
    "upper below the spectrum": (0.1, 0.15, 0.4),
    "upper far below": (0.01, 0.02, 0.021),
    "upper below the wanted": (1e-6, 2e-6, 1e-5),
    "filter overflows": (1e-6, 1.1e-6, 1e-4),
    "whole spectrum": (-1e-3, 0.0, 1.0),
    "beyond the spectrum": (1.0, 2.0, 3.0),
    "huge": (0.0, 1e100, 1e200),
    "infinite": (0.0, 0.1, inf),
    "tiny": (0.0, 1e-200, 2e-200),
}


@pytest.mark.parametrize("num_guards", [1, 4, 12])
@pytest.mark.parametrize("name", list(WRONG_WINDOWS))
def test_any_window_gives_the_answer(
    operator, answer, subspace_error, name, num_guards
) -> None:
    solver = LOBPCG(window=FilterWindow(*WRONG_WINDOWS[name], num_guards))
    for start_name, start in starts(answer).items():
        pairs = solver.solve(operator, K, start)
        assert pairs.converged, start_name
        assert pairs.solver == "lobpcg"
        error = subspace_error(pairs.vectors, answer.vectors[:, :K])
        assert error < 5e-6, start_name
        assert torch.allclose(pairs.values, answer.values[:K], rtol=0, atol=1e-9)


@given(
    ends=st.lists(
        st.floats(1e-9, 1.0) | st.floats(-9, 0).map(lambda power: 10**power),
        min_size=3,
        max_size=3,
        unique=True,
    ),
    num_guards=st.integers(1, 12),
    start_name=st.sampled_from(["none", "answer", "noisy", "random", "rank 3"]),
)
def test_whatever_the_window_says(
    operator, answer, subspace_error, ends, num_guards, start_name
) -> None:
    solver = LOBPCG(window=FilterWindow(*sorted(ends), num_guards))
    pairs = solver.solve(operator, K, starts(answer)[start_name])
    assert pairs.converged
    # The tolerance over the gap.
    assert subspace_error(pairs.vectors, answer.vectors[:, :K]) < 1e-4


@pytest.mark.parametrize("num_filters", [1, 3, 8])
def test_any_start_with_a_window_gives_the_answer(
    operator, answer, window, subspace_error, num_filters
) -> None:
    solver = LOBPCG(window=window, num_filters=num_filters)
    for name, start in starts(answer).items():
        pairs = solver.solve(operator, K, start)
        assert pairs.converged, name
        assert subspace_error(pairs.vectors, answer.vectors[:, :K]) < 1e-6, name


@pytest.mark.parametrize("kind", ["sym", "comb"])
def test_window_of_another_graph(
    operator, neighbors, ring, reference, subspace_error, kind
) -> None:
    graph = neighbors(300, seed=5)
    values, vectors = reference(graph, kind, K)
    for other in (neighbors(100), neighbors(400, k=40), ring(200)):
        theirs = SymmetricOperator.from_laplacian(laplacian(other, kind))
        known = Dense().solve(theirs, 20).values
        solver = LOBPCG(window=FilterWindow.of(theirs, known, K))
        for start in (None, torch.from_numpy(vectors[:, 1:] + 0.01)):
            found = eigenpairs(laplacian(graph, kind), K, solver, start)
            assert found.converged
            assert np.allclose(found.values, values, rtol=0, atol=1e-6)
            assert subspace_error(found.vectors, vectors) < 1e-5


def test_overflow_starts_anew(operator, answer, monkeypatch) -> None:
    blocks = []

    def spied(*arguments):
        blocks.append(chebyshev_filter(*arguments))
        return blocks[-1]

    monkeypatch.setattr("pyg_basis.eigen.lobpcg.chebyshev_filter", spied)
    wrong = FilterWindow(*WRONG_WINDOWS["filter overflows"], 4)
    pairs = LOBPCG(window=wrong).solve(operator, K, answer.vectors[:, :K])
    assert not blocks[0].norm().isfinite(), "the test must overflow"
    assert pairs.converged
    assert torch.allclose(pairs.values, answer.values[:K], rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["sym", "comb"])
@pytest.mark.parametrize("num_components", [3, K, 9, 20])
def test_disconnected_graphs(ring, union, window, kind, num_components) -> None:
    graph = union(*(ring(size) for size in range(20, 20 + num_components)))
    operator = laplacian(graph, kind)
    expected = torch.linalg.eigvalsh(operator.matrix.to_dense())[:K]
    for start in (None, torch.ones(graph.num_nodes, 3), torch.eye(graph.num_nodes)):
        found = eigenpairs(operator, K, LOBPCG(window=window), start)
        assert found.converged
        assert torch.allclose(found.values, expected, rtol=0, atol=1e-8)
        product = operator.matrix @ found.vectors - found.vectors * found.values
        assert product.norm(dim=0).max() < 4e-6
        # The trivial vector leads the others.
        trivial = operator.trivial()
        assert abs(trivial @ found.vectors[:, 0]) == pytest.approx(1)


def test_residuals_are_those_of_the_vectors(operator) -> None:
    pairs = LOBPCG().solve(operator, K)
    product = operator.matrix @ pairs.vectors - pairs.vectors * pairs.values
    assert torch.allclose(product.norm(dim=0) / 2, pairs.residuals, atol=1e-14)


def test_tight_tolerance_is_reached(operator) -> None:
    # Directions that are roundoff must not spoil the basis near the end.
    pairs = LOBPCG(num_filters=0).solve(operator, K, tol=1e-13)
    assert pairs.converged


def test_small_operators_go_to_the_dense_solver(path) -> None:
    operator = SymmetricOperator.from_laplacian(laplacian(path(59)))
    assert LOBPCG().solve(operator, K).solver == "dense"


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_guards", 0), ("max_iter", 0), ("num_filters", -1), ("filter_degree", 0)],
)
def test_settings_out_of_range(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be at least"):
        LOBPCG(**{name: value})


def crowded(wanted: float, missing: float, crowd: float) -> SymmetricOperator:
    """40 eigenvalues in a crowd below the cut, more than a block has columns for."""
    values = torch.linspace(0.24, 1.9, 512, dtype=torch.float64)
    values[:10] = torch.linspace(0, wanted, 10, dtype=torch.float64)
    values[10] = missing
    values[11:51] = torch.linspace(crowd, 1.01 * crowd, 40, dtype=torch.float64)
    values[-1] = 2.0
    return SymmetricOperator(torch.diag(values), 2.0)


@pytest.mark.parametrize(
    ("wanted", "missing", "crowd", "cut"),
    [(0.1, 0.105, 0.16, 0.2), (0.1, 0.102, 0.155, 0.2), (0.02, 0.021, 0.064, 0.1)],
)
def test_a_crowd_below_the_cut_hides_nothing(wanted, missing, crowd, cut) -> None:
    # The start has the eleventh eigenvector in place of the tenth.
    operator = crowded(wanted, missing, crowd)
    window = FilterWindow(wanted / 2, cut / 2, 1.0, 6)
    start = torch.eye(512, dtype=torch.float64)[:, [*range(9), *range(10, 17)]]
    pairs = LOBPCG(window=window).solve(operator, 10, start)
    assert pairs.converged
    assert float(pairs.values[9]) == pytest.approx(wanted, abs=1e-9)


def test_stopping_early_is_not_converged(operator, answer) -> None:
    wrong = answer.vectors[:, 20 : 20 + K]
    assert not LOBPCG(max_iter=1).solve(operator, K, wrong).converged
