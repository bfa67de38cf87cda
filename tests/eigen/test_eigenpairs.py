import warnings
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data

from pyg_basis.eigen import LOBPCG, ChebyshevSubspace, Eigenpairs, Lanczos, eigenpairs
from pyg_basis.graph import laplacian
from tests.eigen.graphs import (
    GRAPHS,
    KINDS,
    neighbors,
    reference,
    subspace_error,
    union,
)

SOLVERS = ["chebyshev", "dense", "lanczos", "lobpcg"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("name", list(GRAPHS))
def test_agrees_with_dense_eigh(name: str, solver: str, kind: Any) -> None:
    build, k = GRAPHS[name]
    graph = build()
    operator = laplacian(graph, kind)
    values, vectors = reference(graph, kind, k)
    pairs = eigenpairs(operator, k, solver, tol=1e-8)
    assert pairs.converged and not pairs.fell_back
    assert solver in ("auto", pairs.solver)
    assert np.allclose(pairs.values, values, atol=1e-9 * operator.norm_bound)
    assert subspace_error(pairs.vectors, vectors) < 1e-5
    assert torch.allclose(pairs.vectors.norm(dim=0), torch.ones(k).double())
    assert pairs.residuals.max() <= 1e-8


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("n", "dtype"), [(300, torch.float32), (1500, torch.float64)])
def test_default_tolerance_gives_the_subspace(solver: str, n: int, dtype: Any) -> None:
    graph = neighbors(n)
    graph.edge_weight = graph.edge_weight.to(dtype)
    pairs = eigenpairs(laplacian(graph), 4, solver)
    assert pairs.solver == solver
    assert pairs.vectors.dtype == pairs.values.dtype == pairs.residuals.dtype == dtype
    assert subspace_error(pairs.vectors, reference(graph, "sym", 4)[1]) < 1e-5


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_trivial_vector_leads_a_multiple_null_space(
    k: int, kind: Any, solver: str
) -> None:
    graph = union(nx.cycle_graph(40), neighbors(50), nx.cycle_graph(60))
    operator = laplacian(graph, kind)
    pairs = eigenpairs(operator, k, solver, tol=1e-8)
    trivial = operator.trivial()
    if kind == "rw":
        trivial = torch.full_like(trivial, operator.num_nodes**-0.5)
    assert torch.allclose(pairs.vectors[:, 0], trivial, atol=1e-7)
    assert pairs.residuals.max() <= 1e-8
    assert pairs.values[:3].abs().max() < 1e-9
    # The others are still there.
    assert torch.linalg.matrix_rank(pairs.vectors) == k


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_more_components_than_eigenpairs(kind: Any, solver: str, dtype: Any) -> None:
    operator = laplacian(union(*[nx.path_graph(10)] * 15), kind)
    operator = operator.to(torch.empty(0, dtype=dtype))
    pairs = eigenpairs(operator, 5, solver)
    assert pairs.converged
    assert pairs.values.tolist() == pytest.approx([0] * 5, abs=1e-6)
    # In the null space every vector is constant (comb, rw) on each component.
    vectors = pairs.vectors
    if kind == "sym":
        vectors = vectors / operator.degree.sqrt().unsqueeze(1)
    assert vectors.view(15, 10, 5).std(dim=1).max() < 1e-5
    assert torch.linalg.matrix_rank(pairs.vectors) == 5


@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_graph_without_edges(kind: Any, solver: str) -> None:
    pairs = eigenpairs(laplacian(nx.empty_graph(120), kind), 4, solver)
    assert pairs.converged
    assert pairs.values.tolist() == [0] * 4
    assert pairs.vectors.isfinite().all()


