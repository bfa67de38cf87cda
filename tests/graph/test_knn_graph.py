import importlib.util
import sys

import numpy as np
import pytest
import torch
import torch_geometric
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyg_basis.graph import knn_graph

BACKENDS = ["torch", "sklearn", "torch_cluster", "pyg_lib"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend; those that are not installed are skipped."""
    if request.param in ("torch_cluster", "pyg_lib"):
        pytest.importorskip(request.param)
    return str(request.param)


def installed_backends() -> list[str]:
    return [
        name
        for name in BACKENDS
        if name in ("torch", "sklearn") or importlib.util.find_spec(name)
    ]


def brute_force(x: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours and distances by float64 differences, ties by index."""
    points = x.double().numpy()
    order = np.arange(len(points))
    index = np.empty((len(points), k), dtype=np.int64)
    distance = np.empty((len(points), k))
    for i, point in enumerate(points):
        to_all = np.sqrt(((point - points) ** 2).sum(axis=1))
        to_all[i] = np.inf
        index[i] = np.lexsort((order, to_all))[:k]
        distance[i] = to_all[index[i]]
    return index, distance


def random_points(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_line_by_hand() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    graph = knn_graph(x, k=2)
    assert graph.edge_index.tolist() == [
        [1, 2, 0, 2, 1, 0, 2, 1],
        [0, 0, 1, 1, 2, 2, 3, 3],
    ]
    assert graph.edge_distance.tolist() == [1, 3, 1, 2, 2, 3, 4, 6]
    assert graph.x is x


def test_ring_ties_go_to_the_lower_index(backend: str) -> None:
    # Each corner of the square has two neighbours at distance 1.
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    graph = knn_graph(x, k=1, backend=backend)
    assert graph.edge_index[0].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("n", "d", "k"), [(300, 1, 5), (300, 3, 20), (300, 16, 50), (60, 40, 59)]
)
def test_equals_brute_force(backend: str, n: int, d: int, k: int) -> None:
    x = random_points(n, d)
    graph = knn_graph(x, k, backend)
    index, distance = brute_force(x, k)
    assert np.array_equal(graph.edge_index[0].view(n, k).numpy(), index)
    assert graph.edge_distance.dtype == torch.float32
    np.testing.assert_allclose(
        graph.edge_distance.view(n, k).numpy(), distance, rtol=2e-7
    )


@settings(max_examples=40)
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
    index, distance = brute_force(x, k)
    for name in installed_backends():
        graph = knn_graph(x, k, name)
        assert np.array_equal(graph.edge_index[0].view(-1, k).numpy(), index), name
        np.testing.assert_allclose(
            graph.edge_distance.view(-1, k).numpy(), distance, rtol=2e-7
        )


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
    _, distance = brute_force(x, k)
    expected = knn_graph(x, k, "torch")
    # Distances equal in exact arithmetic may differ in their last bits, so here
    # only distances are compared to the oracle, and edges between backends.
    np.testing.assert_allclose(
        expected.edge_distance.view(-1, k).numpy(), distance, rtol=2e-7, atol=1e-44
    )
    for name in installed_backends():
        graph = knn_graph(x, k, name)
        assert torch.equal(graph.edge_index, expected.edge_index), name
        assert torch.equal(graph.edge_distance, expected.edge_distance), name


def test_more_duplicates_than_neighbours(backend: str) -> None:
    # torch_cluster's own knn_graph(loop=False) returns k + 1 edges for some here.
    x = torch.cat([torch.zeros(30, 2), torch.ones(30, 2), random_points(30, 2)])
    graph = knn_graph(x, k=5, backend=backend)
    assert graph.edge_index.shape == (2, 450)
    assert torch.equal(torch.bincount(graph.edge_index[1]), torch.full((90,), 5))
    assert not bool((graph.edge_index[0] == graph.edge_index[1]).any())
    assert graph.edge_index[0].view(90, 5)[:2].tolist() == [
        [1, 2, 3, 4, 5],
        [0, 2, 3, 4, 5],
    ]
    index, _ = brute_force(x, 5)
    assert np.array_equal(graph.edge_index[0].view(90, 5).numpy(), index)


def test_constant_features(backend: str) -> None:
    graph = knn_graph(torch.ones(70, 4), k=3, backend=backend)
    assert graph.edge_index[0].view(70, 3)[-1].tolist() == [0, 1, 2]
    assert not bool(graph.edge_distance.any())


def test_near_points_far_from_the_origin(backend: str) -> None:
    # |a|^2 + |b|^2 - 2ab keeps no digit of these distances in float32.
    x = 1e4 + 1e-2 * random_points(200, 3)
    graph = knn_graph(x, k=10, backend=backend)
    index, _ = brute_force(x, 10)
    assert np.array_equal(graph.edge_index[0].view(200, 10).numpy(), index)


def test_outlier_does_not_blur_the_others(backend: str) -> None:
    x = torch.cat([random_points(200, 3), torch.full((1, 3), 1e7)]).double()
    graph = knn_graph(x, k=10, backend=backend)
    index, _ = brute_force(x, 10)
    assert np.array_equal(graph.edge_index[0].view(201, 10).numpy(), index)


@pytest.mark.parametrize("magnitude", [1e-300, 1e300])
def test_extreme_magnitudes(backend: str, magnitude: float) -> None:
    x = random_points(50, 2).double()
    graph = knn_graph(x * magnitude, k=4, backend=backend)
    index, distance = brute_force(x, 4)
    assert np.array_equal(graph.edge_index[0].view(50, 4).numpy(), index)
    np.testing.assert_allclose(
        graph.edge_distance.view(50, 4).numpy() / magnitude, distance, rtol=1e-12
    )


def test_distance_beyond_the_dtype_stays_finite() -> None:
    largest = torch.finfo(torch.float32).max
    x = torch.tensor([[largest], [-largest], [0.0]])
    graph = knn_graph(x, k=2)
    assert bool(torch.isfinite(graph.edge_distance).all())
    assert graph.edge_distance.max() == largest


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    x = random_points(20, 2).to(dtype)
    graph = knn_graph(x, k=3)
    assert graph.edge_distance.dtype == dtype
    assert graph.edge_index.dtype == torch.long


def test_sorted_by_node_distance_neighbour() -> None:
    graph = knn_graph(random_points(80, 2).double().round(decimals=1), k=9)
    neighbor, node = graph.edge_index.numpy()
    order = np.lexsort((neighbor, graph.edge_distance.numpy(), node))
    assert np.array_equal(order, np.arange(len(order)))


def test_auto_is_exact_where_it_leaves_torch() -> None:
    for d in (2, 12):
        x = random_points(1700, d)
        assert torch.equal(
            knn_graph(x, 7).edge_index, knn_graph(x, 7, "torch").edge_index
        )


def test_no_gradient_and_input_unchanged() -> None:
    x = random_points(30, 2).requires_grad_()
    before = x.detach().clone()
    graph = knn_graph(x, 3)
    assert not graph.edge_distance.requires_grad
    assert torch.equal(x.detach(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu() -> None:
    x = torch.cat([random_points(400, 5), torch.zeros(40, 5)])
    graph = knn_graph(x.cuda(), 20)
    assert graph.edge_index.is_cuda
    assert torch.equal(graph.edge_index.cpu(), knn_graph(x, 20).edge_index)


def test_unknown_backend() -> None:
    with pytest.raises(ValueError, match=r"backend='faiss' is unknown.*'sklearn'"):
        knn_graph(torch.ones(5, 2), 2, backend="faiss")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("torch_cluster", "pyg-basis[cluster]"), ("pyg_lib", "pyg-lib>=0.6")],
)
def test_backend_not_installed(
    monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    choose = importlib.import_module("pyg_basis.graph._choose_backend")
    choose._import_backend.cache_clear()
    monkeypatch.delitem(
        sys.modules, f"pyg_basis.graph._neighbors_{name}", raising=False
    )
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(torch_geometric.typing, "WITH_KNN", False, raising=False)
    with pytest.raises(ImportError) as caught:
        knn_graph(torch.ones(5, 2), 2, backend=name)
    message = str(caught.value)
    assert f"backend={name!r}" in message
    assert remedy in message
    assert "backend='auto'" in message
    choose._import_backend.cache_clear()
