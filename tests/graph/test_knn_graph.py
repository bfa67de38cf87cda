import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import _candidates, _exact_neighbors, knn_graph
from pyg_basis.graph._candidates import Search, candidate_search

BACKENDS = ["torch", "scipy", "torch_cluster"]
INSTALLED = [name for name in BACKENDS if name == "scipy" or find_spec(name)]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param not in INSTALLED:
        pytest.skip("torch-cluster is not installed")
    return str(request.param)


def brute_force(x: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbors and distances by float64 differences, ties by index."""
    points = x.double().numpy()
    index = np.empty((len(points), k), dtype=np.int64)
    distance = np.empty((len(points), k))
    for i, point in enumerate(points):
        to_all = np.sqrt(((point - points) ** 2).sum(axis=1))
        to_all[i] = np.inf
        index[i] = np.lexsort((np.arange(len(points)), to_all))[:k]
        distance[i] = to_all[index[i]]
    return index, distance


def random_points(n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def assert_exact(x: Tensor, k: int, backend: str, rtol: float = 2e-7) -> None:
    graph = knn_graph(x, k, backend)
    index, distance = brute_force(x, k)
    assert np.array_equal(graph.edge_index[0].view(-1, k).numpy(), index)
    assert torch.equal(graph.edge_index[1], torch.arange(len(x)).repeat_interleave(k))
    np.testing.assert_allclose(graph.edge_distance.view(-1, k), distance, rtol=rtol)


def test_line_by_hand() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]], requires_grad=True)
    graph = knn_graph(x, k=2)
    assert graph.edge_index.tolist() == [
        [1, 2, 0, 2, 1, 0, 2, 1],
        [0, 0, 1, 1, 2, 2, 3, 3],
    ]
    assert graph.edge_distance.tolist() == [1, 3, 1, 2, 2, 3, 4, 6]
    assert graph.x is x
    assert not graph.edge_distance.requires_grad


@pytest.mark.parametrize(
    "x",
    [
        random_points(300, 3),
        random_points(300, 16),
        random_points(40, 2).repeat(4, 1),
        # More copies than neighbors. The own knn_graph(loop=False) of torch_cluster
        # returns k + 1 edges for some of them.
        torch.cat([torch.zeros(30, 2), torch.ones(30, 2), random_points(30, 2)]),
        torch.ones(70, 4),
        torch.zeros(70, 1),
        torch.cartesian_prod(*[torch.arange(5.0)] * 3),
        # |a|^2 + |b|^2 - 2ab keeps no digit of these distances in float32,
        1e4 + 1e-2 * random_points(200, 3),
        # and few in float64 where one point is far off.
        torch.cat([random_points(200, 3), torch.full((1, 3), 1e7)]).double(),
    ],
    ids=[
        "3d",
        "16d",
        "copies",
        "many copies",
        "ones",
        "zeros",
        "grid",
        "far",
        "outlier",
    ],
)
@pytest.mark.parametrize("k", [1, 5, 50])
def test_equals_brute_force(backend: str, x: Tensor, k: int) -> None:
    assert_exact(x, k, backend)


@pytest.mark.parametrize("magnitude", [1e-300, 1e300])
def test_extreme_magnitudes(backend: str, magnitude: float) -> None:
    x = random_points(50, 2).double()
    graph, expected = knn_graph(x * magnitude, 4, backend), knn_graph(x, 4)
    assert torch.equal(graph.edge_index, expected.edge_index)
    torch.testing.assert_close(graph.edge_distance / magnitude, expected.edge_distance)


def test_number_of_neighbors_of_numpy() -> None:
    x = random_points(20, 2)
    found = knn_graph(x, np.int64(3))
    assert torch.equal(found.edge_index, knn_graph(x, 3).edge_index)


@given(
    points=st.integers(1, 3).flatmap(
        lambda d: st.lists(
            st.lists(st.integers(-2, 2), min_size=d, max_size=d),
            min_size=2,
            max_size=40,
        )
    ),
    data=st.data(),
)
def test_grid_points_full_of_ties(points: list[list[int]], data: st.DataObject) -> None:
    x = torch.tensor(points, dtype=torch.float32)
    k = data.draw(st.integers(1, len(points) - 1))
    for name in INSTALLED:
        assert_exact(x, k, name)


@given(
    points=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 3), min_size=3, max_size=40
    ),
    repeats=st.integers(1, 4),
    data=st.data(),
)
def test_backends_agree_on_any_points(
    points: list[tuple[float, ...]], repeats: int, data: st.DataObject
) -> None:
    x = torch.tensor(points).repeat(repeats, 1)
    k = data.draw(st.integers(1, len(x) - 1))
    expected = knn_graph(x, k, "torch")
    # Distances equal in exact arithmetic may differ in their last bits, so here
    # only distances are compared to the oracle, and edges between backends.
    np.testing.assert_allclose(
        expected.edge_distance.view(-1, k), brute_force(x, k)[1], rtol=2e-7, atol=1e-44
    )
    for name in INSTALLED:
        graph = knn_graph(x, k, name)
        assert torch.equal(graph.edge_index, expected.edge_index), name
        assert torch.equal(graph.edge_distance, expected.edge_distance), name


def test_distance_beyond_the_dtype_stays_finite() -> None:
    largest = torch.finfo(torch.float32).max
    graph = knn_graph(torch.tensor([[largest], [-largest], [0.0]]), k=2)
    assert graph.edge_distance.max() == largest


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_distances_are_single_precision_at_least(dtype: torch.dtype) -> None:
    x = random_points(20, 2).to(dtype)
    graph, expected = knn_graph(x, k=3), knn_graph(x.double(), k=3)
    assert torch.equal(graph.edge_index, expected.edge_index)
    wide = torch.promote_types(dtype, torch.float32)
    assert torch.equal(graph.edge_distance, expected.edge_distance.to(wide))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu() -> None:
    x = torch.cat([random_points(400, 5), torch.zeros(40, 5)])
    graph = knn_graph(x.cuda(), 20)
    assert graph.edge_index.is_cuda
    assert torch.equal(graph.edge_index.cpu(), knn_graph(x, 20).edge_index)


@pytest.mark.parametrize("factor", [1.0, 0.1])  # on a grid, and not
@pytest.mark.parametrize("highest", [2, 256])
def test_many_features_of_few_values(factor: float, highest: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, highest, (700, 12), generator=generator).double() * factor
    x[::7] = x[0]
    for k in (1, 20, 130):
        index, distance = brute_force(x, k)
        graph = knn_graph(x, k, "torch")
        found = graph.edge_distance.view(-1, k)
        np.testing.assert_allclose(found, distance, rtol=1e-12)
        if factor == 1:
            assert np.array_equal(graph.edge_index[0].view(-1, k), index)
        tree = knn_graph(x, k, "scipy")
        assert torch.equal(graph.edge_index, tree.edge_index)


@given(
    st.integers(1, 60), st.integers(0, 2**53), st.integers(1, 4), st.integers(0, 2**31)
)
def test_integers_up_to_any_size(n: int, largest: int, d: int, seed: int) -> None:
    # Beyond some size products are not exact, and must not be taken for it.
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, largest + 1, (n + 60, d), generator=generator)
    x = (x // max(largest // 3, 1) * max(largest // 3, 1)).double()
    found, tree = (knn_graph(x, 5, backend) for backend in ("torch", "scipy"))
    assert torch.equal(found.edge_index, tree.edge_index)


def test_points_on_a_grid_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    among_all = _exact_neighbors._among_all

    def refuse(points: Tensor, rows: Tensor, k: int) -> Any:
        assert len(rows) == 0, "rows were redone"
        return among_all(points, rows, k)

    monkeypatch.setattr(_exact_neighbors, "_among_all", refuse)
    x = (random_points(300, 40) > 0.5).float()
    assert_exact(x * 2**-10, 20, "torch")


# --- certification


# Without centering, the roundoff of points far from the origin would fail every row.
@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1e-6, 0.5)])
def test_rows_without_ties_are_not_redone(
    monkeypatch: pytest.MonkeyPatch, factor: float, offset: float
) -> None:
    searched: list[int] = []

    def counted(backend: str, points: Tensor) -> Any:
        search = candidate_search(backend, points)

        def candidates(nodes: Tensor, count: int) -> Tensor:
            searched.append(len(nodes))
            return search.candidates(nodes, count)

        return Search(candidates, search.is_exact)

    monkeypatch.setattr(_exact_neighbors, "candidate_search", counted)
    knn_graph(random_points(300, 16).double() * factor + offset, 20, "torch")
    assert searched == [300]


def test_small_blocks_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    x = random_points(150, 3).mul(6).round().div(3)
    expected = knn_graph(x, 9, backend)
    monkeypatch.setattr(_candidates, "BLOCK_ELEMENTS", 700)
    monkeypatch.setattr(_exact_neighbors, "_GATHER_ELEMENTS_CPU", 200)
    monkeypatch.setattr(_exact_neighbors, "_BLOCK_ELEMENTS", 400)
    graph = knn_graph(x, 9, backend)
    assert torch.equal(graph.edge_index, expected.edge_index)
    assert torch.equal(graph.edge_distance, expected.edge_distance)


def test_backend_may_err_within_roundoff(monkeypatch: pytest.MonkeyPatch) -> None:
    # Node 0 is the center of a circle: its distances differ in the last bits only.
    angle = torch.arange(40, dtype=torch.float64) * 0.1
    circle = torch.stack([angle.cos(), angle.sin()], dim=1) * 0.7
    x = torch.cat([torch.zeros(1, 2, dtype=torch.float64), circle])
    ordered = knn_graph(x, 40)
    assert 0 < ordered.edge_distance[39] - ordered.edge_distance[0] < 1e-15

    def misled(points: Tensor) -> Search:
        def candidates(nodes: Tensor, count: int) -> Tensor:
            index = candidate_search("scipy", points).candidates(nodes, count)
            index[0] = ordered.edge_index[0, 40 - count : 40]
            return index

        return Search(candidates)

    monkeypatch.setitem(_candidates.BACKENDS, "torch", misled)
    found = knn_graph(x, 5, "torch").edge_index[0].view(-1, 5)
    assert torch.equal(found, ordered.edge_index[0].view(-1, 40)[:, :5])


# --- choice of a backend, and bad input


def test_auto_takes_the_tree_in_few_dimensions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in BACKENDS:
        monkeypatch.setitem(_candidates.BACKENDS, name, lambda _, name=name: name)
    chosen = [candidate_search("auto", torch.empty(9, d)) for d in (2, 6, 7)]
    assert chosen == ["scipy", "scipy", "torch"]


@pytest.mark.parametrize("backend", ["faiss", ["torch"], {}, np.array([1, 2])])
def test_unknown_backend(backend: Any) -> None:
    with pytest.raises(ValueError, match=r"'backend' .*'scipy'"):
        knn_graph(torch.ones(5, 2), 2, backend=backend)


def test_backend_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_cluster", None)
    match = r"backend='torch_cluster'.*pyg-basis\[cluster\].*backend='auto'"
    with pytest.raises(ImportError, match=match):
        knn_graph(torch.ones(5, 2), 2, backend="torch_cluster")


@pytest.mark.parametrize(
    ("x", "k", "words"),
    [
        (torch.ones(5), 2, ["x must have shape", "(5,)", "x.unsqueeze(1)"]),
        (torch.ones(5, 2, 2), 2, ["x must have shape", "(5, 2, 2)", "x.flatten(1)"]),
        (torch.ones(5, 0), 2, ["x must have shape", "d >= 1", "(5, 0)"]),
        (np.ones((5, 2)), 2, ["x must have shape", "ndarray", "torch.as_tensor(x)"]),
        (torch.ones(5, 2).long(), 2, ["x must have shape", "int64", "float()"]),
        (torch.ones(5, 2, device="meta"), 2, ["x must have shape", "on meta"]),
        (torch.eye(5).to_sparse(), 2, ["x must have shape", "torch.sparse_coo"]),
        ([Data()], 2, ["x must have shape", "got list"]),
        (torch.tensor([[0], [torch.nan], [1]]), 1, ["1 of 3 rows", "nan_to_num(x)"]),
        (torch.tensor([[0], [torch.inf], [1]]), 1, ["1 of 3 rows", "nan_to_num(x)"]),
        (torch.ones(5, 2), 0, ["'k' parameter of knn_graph", "Got 0"]),
        (torch.ones(5, 2), 2.5, ["'k' parameter of knn_graph", "Got 2.5"]),
        (torch.ones(5, 2), np.bool_(True), ["'k' parameter of knn_graph", "True"]),
        (torch.ones(5, 2), 5, ["fewer nodes than neighbors", "k=5", "k <= 4"]),
    ],
)
def test_bad_input(x: Any, k: Any, words: list[str]) -> None:
    with pytest.raises(ValueError, match=words[0]) as caught:
        knn_graph(x, k)
    assert all(word in str(caught.value) for word in words)