@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_all_eigenpairs_of_a_small_graph(n: int, solver: str) -> None:
    pairs = eigenpairs(laplacian(nx.path_graph(n), "comb"), n, solver)
    expected = 2 - 2 * torch.cos(torch.pi * torch.arange(n).double() / n)
    assert torch.allclose(pairs.values, expected, atol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "layout", ["strided", "sparse_csr", "sparse_coo", "sparse_csc"]
)
def test_plain_tensor_with_negative_eigenvalues(layout: str, solver: str) -> None:
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(120, 120, generator=generator, dtype=torch.float64)
    matrix = random + random.t()
    values, vectors = np.linalg.eigh(matrix.numpy())
    sparse = layout != "strided"
    given = matrix.to_sparse(layout=getattr(torch, layout)) if sparse else matrix
    before = given.to_dense().clone()
    pairs = eigenpairs(given, 5, solver, tol=1e-9)
    assert pairs.solver == solver
    assert np.allclose(pairs.values, values[:5])
    assert subspace_error(pairs.vectors, vectors[:, :5]) < 1e-5
    assert torch.equal(given.to_dense(), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("solver", SOLVERS)
def test_half_precision(solver: str, dtype: Any) -> None:
    operator = laplacian(nx.path_graph(100), "comb")
    given = operator.to(torch.empty(0, dtype=dtype))
    for each in (given, given.matrix.to_dense()):
        pairs = eigenpairs(each, 3, solver)
        assert pairs.values.dtype == pairs.vectors.dtype == dtype
        expected = eigenpairs(operator, 3).values.to(dtype)
        assert torch.allclose(pairs.values, expected, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("k", [np.int64(2), np.uint8(2)])
def test_integers_of_numpy(k) -> None:
    pairs = eigenpairs(torch.eye(5), k, "lanczos", seed=k)
    assert pairs.values.shape == (2,)


@pytest.mark.parametrize("solver", SOLVERS)
def test_integer_tensor(solver: str) -> None:
    pairs = eigenpairs(torch.diag(torch.arange(100)), 3, solver)
    assert pairs.values.dtype == torch.get_default_dtype()
    assert pairs.values.tolist() == pytest.approx([0, 1, 2], abs=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("factor", [1e-300, 1e-20, 1e40, 1e300])
def test_scale_of_the_weights_does_not_matter(factor: float, solver: str) -> None:
    graph = neighbors(200)
    expected = eigenpairs(laplacian(graph, "comb"), 5, "dense")
    graph.edge_weight = graph.edge_weight * factor
    pairs = eigenpairs(laplacian(graph, "comb"), 5, solver)
    assert pairs.solver == solver
    assert torch.allclose(pairs.values / factor, expected.values, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", [1, 4])
def test_what_converged_is_orthonormal(seed: int, solver: str) -> None:
    # Weights over twelve orders of magnitude: the trivial vector is null to within the
    # tolerance, and so are others that are not orthogonal to it.
    rng = np.random.default_rng(seed)
    edges = np.stack(np.triu(rng.random((300, 300)) < 4 / 300, 1).nonzero())
    weight = torch.from_numpy(10.0 ** rng.uniform(-6, 6, edges.shape[1])).float()
    graph = Data(
        edge_index=torch.from_numpy(np.hstack([edges, edges[::-1]])),
        edge_weight=weight.repeat(2),
        num_nodes=300,
    )
    pairs = eigenpairs(laplacian(graph), 10, solver)
    assert pairs.converged
    gram = pairs.vectors.double().t() @ pairs.vectors.double()
    assert torch.allclose(gram, torch.eye(10).double(), atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.usefixtures("untouched_global_generators")
def test_the_seed_alone_decides(solver: str) -> None:
    operator = laplacian(neighbors(300))
    first, again, other = (
        eigenpairs(operator, 6, solver, seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(first.vectors, again.vectors)
    assert torch.equal(first.vectors, other.vectors) == (solver == "dense")


@pytest.mark.parametrize("kind", KINDS)
def test_signs_agree_across_solvers_and_seeds(kind: Any) -> None:
    operator = laplacian(neighbors(300), kind)
    expected = eigenpairs(operator, 5, "dense").vectors
    largest = expected.gather(0, expected.abs().argmax(dim=0, keepdim=True))
    assert (largest > 0).all()
    for solver in SOLVERS:
        for seed in (0, 1):
            pairs = eigenpairs(operator, 5, solver, tol=1e-9, seed=seed)
            assert torch.allclose(pairs.vectors, expected, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_on_cuda(kind: Any, solver: str) -> None:
    graph = neighbors(300)
    expected = eigenpairs(laplacian(graph, kind), 4, "dense")
    pairs = eigenpairs(laplacian(graph.to("cuda"), kind), 4, solver, tol=1e-9)
    assert pairs.solver == ("chebyshev" if solver == "auto" else solver)
    assert pairs.vectors.is_cuda and pairs.values.is_cuda
    assert torch.allclose(pairs.vectors.cpu(), expected.vectors, atol=1e-5)


def test_gradients_are_not_recorded() -> None:
    graph = neighbors(100)
    graph.edge_weight.requires_grad_()
    assert not eigenpairs(laplacian(graph, "rw"), 3).vectors.requires_grad


def test_repr() -> None:
    assert repr(eigenpairs(torch.eye(5), 2)) == (
        "Eigenpairs(n=5, k=2, solver='dense', converged=True, iterations=1)"
    )


# --- the choice of a solver, and what follows it


@pytest.mark.parametrize(
    ("n", "k", "expected"),
    [
        (256, 4, "dense"),
        (257, 4, "lanczos"),
        (1023, 4, "lanczos"),
        (1024, 17, "chebyshev"),
        (1024, 18, "lanczos"),
    ],
)
def test_auto_chooses_by_size(n: int, k: int, expected: str) -> None:
    assert eigenpairs(laplacian(neighbors(n)), k).solver == expected


@pytest.mark.parametrize(("clusters", "width"), [(4, 1.0), (10, 0.02)])
def test_auto_takes_filters_for_a_neighbor_graph(clusters: int, width: float) -> None:
    operator = laplacian(neighbors(2048, clusters=clusters, width=width))
    assert operator.num_components == (1 if clusters == 4 else 10)
    pairs = eigenpairs(operator, 11)
    assert pairs.solver == "chebyshev"
    assert pairs.converged and not pairs.fell_back
    expected = torch.linalg.eigvalsh(operator.matrix.to_dense())[:11]
    assert torch.allclose(pairs.values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("solver", "expected"),
    [
        (Lanczos(max_iter=1), "dense"),
        (LOBPCG(max_iter=1), "lanczos"),
        (ChebyshevSubspace(max_products=1), "lanczos"),
    ],
)
def test_solver_that_gives_up_is_followed_by_the_next(
    solver: Any, expected: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = eigenpairs(laplacian(nx.path_graph(400)), 6, solver)
    assert pairs.solver == expected
    assert pairs.converged and pairs.fell_back


def test_nothing_to_fall_back_to() -> None:
    # Beyond the size that the dense solver is tried at.
    operator = laplacian(nx.path_graph(8200))
    with pytest.warns(RuntimeWarning, match=r"residual .* above tol.*max_iter") as seen:
        pairs = eigenpairs(operator, 4, Lanczos(max_iter=1))
    assert seen[0].filename == __file__
    assert not pairs.converged and not pairs.fell_back
    assert pairs.vectors.isfinite().all()
    assert pairs.values.isfinite().all()
    assert pairs.residuals.max() > 1e-6


def test_tolerance_that_roundoff_forbids() -> None:
    with pytest.warns(RuntimeWarning, match="raise tol"):
        pairs = eigenpairs(laplacian(neighbors(300)), 4, tol=1e-18)
    assert not pairs.converged and pairs.fell_back
    assert pairs.residuals.max() < 1e-14


class Own:
    """A solver object that knows the answer, or nothing."""

    def __init__(self, knows: bool) -> None:
        self.knows = knows

    def solve(
        self, operator: Any, k: int, tol: float = 1e-6, seed: int = 0
    ) -> Eigenpairs:
        if self.knows:
            basis = torch.eye(operator.num_nodes, dtype=torch.float64)[:, :k]
            return operator.rayleigh_ritz(basis, k, tol, 7, "own")
        nan = torch.full((k,), torch.nan)
        return Eigenpairs(nan, nan.expand(operator.num_nodes, k), nan, 1, False, "own")


def test_an_object_with_solve_is_a_solver() -> None:
    matrix = torch.arange(80.0).diag()
    pairs = eigenpairs(matrix, 2, Own(knows=True))
    assert (pairs.solver, pairs.iterations, pairs.fell_back) == ("own", 7, False)
    assert pairs.values.tolist() == [0, 1]
    # Residuals of NaN are not believed.
    pairs = eigenpairs(matrix, 2, Own(knows=False))
    assert (pairs.solver, pairs.fell_back) == ("lanczos", True)
    assert pairs.values.tolist() == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize("returned", [None, (), eigenpairs(torch.eye(3), 2)])
def test_a_solver_that_returns_something_else(returned) -> None:
    solver = Own(knows=True)
    solver.solve = lambda *_: returned
    match = r"solver=.* Eigenpairs with vectors of shape \[80, 2\]"
    with pytest.raises(ValueError, match=match):
        eigenpairs(torch.eye(80), 2, solver)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("tol", [np.float16(1e-3), np.float32(1e-3), 2**70])
def test_tolerances_of_any_real_type(tol: Any, solver: str) -> None:
    assert eigenpairs(laplacian(nx.path_graph(10)), 2, solver, tol=tol).converged


# --- bad input

NOT_SYMMETRIC = torch.eye(5) + torch.eye(5).roll(1, 0).tril(-1) / 2
NOT_FINITE = [torch.full((1,), value) for value in (torch.nan, torch.inf)]


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ([[1.0]], r"operator must be a Laplacian.*list.*laplacian\(graph\)"),
        (torch.zeros(3, 4), r"operator has shape.*\[n, n\]"),
        (torch.zeros(0, 0), r"operator has shape.*at least one row"),
        (np.eye(3), r"got ndarray.*torch.as_tensor\(array\)"),
        (torch.eye(3, dtype=torch.complex64), r"operator has dtype.*real"),
        (torch.eye(3).to(torch.float8_e4m3fn), r"operator has dtype.*real"),
        (torch.eye(4).to_sparse_bsr((2, 2)), r"layout torch.sparse_bsr.*to_dense"),
        (torch.eye(3, device="meta"), r"on meta.*to_dense"),
        (torch.sparse_coo_tensor([[0]], [[1.0]], (1, 1)), r"layout.*to_dense"),
        (NOT_SYMMETRIC, r"operator must be symmetric.*\(A \+ A"),
        (NOT_SYMMETRIC.to_sparse_csr(), r"operator must be symmetric.*\(A \+ A"),
        (NOT_FINITE[0].diag(), r"operator has NaN or infinite.*features"),
        (NOT_FINITE[1].diag().to_sparse(), r"operator has NaN or infinite"),
        (NOT_FINITE[1].diag().to_sparse_csr(), r"operator has NaN or infinite"),
    ],
)
def test_bad_operator(operator: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        eigenpairs(operator, 1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"k": 11}, r"'k' .* range \[1, 10\]. Got 11"),
        ({"k": 2.0}, "'k' .* Got 2.0"),
        ({"solver": "qr"}, r"solver='qr' is neither a name.*'lanczos'"),
        ({"solver": None}, r"solver=None.*method solve.*'auto'"),
        # Both have a method solve, or compare with names entry by entry.
        ({"solver": torch.eye(2)}, r"solver=tensor"),
        ({"solver": np.ones(2)}, r"solver=array"),
        ({"solver": LOBPCG}, r"solver=.*method solve.*'auto'"),
        ({"seed": -1}, "'seed' .* Got -1"),
        ({"seed": "x"}, "'seed' .* Got 'x'"),
        ({"tol": "x"}, "'tol' .* float"),
        ({"tol": None}, "'tol' .* float"),
        ({"tol": np.float32(torch.inf)}, "'tol' .* float"),
        ({"tol": 0.0}, "'tol' .* float"),
        ({"tol": torch.nan}, "'tol' .* float"),
        ({"tol": torch.inf}, "'tol' .* float"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        eigenpairs(laplacian(nx.path_graph(10)), **{"k": 2, **arguments})


# --- laws


@st.composite
def graphs(draw: st.DrawFn) -> Data:
    """Any weighted graph, isolated nodes and several components included."""
    n = draw(st.integers(2, 60))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    edges = torch.triu_indices(n, n, offset=1)
    is_kept = torch.rand(edges.size(1), generator=generator) < draw(st.floats(0, 1))
    edges = edges[:, is_kept]
    weight = torch.rand(edges.size(1), generator=generator, dtype=torch.float64)
    return Data(
        edge_index=torch.cat([edges, edges.flip(0)], dim=1),
        edge_weight=torch.cat([weight, weight]) + 1e-3,
        num_nodes=n,
    )


@given(graphs(), st.sampled_from(SOLVERS), st.sampled_from(["sym", "comb"]), st.data())
def test_vectors_are_orthonormal_with_their_values(graph, solver, kind, data) -> None:
    operator = laplacian(graph, kind)
    k = data.draw(st.integers(1, min(graph.num_nodes, 6)))
    pairs = eigenpairs(operator, k, solver, tol=1e-9)
    gram = pairs.vectors.t() @ pairs.vectors
    assert torch.allclose(gram, torch.eye(k, dtype=torch.float64), atol=1e-8)
    quotients = (pairs.vectors * (operator.matrix @ pairs.vectors)).sum(dim=0)
    scale = max(float(operator.degree.max()), 1.0)
    assert torch.allclose(quotients, pairs.values, atol=1e-8 * scale)
    assert (pairs.values.diff() >= 0).all()
    assert (pairs.values >= 0).all()


@given(graphs(), st.sampled_from(SOLVERS), st.sampled_from(KINDS), st.data())
def test_values_do_not_depend_on_the_order_of_nodes(graph, solver, kind, data) -> None:
    k = data.draw(st.integers(1, min(graph.num_nodes, 6)))
    order = torch.tensor(data.draw(st.permutations(range(graph.num_nodes))))
    permuted = graph.clone()
    permuted.edge_index = order[graph.edge_index]
    first = eigenpairs(laplacian(graph, kind), k, solver, tol=1e-9).values
    second = eigenpairs(laplacian(permuted, kind), k, solver, tol=1e-9).values
    assert torch.allclose(first, second, atol=1e-7)
