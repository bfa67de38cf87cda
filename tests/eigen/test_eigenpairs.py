import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data

from pyg_basis.eigen import LOBPCG, Dense, Eigenpairs, Lanczos, eigenpairs
from pyg_basis.graph import affinity, knn_graph, laplacian

SOLVERS = ["chebyshev", "dense", "lanczos", "lobpcg"]
KINDS = ["sym", "rw", "comb"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
def test_agrees_with_dense_eigh(
    graph_and_k, kind, solver, reference, subspace_error
) -> None:
    graph, k = graph_and_k
    values, vectors = reference(graph, kind, k)
    pairs = eigenpairs(laplacian(graph, kind), k, solver, tol=1e-8)
    assert pairs.converged
    if solver != "auto":
        assert pairs.solver == solver
    scale = graph.edge_weight.max() * graph.num_nodes if kind == "comb" else 1.0
    assert np.allclose(pairs.values, values, atol=1e-9 * float(scale))
    assert subspace_error(pairs.vectors, vectors) < 1e-5
    assert torch.allclose(pairs.vectors.norm(dim=0), torch.ones(k).double())
    assert pairs.residuals.max() <= 1e-8


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_default_tolerance_gives_the_subspace(
    neighbors, dtype, solver, reference, subspace_error
) -> None:
    graph = neighbors(300)
    graph.edge_weight = graph.edge_weight.to(dtype)
    pairs = eigenpairs(laplacian(graph), 4, solver)
    assert pairs.solver == solver
    assert pairs.vectors.dtype == pairs.values.dtype == pairs.residuals.dtype == dtype
    assert subspace_error(pairs.vectors, reference(graph, "sym", 4)[1]) < 1e-5


@pytest.mark.parametrize("solver", SOLVERS)
def test_path_has_the_closed_form_values(path, solver) -> None:
    n, k = 150, 8
    pairs = eigenpairs(laplacian(path(n), "comb"), k, solver, tol=1e-9)
    expected = 2 - 2 * torch.cos(torch.pi * torch.arange(k).double() / n)
    assert pairs.solver == solver
    assert torch.allclose(pairs.values, expected, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_more_components_than_eigenpairs(union, path, kind, solver) -> None:
    graph = union(*(path(10) for _ in range(15)))
    operator = laplacian(graph, kind)
    pairs = eigenpairs(operator, 5, solver)
    assert pairs.converged
    assert pairs.values.tolist() == pytest.approx([0] * 5, abs=1e-9)
    # In the null space every vector is constant (comb, rw) on each component.
    vectors = pairs.vectors
    if kind == "sym":
        vectors = vectors / operator.degree.sqrt().unsqueeze(1)
    assert vectors.view(15, 10, 5).std(dim=1).max() < 1e-5
    assert torch.linalg.matrix_rank(pairs.vectors) == 5


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_trivial_vector_leads_a_multiple_null_space(union, ring, kind, solver) -> None:
    graph = union(ring(40), ring(50), ring(60))
    operator = laplacian(graph, kind)
    pairs = eigenpairs(operator, 4, solver, tol=1e-8)
    trivial = operator.trivial()
    if kind == "rw":
        trivial = torch.full_like(trivial, graph.num_nodes**-0.5)
    assert torch.allclose(pairs.vectors[:, 0], trivial, atol=1e-10)
    assert pairs.residuals.max() <= 1e-8


@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_graph_without_edges(isolated, kind, solver) -> None:
    pairs = eigenpairs(laplacian(isolated(120), kind), 4, solver)
    assert pairs.converged
    assert pairs.values.tolist() == [0] * 4
    assert pairs.vectors.isfinite().all()


@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_all_eigenpairs_of_a_small_graph(path, isolated, n, solver) -> None:
    graph = path(n) if n > 1 else isolated(1)
    pairs = eigenpairs(laplacian(graph, "comb"), n, solver)
    expected = 2 - 2 * torch.cos(torch.pi * torch.arange(n).double() / n)
    assert torch.allclose(pairs.values, expected, atol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("layout", ["strided", "sparse_csr", "sparse_coo"])
def test_plain_tensor_with_negative_eigenvalues(layout, solver, subspace_error) -> None:
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(120, 120, generator=generator, dtype=torch.float64)
    matrix = random + random.t()
    values, vectors = np.linalg.eigh(matrix.numpy())
    operator = (
        matrix.to_sparse(layout=getattr(torch, layout))
        if (layout != "strided")
        else matrix
    )
    pairs = eigenpairs(operator, 5, solver, tol=1e-9)
    assert pairs.solver == solver
    assert np.allclose(pairs.values, values[:5])
    assert subspace_error(pairs.vectors, vectors[:, :5]) < 1e-5


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("factor", [1e-20, 1e20])
def test_scale_of_the_weights_does_not_matter(neighbors, factor, solver) -> None:
    graph = neighbors(200)
    expected = eigenpairs(laplacian(graph, "comb"), 5, "dense")
    graph.edge_weight = graph.edge_weight * factor
    pairs = eigenpairs(laplacian(graph, "comb"), 5, solver)
    assert pairs.solver == solver
    assert torch.allclose(pairs.values / factor, expected.values, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_integer_tensor(solver) -> None:
    pairs = eigenpairs(torch.diag(torch.arange(100)), 3, solver)
    assert pairs.values.dtype == torch.get_default_dtype()
    assert pairs.values.tolist() == pytest.approx([0, 1, 2], abs=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.usefixtures("untouched_global_generators")
def test_same_seed_gives_the_same_bits(neighbors, solver) -> None:
    operator = laplacian(neighbors(300))
    first = eigenpairs(operator, 6, solver, seed=3)
    second = eigenpairs(operator, 6, solver, seed=3)
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(first.values, second.values)


@pytest.mark.parametrize("kind", KINDS)
def test_signs_agree_across_solvers_seeds_and_starts(neighbors, kind) -> None:
    operator = laplacian(neighbors(300), kind)
    expected = eigenpairs(operator, 5, "dense").vectors
    largest = expected.gather(0, expected.abs().argmax(dim=0, keepdim=True))
    assert (largest > 0).all()
    for solver in SOLVERS:
        for seed in (0, 1):
            pairs = eigenpairs(operator, 5, solver, tol=1e-9, seed=seed)
            assert torch.allclose(pairs.vectors, expected, atol=1e-5)
    started = eigenpairs(operator, 5, "lobpcg", x0=-expected, tol=1e-9)
    assert torch.allclose(started.vectors, expected, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("solver", [*SOLVERS, "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_on_cuda(neighbors, kind, solver) -> None:
    graph = neighbors(300)
    expected = eigenpairs(laplacian(graph, kind), 4, "dense")
    pairs = eigenpairs(laplacian(graph.to("cuda"), kind), 4, solver, tol=1e-9)
    assert pairs.solver == ("lobpcg" if solver == "auto" else solver)
    assert pairs.vectors.is_cuda
    assert pairs.values.is_cuda
    assert torch.allclose(pairs.vectors.cpu(), expected.vectors, atol=1e-5)


def test_gradients_are_not_recorded(neighbors) -> None:
    graph = neighbors(100)
    graph.edge_weight.requires_grad_()
    pairs = eigenpairs(laplacian(graph, "rw"), 3)
    assert not pairs.vectors.requires_grad


class TestFallback:
    def test_lanczos_falls_back_to_dense(self, path) -> None:
        pairs = eigenpairs(laplacian(path(400)), 6, Lanczos(max_iter=1))
        assert pairs.converged
        assert pairs.solver == "dense"

    def test_lobpcg_falls_back_to_lanczos(self, path) -> None:
        pairs = eigenpairs(laplacian(path(400)), 6, LOBPCG(max_iter=1))
        assert pairs.converged
        assert pairs.solver == "lanczos"

    def test_nothing_to_fall_back_to(self, path) -> None:
        # Beyond the size that the dense solver is tried at.
        operator = laplacian(path(8200))
        with pytest.warns(
            RuntimeWarning, match=r"residual .* above tol.*max_iter"
        ) as seen:
            pairs = eigenpairs(operator, 4, Lanczos(max_iter=1))
        assert seen[0].filename == __file__
        assert not pairs.converged
        assert pairs.vectors.isfinite().all()
        assert pairs.values.isfinite().all()
        assert pairs.residuals.max() > 1e-6

    def test_tolerance_that_roundoff_forbids(self, neighbors) -> None:
        operator = laplacian(neighbors(200))
        with pytest.warns(RuntimeWarning, match="raise tol"):
            pairs = eigenpairs(operator, 4, tol=1e-18)
        assert not pairs.converged
        assert pairs.residuals.max() < 1e-14

    def test_solver_of_nan_is_not_believed(self, neighbors) -> None:
        class Broken:
            def solve(self, operator, k, x0=None, tol=1e-6, seed=0) -> Eigenpairs:
                nan = torch.full((k,), torch.nan)
                return Eigenpairs(nan, nan.expand(300, k), nan, 1, False, "broken")

        pairs = eigenpairs(laplacian(neighbors(300)), 4, Broken())
        assert pairs.solver == "lanczos"

    def test_converged_results_do_not_warn(self, neighbors) -> None:
        operator = laplacian(neighbors(300))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            eigenpairs(operator, 4)
            eigenpairs(operator, 4, LOBPCG(max_iter=1))

    def test_solver_object_is_used(self, neighbors) -> None:
        assert eigenpairs(laplacian(neighbors(300)), 4, Dense()).solver == "dense"


class TestBadInput:
    def test_too_many_eigenpairs(self, path) -> None:
        with pytest.raises(ValueError, match=r"k=11 .* n=10 rows.*ask for fewer"):
            eigenpairs(laplacian(path(10)), 11)

    @pytest.mark.parametrize("k", [0, -1, 2.0, True, None])
    def test_k_is_no_positive_integer(self, path, k) -> None:
        with pytest.raises(ValueError, match=r"k=.*integer from 1 to n"):
            eigenpairs(laplacian(path(10)), k)

    @pytest.mark.parametrize("shape", [(3, 4), (3,), (0, 0), (2, 2, 2)])
    def test_operator_is_not_square(self, shape) -> None:
        with pytest.raises(ValueError, match=r"operator has shape.*\[n, n\]"):
            eigenpairs(torch.zeros(shape), 1)

    def test_operator_is_no_tensor(self) -> None:
        with pytest.raises(ValueError, match=r"operator must be a Laplacian.*list"):
            eigenpairs([[1.0]], 1)

    def test_operator_is_complex(self) -> None:
        with pytest.raises(ValueError, match=r"operator has dtype.*real"):
            eigenpairs(torch.eye(3, dtype=torch.complex64), 1)

    @pytest.mark.parametrize("layout", [torch.strided, torch.sparse_csr])
    def test_operator_is_not_symmetric(self, layout) -> None:
        matrix = torch.eye(5)
        matrix[0, 1] = 0.5
        matrix = matrix if layout == torch.strided else matrix.to_sparse_csr()
        with pytest.raises(ValueError, match=r"operator must be symmetric.*\(A \+ A"):
            eigenpairs(matrix, 1)

    @pytest.mark.parametrize("value", [torch.nan, torch.inf])
    @pytest.mark.parametrize("layout", [torch.strided, torch.sparse_csr])
    def test_operator_is_not_finite(self, layout, value) -> None:
        matrix = torch.eye(5)
        matrix[2, 2] = value
        matrix = matrix if layout == torch.strided else matrix.to_sparse_csr()
        with pytest.raises(ValueError, match=r"operator has NaN or infinite.*features"):
            eigenpairs(matrix, 1)

    def test_unknown_solver(self, path) -> None:
        with pytest.raises(ValueError, match=r"solver='qr' is unknown.*'lanczos'"):
            eigenpairs(laplacian(path(10)), 2, "qr")

    @pytest.mark.parametrize("solver", [None, 3, LOBPCG])
    def test_solver_of_wrong_type(self, path, solver) -> None:
        with pytest.raises(ValueError, match=r"solver=.*method solve.*'auto'"):
            eigenpairs(laplacian(path(10)), 2, solver)

    @pytest.mark.parametrize("x0", [torch.zeros(9, 2), torch.zeros(10), np.eye(10)])
    def test_start_of_wrong_shape(self, path, x0) -> None:
        with pytest.raises(ValueError, match=r"x0 must be .*n=10.*columns"):
            eigenpairs(laplacian(path(10)), 2, x0=x0)

    @pytest.mark.parametrize("tol", [0.0, -1.0, torch.nan, torch.inf])
    def test_tolerance_out_of_range(self, path, tol) -> None:
        with pytest.raises(ValueError, match=r"tol=.*positive"):
            eigenpairs(laplacian(path(10)), 2, tol=tol)


@st.composite
def graphs(draw: st.DrawFn) -> Data:
    """Any weighted graph, isolated nodes and several components included."""
    n = draw(st.integers(2, 60))
    seed = draw(st.integers(0, 2**32 - 1))
    share = draw(st.floats(0, 1))
    generator = torch.Generator().manual_seed(seed)
    edges = torch.triu_indices(n, n, offset=1)
    edges = edges[:, torch.rand(edges.shape[1], generator=generator) < share]
    weight = torch.rand(edges.shape[1], generator=generator, dtype=torch.float64)
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
    permuted = Data(
        edge_index=order[graph.edge_index],
        edge_weight=graph.edge_weight,
        num_nodes=graph.num_nodes,
    )
    first = eigenpairs(laplacian(graph, kind), k, solver, tol=1e-9).values
    second = eigenpairs(laplacian(permuted, kind), k, solver, tol=1e-9).values
    assert torch.allclose(first, second, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("solver", ["lanczos", "lobpcg"])
def test_default_tolerance_gives_the_subspace_of_a_larger_graph(
    solver, seed, subspace_error
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1500, 3, generator=generator, dtype=torch.float64)
    operator = laplacian(affinity(knn_graph(x, 10)))
    pairs = eigenpairs(operator, 10, solver)
    dense = torch.linalg.eigh(operator.matrix.to_dense()).eigenvectors[:, :10]
    assert pairs.solver == solver
    assert subspace_error(pairs.vectors, dense) < 1e-5
