"""Neighbor graphs, affinities, anchors and exact embeddings of points."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.graph import affinity, knn_graph
from pyg_basis.reference import ExactEmbedding, choose_anchors
from tests.fuzz.inputs import (
    arguments,
    either,
    labels,
    odd_labels,
    odd_tensors,
    one_of,
    tensors,
)
from tests.fuzz.judge import Case

SMALL_SETS = st.integers(5, 30)
COUNTS = st.integers(1, 8) | one_of(np.int64(3))
BANDWIDTHS = one_of("self_tuning", "global", 0.5, 1e-3, 1e3, np.float32(2))
SINGLE = torch.float32
KINDS = one_of("sym", "rw", "comb")


def cases() -> SearchStrategy[Case]:
    """Calls of all of them."""
    return either(_neighbors(), _affinities(), _anchors(), _embeddings())


def _neighbors() -> SearchStrategy[Case]:
    backends = one_of("auto", "torch", "scipy", "torch_cluster")
    good = {"x": tensors(), "k": COUNTS, "backend": backends}
    return arguments(good, {"x": odd_tensors()}).map(_neighbor_case)


def _neighbor_case(given: dict[str, Any]) -> Case:
    def check(graph: Data) -> None:
        x, k = given["x"].detach().double(), int(given["k"])
        assert graph.edge_index.shape == (2, len(x) * k)
        dtype = given["x"].dtype
        # Of half precision they may be in single precision.
        assert graph.edge_distance.dtype in (dtype, torch.promote_types(dtype, SINGLE))
        # Halved, so that differences of the largest numbers are finite.
        gaps = (x / 2)[:, None] - (x / 2)[None]
        largest = gaps.abs().amax().clamp(min=torch.finfo(torch.float64).tiny)
        exact = (gaps / largest).norm(dim=2).fill_diagonal_(torch.inf) * largest
        exact = exact.sort(dim=1).values[:, :k] * 2
        exact = exact.clamp(max=torch.finfo(graph.edge_distance.dtype).max)
        found = graph.edge_distance.detach().double().view(len(x), k)
        eps, tiny = (
            torch.finfo(given["x"].dtype).eps,
            torch.finfo(given["x"].dtype).tiny,
        )
        assert torch.allclose(found, exact, rtol=10 * eps, atol=tiny), "distances"

    return Case(knn_graph, given, check, (ValueError, ImportError))


def affinities(x: Tensor, k: int, bandwidth: Any, factor: Any) -> Data:
    """Of the neighbors of points, their distances times a factor."""
    graph = knn_graph(x, k)
    graph.edge_distance = graph.edge_distance * factor
    return affinity(graph, bandwidth)


def _affinities() -> SearchStrategy[Case]:
    good = {
        "x": tensors(SMALL_SETS),
        "k": st.integers(1, 4),
        "bandwidth": BANDWIDTHS,
        "factor": one_of(1, 0, 1e-3, 1e3),
    }
    other = {"k": st.just(1), "factor": one_of(-1, torch.nan, torch.inf, 1j)}
    return arguments(good, other | {"x": tensors()}).map(
        lambda given: Case(
            affinities, given, _are_affinities, names=("graph.edge_distance",)
        )
    )


def _are_affinities(graph: Data) -> None:
    weight = graph.edge_weight
    assert bool(((weight > 0) & (weight <= 1)).all()), "within (0, 1]"
    dense = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=weight.dtype)
    dense[graph.edge_index[0], graph.edge_index[1]] = weight
    assert torch.equal(dense, dense.t()), "symmetric"


def _anchors() -> SearchStrategy[Case]:
    sizes = st.integers(2, 30)
    y = labels(st.just(12)).map(lambda y: y if isinstance(y, Tensor) else None)
    good = {
        "x": tensors(sizes | st.just(12)),
        "num_anchors": COUNTS,
        "method": one_of("random", "poisson_disk", "per_class"),
        "y": y,
        "seed": one_of(0, 1, np.int64(2)),
    }
    other = {"x": odd_tensors(sizes), "y": odd_labels(sizes), "seed": one_of(-1, "a")}

    def case(given: dict[str, Any]) -> Case:
        def check(index: Tensor) -> None:
            assert index.shape == (int(given["num_anchors"]),)
            assert len(index.unique()) == len(index), "distinct"
            assert int(index.min()) >= 0 and int(index.max()) < len(given["x"])

        return Case(choose_anchors, given, check)

    return arguments(good, other).map(case)


def embedded(x: Any, **settings: Any) -> Any:
    """The exact embedding of points."""
    return ExactEmbedding(**settings)(x)


def _embeddings() -> SearchStrategy[Case]:
    good = {
        "x": tensors(SMALL_SETS),
        "num_eigenvectors": st.integers(1, 4),
        "num_neighbors": st.integers(1, 4),
        "bandwidth": BANDWIDTHS,
        "laplacian": KINDS,
        "drop_first": st.booleans(),
        "solver": one_of("auto", "dense", "lanczos", "lobpcg", "chebyshev"),
    }

    def case(given: dict[str, Any]) -> Case:
        def check(found: Any) -> None:
            expected = len(given["x"]), int(given["num_eigenvectors"])
            assert found.vectors.shape == expected
            assert found.vectors.dtype == given["x"].dtype
            square = found.vectors.double().square().mean(dim=0)
            rtol = max(1e-3, 2 * torch.finfo(given["x"].dtype).eps)
            assert torch.allclose(square, torch.ones_like(square), rtol=rtol), "scale"

        return Case(embedded, given, check)

    return arguments(good, {"x": odd_tensors()}).map(case)
