from dataclasses import astuple

import pytest
import torch
from torch import Tensor

from pyg_basis.eigen import FilterWindow
from pyg_basis.eigen.filter_window import MOST_GUARDS
from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian
from pyg_basis.loader import WarmStart

KINDS = ["sym", "rw", "comb"]


def operator(kind: str = "sym", n: int = 200, seed: int = 0) -> Laplacian:
    """Of a strip: simple eigenvalues, those of cosines along it."""
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)).double()
    x[:, 0] = 5 * (x[:, 0] + torch.arange(n)) / n
    return laplacian(affinity(knn_graph(x, 10)), kind)


def exact(kind: str) -> tuple[Tensor, Tensor, float]:
    """All eigenpairs, columns of mean square 1, and the bound of the norm."""
    of = operator(kind)
    values, vectors = torch.linalg.eigh(of.symmetric().to_dense())
    if kind == "rw":
        vectors = vectors / of.degree.sqrt().unsqueeze(1)
    bound = 2 * float(of.degree.max()) if kind == "comb" else 2.0
    return values / bound, vectors / vectors.square().mean(dim=0).sqrt(), bound


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_pairs", [1, 4])
def test_rows_and_window_are_those_of_the_eigenpairs(kind, num_pairs) -> None:
    start = WarmStart.of(operator(kind), num_pairs, 50)
    values, vectors, _ = exact(kind)
    assert start.window is not None
    count = num_pairs + start.window.num_guards
    assert start.rows.shape == (50, count)
    assert start.window.wanted == pytest.approx(float(values[num_pairs - 1]), abs=1e-6)
    assert start.window.cut == pytest.approx(float(values[count - 1]), abs=1e-4)
    assert start.window.upper >= float(values[-1])
    # Up to signs, and as precise as a start has to be.
    first = vectors[:50, :num_pairs]
    signs = (start.rows[:, :num_pairs] * first).sum(dim=0).sign()
    assert torch.allclose(start.rows[:, :num_pairs] * signs, first, rtol=0, atol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pack_and_unpack(dtype) -> None:
    start = WarmStart.of(operator(), 4, 50)
    rows = torch.full((50, 4 + MOST_GUARDS), torch.nan, dtype=dtype)
    window = torch.full((4,), torch.nan, dtype=torch.float64)
    start.pack(rows, window)
    assert bool(rows.isfinite().all())
    again = WarmStart.unpacked(rows, window)
    assert again.window == start.window  # to the last bit
    assert torch.equal(again.rows, start.rows.to(dtype))
    narrow = torch.zeros(4)
    start.pack(rows, narrow)
    assert astuple(WarmStart.unpacked(rows, narrow).window) == pytest.approx(
        astuple(start.window), rel=1e-6
    )


def test_pack_and_unpack_without_a_window() -> None:
    rows, window = torch.ones(20, 3 + MOST_GUARDS), torch.ones(4).double()
    known = torch.arange(60.0).view(20, 3)
    WarmStart(known).pack(rows, window)
    again = WarmStart.unpacked(rows, window)
    assert again.window is None
    assert torch.equal(again.rows[:, :3], known)
    assert not again.rows[:, 3:].any()


@pytest.mark.parametrize("num_guards", [4, MOST_GUARDS])
def test_as_many_rows_as_there_are_guards(num_guards) -> None:
    start = WarmStart(
        torch.rand(10, 2 + num_guards), FilterWindow(0.1, 0.2, 0.9, num_guards)
    )
    rows, window = torch.zeros(10, 2 + MOST_GUARDS), torch.zeros(4).double()
    start.pack(rows, window)
    again = WarmStart.unpacked(rows, window)
    assert torch.equal(again.rows, start.rows)
    assert again.window == start.window


def test_no_window_where_eigenvalues_are_the_same() -> None:
    # Thirty triangles: each eigenvalue thirty times.
    node = torch.arange(90)
    ring = torch.stack([node, node // 3 * 3 + (node + 1) % 3])
    edge_index = torch.cat([ring, ring.flip(0)], dim=1)
    graph = knn_graph(torch.zeros(90, 1), 1)
    graph.edge_index, graph.edge_weight = edge_index, torch.ones(180).double()
    start = WarmStart.of(laplacian(graph), 3, 40)
    assert start.window is None
    assert start.rows.shape == (40, 3)


def test_small_sets() -> None:
    start = WarmStart.of(operator(n=12), 4, 8)
    assert start.rows.size(0) == 8
    rows, window = torch.zeros(8, 4 + MOST_GUARDS), torch.zeros(4).double()
    start.pack(rows, window)
    assert WarmStart.unpacked(rows, window).window == start.window


def test_to() -> None:
    start = WarmStart.of(operator(), 4, 50)
    moved = start.to("meta")
    assert moved.rows.is_meta
    assert moved.window == start.window
