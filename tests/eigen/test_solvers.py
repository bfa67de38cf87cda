"""What the iterative solvers have in common, and the dense one."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import torch

from pyg_basis.eigen import (
    LOBPCG,
    ChebyshevSubspace,
    Dense,
    Lanczos,
    SymmetricOperator,
)
from tests.eigen.graphs import neighbors, operator_of, union

SOLVERS = {
    "chebyshev": ChebyshevSubspace,
    "lanczos": Lanczos,
    "lobpcg": LOBPCG,
}


@pytest.fixture(params=list(SOLVERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("multiplicity", [1, 2, 5, 9])
def test_all_copies_of_a_multiple_eigenvalue_are_found(
    name: str, multiplicity: int
) -> None:
    # Eigenvalues 0, 1 (several times), then 2 and more, in a random basis.
    values = torch.linspace(2, 3, 200, dtype=torch.float64)
    values[0], values[1 : 1 + multiplicity] = 0, 1
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(200, 200, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(random).Q
    matrix = basis @ (values.unsqueeze(1) * basis.t())
    operator = SymmetricOperator.of((matrix + matrix.t()) / 2)
    pairs = SOLVERS[name]().solve(operator, multiplicity + 1)
    assert pairs.solver == name
    assert pairs.converged
    values = operator.unscaled(pairs.values).tolist()
    assert values == pytest.approx([0] + [1] * multiplicity, abs=1e-8)


@pytest.mark.parametrize("k", [2, 3, 8])
def test_identical_components(name: str, k: int) -> None:
    operator = operator_of(union(*[nx.cycle_graph(80)] * 3))
    pairs = SOLVERS[name]().solve(operator, k)
    step = 1 - np.cos(2 * np.pi / 80)
    expected = ([0] * 3 + [step] * 6)[:k]
    assert pairs.solver == name
    values = operator.unscaled(pairs.values).tolist()
    assert values == pytest.approx(expected, abs=1e-9)


def test_null_space_alone_takes_no_product(name: str) -> None:
    pairs = SOLVERS[name]().solve(operator_of(union(*[nx.cycle_graph(40)] * 5)), 5)
    assert pairs.iterations == 0
    assert pairs.residuals.max() < 1e-14


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e-30])
def test_multiple_of_the_identity(name: str, scale: float) -> None:
    operator = SymmetricOperator.of(scale * torch.eye(100))
    pairs = SOLVERS[name]().solve(operator, 4)
    assert pairs.converged
    values = operator.unscaled(pairs.values).tolist()
    assert values == pytest.approx([scale] * 4, rel=1e-6)
    assert torch.linalg.matrix_rank(pairs.vectors) == 4


def test_rounded_laplacian_at_a_tight_tolerance(name: str) -> None:
    # The null vectors of the exact matrix are not those of the rounded one.
    graph = neighbors(200)
    graph.edge_weight = graph.edge_weight.float()
    pairs = SOLVERS[name]().solve(operator_of(graph), 4, tol=1e-10)
    assert pairs.solver == name
    assert pairs.converged


@pytest.mark.parametrize(
    "solver",
    [ChebyshevSubspace(20), Lanczos(1), LOBPCG(max_iter=1), LOBPCG(max_iter=8)],
)
def test_unconverged_result_is_whole_and_says_so(solver: Any) -> None:
    operator = operator_of(nx.path_graph(2000))
    pairs = solver.solve(operator, 6)
    assert pairs.solver in SOLVERS
    assert not pairs.converged
    assert pairs.vectors.shape == (2000, 6)
    assert pairs.residuals.max() > 1e-6
    product = operator.matrix @ pairs.vectors - pairs.vectors * pairs.values
    assert torch.allclose(product.norm(dim=0), pairs.residuals, atol=1e-14)


def test_small_operators_go_to_the_dense_solver(name: str) -> None:
    assert SOLVERS[name]().solve(operator_of(nx.path_graph(17)), 6).solver == "dense"


@pytest.mark.parametrize(
    ("solver", "setting"),
    [
        (ChebyshevSubspace, "max_products"),
        (Lanczos, "max_iter"),
        (LOBPCG, "max_iter"),
        (LOBPCG, "num_guards"),
    ],
)
def test_settings_out_of_range(solver: Any, setting: str) -> None:
    with pytest.raises(ValueError, match=f"'{setting}' .* Got 0"):
        solver(**{setting: 0})


def test_dense_survives_a_failure_of_inverse_iteration(monkeypatch) -> None:
    whole = scipy.linalg.eigh

    def fails(array, subset_by_index=None, **options):
        if subset_by_index is not None:
            raise np.linalg.LinAlgError("Internal Error.")
        return whole(array, **options)

    operator = operator_of(nx.cycle_graph(50))
    expected = Dense().solve(operator, 5).values
    monkeypatch.setattr(scipy.linalg, "eigh", fails)
    pairs = Dense().solve(operator, 5)
    assert pairs.converged
    assert torch.allclose(pairs.values, expected)
