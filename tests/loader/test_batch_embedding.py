import copy
import importlib
import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_basis.datasets import circle, sphere, two_moons
from pyg_basis.eigen import LOBPCG, FilterWindow, eigenpairs
from pyg_basis.eigen.filtered_subspace import Subspace, filtered_subspace
from pyg_basis.graph import affinity, knn_graph, laplacian, neighbor_laplacian
from pyg_basis.loader import ExactEmbedding, WarmStart, batch_embedding
from pyg_basis.loader.batch_embedding import BatchEmbedding
from tests.no_host_reads import NoHostReads

KINDS = ["sym", "rw", "comb"]
NUM_ANCHORS = 40


def strip(n: int, seed: int = 0) -> Tensor:
    """Its eigenvalues are simple, and those of all samples alike."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    x[:, 0] = 5 * (x[:, 0] + torch.randperm(n, generator=generator)) / n
    return x


def batches(embedding: ExactEmbedding, anchors: Tensor, others: Tensor):
    operator = embedding.operator(torch.cat([anchors, others]))
    start = WarmStart.of(operator, embedding.num_pairs, len(anchors))
    return BatchEmbedding(anchors, embedding, start)


def subspace_error(first: Tensor, second: Tensor) -> float:
    """The sine of the largest angle between the spans of two sets of columns."""
    assert first.shape == second.shape
    a, b = (torch.linalg.qr(vectors.double()).Q for vectors in (first, second))
    return float(torch.linalg.matrix_norm(a - b @ (b.t() @ a), 2))


def assert_same(found, expected) -> None:
    assert found.converged is True
    assert found.num_components == expected.num_components
    assert subspace_error(found.vectors, expected.vectors) <= 1e-6
    torch.testing.assert_close(found.values, expected.values, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.degree, expected.degree, rtol=1e-8, atol=0)
    mean_square = found.vectors.square().mean(dim=0)
    torch.testing.assert_close(mean_square, torch.ones_like(mean_square))


def dense(x: Tensor, embedding: ExactEmbedding):
    """The embedding of all points by the dense solver; its gap is wide."""
    exact = replace(embedding, solver="dense")
    values = eigenpairs(exact.operator(x), exact.num_pairs + 1, "dense").values
    assert values[-1] - values[-2] > 1e-3 * values[-1], "the space must be well defined"
    return exact(x)


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("num_new", [80, 160, 320])
@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_embedding_of_all_points(kind, drop_trivial, num_new) -> None:
    # Half, as many and twice the other nodes of the reference.
    embedding = ExactEmbedding(4, 10, laplacian=kind, drop_trivial=drop_trivial)
    anchors = strip(NUM_ANCHORS)
    many = batches(embedding, anchors, strip(160, 1))
    assert many.start.window is not None
    for seed in range(2, 6):
        x = strip(num_new, seed)
        found, expected = many(x), dense(torch.cat([anchors, x]), embedding)
        assert_same(found, expected)
        # Single vectors too, as these eigenvalues are simple.
        for one, other in zip(found.vectors.t(), expected.vectors.t(), strict=True):
            assert subspace_error(one[:, None], other[:, None]) < 1e-4


@pytest.mark.parametrize("bandwidth", ["global", 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_bandwidths(kind, bandwidth) -> None:
    embedding = ExactEmbedding(3, 10, bandwidth=bandwidth, laplacian=kind)
    anchors, x = strip(NUM_ANCHORS), strip(160, 2)
    found = batches(embedding, anchors, strip(160, 1))(x)
    assert_same(found, dense(torch.cat([anchors, x]), embedding))


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_window(kind, drop_trivial) -> None:
    embedding = ExactEmbedding(4, 10, laplacian=kind, drop_trivial=drop_trivial)
    anchors, x = strip(NUM_ANCHORS), strip(160, 2)
    rows = embedding(torch.cat([anchors, strip(160, 1)])).vectors[:NUM_ANCHORS]
    found = BatchEmbedding(anchors, embedding, WarmStart(rows))(x)
    assert_same(found, dense(torch.cat([anchors, x]), embedding))


@pytest.mark.parametrize(
    "rows",
    [
        torch.zeros(NUM_ANCHORS, 4),
        torch.full((NUM_ANCHORS, 4), torch.nan),
        torch.ones(NUM_ANCHORS, 20),
        torch.eye(NUM_ANCHORS),
    ],
    ids=["zeros", "nan", "ones", "more than wanted"],
)
@pytest.mark.parametrize(
    "window",
    [
        None,
        FilterWindow(0.01, 0.1, 0.8, 6),
        FilterWindow(1e-9, 1e-8, 0.5, 4),
        FilterWindow(1e-6, 1.1e-6, 1e-4, 4),
        FilterWindow(0.5, 0.9, 1.0, 4),
    ],
    ids=["none", "some", "cut too low", "overflows", "cut too high"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_any_start_gives_the_answer(kind, window, rows) -> None:
    embedding = ExactEmbedding(4, 10, laplacian=kind)
    anchors, x = strip(NUM_ANCHORS), strip(160, 2)
    found = BatchEmbedding(anchors, embedding, WarmStart(rows, window))(x)
    assert_same(found, dense(torch.cat([anchors, x]), embedding))


@pytest.mark.parametrize("kind", KINDS)
def test_start_of_another_shape_of_the_data(kind) -> None:
    # The reference came from a cloud, and the batches are strips.
    embedding = ExactEmbedding(4, 10, laplacian=kind)
    cloud = torch.randn(160, 2, generator=torch.Generator().manual_seed(0)).double()
    anchors, x = strip(NUM_ANCHORS), strip(160, 2)
    found = batches(embedding, anchors, 3 * cloud)(x)
    assert_same(found, dense(torch.cat([anchors, x]), embedding))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("num_islands", [1, 3])
@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_on_an_accelerator(kind, drop_trivial, num_islands, sign, monkeypatch) -> None:
    """The same steps on the CPU; the signs are those of whatever solver there is."""

    def any_sign(*arguments: Any) -> Subspace:
        pairs = filtered_subspace(*arguments)
        return pairs._replace(vectors=sign * pairs.vectors)

    monkeypatch.setattr(batch_embedding, "filtered_subspace", any_sign)
    embedding = ExactEmbedding(4, 10, laplacian=kind, drop_trivial=drop_trivial)
    anchors, x = islands(90, num_islands, 0), islands(150, num_islands, 2)
    many = batches(embedding, anchors, islands(150, num_islands, 1))
    assert many.start.window is not None
    expected = dense(torch.cat([anchors, x]), embedding)
    with NoHostReads():
        found = many.on_device(x, many.start.window)
    assert bool(found.converged)
    assert found.num_components == num_islands
    assert subspace_error(found.vectors, expected.vectors) <= 1e-6
    torch.testing.assert_close(found.values, expected.values, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.degree, expected.degree, rtol=1e-8, atol=0)
    if not drop_trivial:
        # No alignment turns it: its sign must be the same in all batches.
        torch.testing.assert_close(found.vectors[:, 0], expected.vectors[:, 0])


def test_on_an_accelerator_what_is_not_finite_did_not_converge() -> None:
    embedding = ExactEmbedding(4, 10)
    many = batches(embedding, strip(NUM_ANCHORS), strip(160, 1))
    assert many.start.window is not None
    x = strip(160, 2)
    x[3, 1] = torch.nan
    found = many.on_device(x, many.start.window)
    assert not found.converged
    assert found.vectors.isfinite().all()


def islands(n: int, num_islands: int, seed: int) -> Tensor:
    x = strip(n, seed)
    x[:, 1] += 1000 * (torch.arange(n) % num_islands)
    return x


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("num_islands", [2, 3, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_disconnected_batches(kind, num_islands, drop_trivial) -> None:
    embedding = ExactEmbedding(3, 8, laplacian=kind, drop_trivial=drop_trivial)
    anchors, x = islands(80, num_islands, 0), islands(240, num_islands, 2)
    many = batches(embedding, anchors, islands(240, num_islands, 1))
    joined = torch.cat([anchors, x])
    exact, found = replace(embedding, solver="dense")(joined), many(x)
    # All of them are counted, however few eigenvectors are asked for.
    assert found.num_components == num_islands
    assert found.converged
    assert bool(found.vectors.isfinite().all())
    torch.testing.assert_close(found.values, exact.values, rtol=0, atol=1e-6)
    operator = neighbor_laplacian(many.landmarks, x, 8, kind=many.kind)
    root = operator.degree.sqrt().unsqueeze(1) if kind == "rw" else 1.0
    vectors = torch.nn.functional.normalize(found.vectors * root, dim=0)
    residual = operator.matrix @ vectors - vectors * found.values
    assert residual.norm(dim=0).max() < 1e-5 * max(1.0, float(operator.degree.max()))
    if num_islands <= 3 + drop_trivial:
        values = eigenpairs(embedding.operator(joined), 5, "dense").values
        if values[3 + drop_trivial] > values[2 + drop_trivial] + 1e-3:
            assert subspace_error(found.vectors, exact.vectors) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_islands_without_an_anchor(kind) -> None:
    # Nodes that no anchor reaches have nothing to start from.
    embedding = ExactEmbedding(4, 10, laplacian=kind)
    anchors = strip(NUM_ANCHORS)
    far = torch.cat([strip(120, 2), strip(60, 3) + torch.tensor([0.0, 1000.0])])
    many = batches(embedding, anchors, strip(160, 1))
    operator = neighbor_laplacian(many.landmarks, far, 10, kind=many.kind)
    assert not many.extended(operator)[-60:].any()
    found = many(far)
    assert found.num_components == 2
    assert_same(found, dense(torch.cat([anchors, far]), embedding))


@pytest.mark.parametrize("kind", KINDS)
def test_anchors_that_no_node_has_as_neighbour(kind) -> None:
    embedding = ExactEmbedding(4, 10, laplacian=kind)
    anchors = strip(NUM_ANCHORS)
    anchors[:5] += torch.tensor([0.0, 30.0]) * torch.arange(1, 6).double()[:, None]
    x = strip(160, 2)
    edges = knn_graph(torch.cat([anchors, x]), 10).edge_index
    assert not torch.isin(edges[0], torch.arange(5))[edges[1] >= NUM_ANCHORS].any()
    found = batches(embedding, anchors, strip(160, 1))(x)
    assert_same(found, dense(torch.cat([anchors, x]), embedding))


@pytest.mark.parametrize("far", [1e3, 1e6])
@pytest.mark.parametrize("kind", KINDS)
def test_an_outlier(kind, far) -> None:
    embedding = ExactEmbedding(4, 10, laplacian=kind)
    anchors, x = strip(NUM_ANCHORS), strip(160, 2)
    x[17] = far
    found = batches(embedding, anchors, strip(160, 1))(x)
    exact = replace(embedding, solver="dense")(torch.cat([anchors, x]))
    assert found.converged
    assert bool(found.vectors.isfinite().all())
    torch.testing.assert_close(found.values, exact.values, rtol=0, atol=1e-6)
    assert found.num_components == exact.num_components


@pytest.mark.parametrize(
    "x",
    [
        strip(20, 2).repeat(8, 1),
        strip(3, 2).repeat(40, 1),
        torch.ones(100, 2).double(),
        torch.cat([strip(100, 2), torch.ones(60, 2).double()]),
    ],
    ids=["few copies", "many copies", "constant", "partly constant"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_duplicates(kind, x) -> None:
    embedding = ExactEmbedding(4, 10, laplacian=kind)
    anchors = strip(NUM_ANCHORS)
    found = batches(embedding, anchors, strip(160, 1))(x)
    exact = replace(embedding, solver="dense")(torch.cat([anchors, x]))
    assert found.converged
    assert bool(found.vectors.isfinite().all())
    torch.testing.assert_close(found.values, exact.values, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.degree, exact.degree, rtol=1e-10, atol=0)


@pytest.mark.parametrize("solver", ["dense", "lanczos", "lobpcg"])
def test_the_solver_asked_for_is_used(solver, monkeypatch) -> None:
    used = []

    def spied(*arguments, **named):
        pairs = eigenpairs(*arguments, **named)
        used.append(pairs.solver)
        return pairs

    monkeypatch.setattr("pyg_basis.loader.batch_embedding.eigenpairs", spied)
    embedding = ExactEmbedding(4, 10, solver=solver)
    anchors, x = strip(NUM_ANCHORS), strip(160, 2)
    found = batches(embedding, anchors, strip(160, 1))(x)
    assert used == [solver]
    assert_same(found, dense(torch.cat([anchors, x]), embedding))


def test_extension_is_the_mean_of_the_anchors_among_the_neighbours() -> None:
    anchors, x = strip(NUM_ANCHORS), strip(60, 2)
    rows = torch.rand(NUM_ANCHORS, 3, generator=torch.Generator().manual_seed(0))
    many = BatchEmbedding(
        anchors, ExactEmbedding(3, 8, laplacian="rw"), WarmStart(rows)
    )
    joined = torch.cat([anchors, x])
    graph = affinity(knn_graph(joined, 8))
    weight = torch.zeros(100, 100).double()
    weight[tuple(graph.edge_index)] = graph.edge_weight
    part = weight[:, :NUM_ANCHORS]
    expected = (part @ rows.double() / part.sum(dim=1, keepdim=True)).nan_to_num(0.0)
    expected[:NUM_ANCHORS] = rows.double()
    operator = neighbor_laplacian(many.landmarks, x, 8)
    # In the form of the symmetric operator.
    root = laplacian(graph, "rw").degree.sqrt().unsqueeze(1)
    torch.testing.assert_close(many.extended(operator), root * expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_of_the_reference_is_its_answer(kind) -> None:
    embedding = ExactEmbedding(3, 10, laplacian=kind)
    anchors, others = strip(NUM_ANCHORS), strip(160, 1)
    many = batches(embedding, anchors, others)
    operator = neighbor_laplacian(many.landmarks, others, 10, kind=many.kind)
    start = many.extended(operator)[:, :3]
    expected = eigenpairs(operator, 3, "dense").vectors
    assert torch.equal(start[:NUM_ANCHORS].abs() > 0, torch.ones(40, 3).bool())
    # On the anchors it is exact, elsewhere near.
    a, b = start[:NUM_ANCHORS], expected[:NUM_ANCHORS]
    assert subspace_error(a, b) < 1e-2
    assert subspace_error(start, expected) < 0.5


@pytest.mark.parametrize("copied", [copy.copy, lambda m: pickle.loads(pickle.dumps(m))])
def test_landmarks_are_prepared_once(copied) -> None:
    many = batches(ExactEmbedding(3, 10), strip(NUM_ANCHORS), strip(160, 1))
    landmarks = many.landmarks
    first = many(strip(60, 2))
    assert many.landmarks is landmarks
    again = copied(many)
    assert "landmarks" in vars(again)  # goes along to a worker
    assert torch.equal(again(strip(60, 2)).vectors, first.vectors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_that_of_the_anchors(dtype) -> None:
    anchors, x = strip(NUM_ANCHORS).to(dtype), strip(160, 2).to(dtype)
    embedding = ExactEmbedding(4, 10)
    found = batches(embedding, anchors, strip(160, 1).to(dtype))(x)
    for tensor in (found.vectors, found.values, found.degree):
        assert tensor.dtype == dtype
    exact = dense(torch.cat([anchors, x]).double(), embedding)
    assert subspace_error(found.vectors, exact.vectors) < 1e-6


@pytest.mark.parametrize(
    ("x", "embedding", "match"),
    [
        (strip(20).fill_(torch.nan), ExactEmbedding(3, 8), "x must be finite"),
        (strip(20), ExactEmbedding(3, 60), "num_neighbors=60 needs at least 61 nodes"),
        (strip(20), ExactEmbedding(60, 8), "num_eigenvectors=60 is above what 60"),
    ],
)
def test_bad_input(x, embedding, match) -> None:
    many = BatchEmbedding(strip(40), embedding, WarmStart(torch.ones(40, 3).double()))
    with pytest.raises(ValueError, match=match):
        many(x)


def test_unconverged_batches_say_so(monkeypatch) -> None:
    many = batches(ExactEmbedding(3, 10), strip(NUM_ANCHORS), strip(160, 1))
    short = LOBPCG(max_iter=1, num_filters=0, window=FilterWindow(0.2, 0.3, 1.0, 4))
    module = importlib.import_module("pyg_basis.eigen.eigenpairs")
    monkeypatch.setattr(module, "solver_chain", lambda *_: [short])
    with pytest.warns(RuntimeWarning, match="above tol"):
        assert many(strip(160, 2)).converged is False


SAMPLES = {
    "sphere": (lambda n, seed: sphere(n, seed=seed), 9, 50),
    "circle": (lambda n, seed: circle(n, seed=seed), 5, 20),
    "two moons": (lambda n, seed: two_moons(n, seed=seed)[0], 2, 10),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", list(SAMPLES))
def test_every_batch_is_exact(name) -> None:
    sample, num_eigenvectors, k = SAMPLES[name]
    x = sample(5000, 0)
    embedding = ExactEmbedding(num_eigenvectors, k, laplacian="rw")
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(5000, generator=generator)
    anchors, free = x[order[:100]], x[order[100:]]
    many = batches(embedding, anchors, free[:412])
    solver, first = LOBPCG(window=many.start.window), 0
    for batch in range(200):
        new = free[torch.randperm(4900, generator=generator)[:412]]
        operator = neighbor_laplacian(many.landmarks, new, k)
        start = many.extended(operator)
        pairs = eigenpairs(operator, num_eigenvectors, solver, start)
        assert pairs.converged, batch
        first += pairs.solver == "lobpcg"
        image = operator.matrix @ pairs.vectors
        residual = (image - pairs.vectors * pairs.values).norm(dim=0)
        assert residual.max() < 2e-6, batch
        values, vectors = torch.linalg.eigh(operator.matrix.to_dense())
        wanted = values[:num_eigenvectors]
        torch.testing.assert_close(pairs.values, wanted, rtol=0, atol=1e-9)
        error = subspace_error(pairs.vectors, vectors[:, :num_eigenvectors])
        assert error <= 1e-5, batch
    assert first == 200, "the warm start must not fall back to other solvers"
