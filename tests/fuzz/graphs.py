"""Laplacians, eigenpairs and encodings of given graphs."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_networkx

from pyg_basis.eigen import component_eigenpairs, eigenpairs
from pyg_basis.graph import GivenGraph, Laplacian, laplacian
from pyg_basis.transforms import AddSpectralPE
from tests.fuzz.inputs import (
    arguments,
    either,
    graphs,
    odd,
    odd_graphs,
    odd_tensors,
    one_of,
)
from tests.fuzz.judge import Case

KINDS = one_of("sym", "rw", "comb")
SOLVERS = one_of("auto", "dense", "lanczos", "lobpcg", "chebyshev")
# What an error may call the graph.
NAMES = ("edge_index", "edge_weight", "num_nodes", "data", "x")


def cases() -> SearchStrategy[Case]:
    """Calls of all of them."""
    return either(
        _laplacians(),
        _given_graphs(),
        _eigenpairs(),
        _matrices(),
        _component_eigenpairs(),
        _encodings(),
        _batches(),
        _networkx_encodings(),
    )


def _laplacians() -> SearchStrategy[Case]:
    good = {"graph": graphs(), "kind": KINDS, "alpha": one_of(0, 0.5, 1)}

    def case(given: dict[str, Any]) -> Case:
        def check(found: Laplacian) -> None:
            matrix, kind = found.matrix.to_dense().double(), given["kind"]
            scale = float(matrix.abs().max())
            eps = torch.finfo(found.matrix.dtype).eps
            if kind != "rw":
                assert torch.equal(matrix, matrix.t()), "symmetric"
            if kind != "sym":
                most = float(matrix.sum(dim=1).abs().max())
                assert most <= 100 * eps * scale, "rows that add up to zero"

        return Case(laplacian, given, check, names=NAMES)

    return arguments(good, {"graph": odd_graphs()}).map(case)


def of_given_graph(graph: Any, kind: str, nodes: Any) -> Any:
    """What a GivenGraph knows of its edges."""
    given = GivenGraph.from_data(graph)
    part = given.subgraph(np.arange(given.num_nodes)[nodes])
    known = part.degree, part.components, part.num_nodes
    return (*known, given.num_components, given.laplacian(kind), repr(given))


def _given_graphs() -> SearchStrategy[Case]:
    good = {"graph": graphs(), "kind": KINDS, "nodes": one_of(slice(1), slice(None))}
    return arguments(good, {"graph": odd_graphs(), "kind": KINDS, "nodes": st.just(0)}
        | {"nodes": good["nodes"]}).map(
        lambda given: Case(of_given_graph, given, names=NAMES)
    )  # fmt: skip


def eigenpairs_of(graph: Any, kind: str, **settings: Any) -> Any:
    """The smallest eigenpairs of a graph's Laplacian."""
    operator = laplacian(graph, kind)
    pairs = eigenpairs(operator, **settings)
    return pairs.values, pairs.vectors, pairs.residuals, pairs.converged, operator


def _eigenpairs() -> SearchStrategy[Case]:
    good = {
        "graph": graphs(),
        "kind": KINDS,
        "k": st.integers(1, 4),
        "solver": SOLVERS,
        "tol": one_of(1e-6, 1e-10, 1e-3),
        "seed": one_of(0, 1, np.int64(2)),
    }
    other = {"graph": odd_graphs(), "seed": one_of(-1, None, "a", 2**70)}

    def case(given: dict[str, Any]) -> Case:
        def check(answer: Any) -> None:
            values, vectors, _, converged, operator = answer
            assert vectors.shape == (operator.num_nodes, int(given["k"]))
            assert values.dtype == vectors.dtype == operator.matrix.dtype
            if converged:
                _are_smallest(values, operator.symmetric(), float(given["tol"]))

        return Case(eigenpairs_of, given, check, names=NAMES)

    return arguments(good, other).map(case)


def _are_smallest(values: Tensor, matrix: Tensor, tol: float) -> None:
    dense = matrix.to_dense().double()
    exact = torch.linalg.eigvalsh((dense + dense.t()) / 2)[: len(values)]
    off = float((values.double() - exact).abs().max())
    norm = float(torch.linalg.matrix_norm(dense, torch.inf))
    allowed = (2 * tol + 100 * torch.finfo(values.dtype).eps) * norm
    assert off <= allowed, f"eigenvalues off by {off:.2g}, allowed {allowed:.2g}"


def eigenpairs_of_matrix(operator: Any, k: Any, solver: str) -> Any:
    """The smallest eigenpairs of a matrix."""
    pairs = eigenpairs(operator, k, solver)
    return pairs.values, pairs.vectors, pairs.converged


MATRICES = {
    "random": lambda a: a + a.t(),
    "zero": torch.zeros_like,
    "identity": lambda a: torch.eye(len(a), dtype=a.dtype),
    "low rank": lambda a: torch.outer(a[0], a[0]),
    "tiny": lambda a: 1e-30 * (a + a.t()),
    "huge": lambda a: 1e30 * (a + a.t()),
    "blocks": lambda a: torch.block_diag(a @ a.t(), a @ a.t()),
    "indefinite": lambda a: a + a.t() - torch.eye(len(a), dtype=a.dtype),
    "sparse": lambda a: (a @ a.t()).to_sparse(),
    "sparse CSR": lambda a: (a @ a.t()).to_sparse_csr(),
    "integers": lambda a: (9 * (a + a.t())).round().long(),
    "not symmetric": lambda a: a,
    "sparse, not symmetric": lambda a: a.to_sparse_csr(),
    "bool": lambda a: (a + a.t()) > 1,
    "float16": lambda a: (a + a.t()).half(),
}


def _matrices() -> SearchStrategy[Case]:
    def matrix(kind: str, n: int, seed: int, dtype: torch.dtype) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return MATRICES[kind](torch.rand(n, n, dtype=dtype, generator=generator))

    operator = st.builds(
        matrix,
        st.sampled_from(list(MATRICES)),
        st.integers(1, 20),
        st.integers(0, 3),
        one_of(torch.float32, torch.float64),
    )
    good = {"operator": operator, "k": st.integers(1, 4), "solver": SOLVERS}

    def case(given: dict[str, Any]) -> Case:
        def check(answer: Any) -> None:
            if answer[2]:
                _are_smallest(answer[0], given["operator"], 1e-6)

        return Case(eigenpairs_of_matrix, given, check)

    return arguments(good, {"operator": odd_tensors()}).map(case)


def component_eigenpairs_of(graph: Any, kind: str, **settings: Any) -> Any:
    """The smallest eigenpairs of the components of a graph."""
    operator = laplacian(graph, kind)
    found = component_eigenpairs(operator, **settings)
    return found.values, found.vectors, found.size, operator


def _component_eigenpairs() -> SearchStrategy[Case]:
    good = {
        "graph": graphs(),
        "kind": KINDS,
        "k": st.integers(1, 6),
        "tol": one_of(1e-6, 1e-3),
        "seed": one_of(0, 1),
    }

    def case(given: dict[str, Any]) -> Case:
        def check(answer: Any) -> None:
            values, vectors, size, operator = answer
            assert values.shape == vectors.shape == (len(size), int(given["k"]))
            matrix = operator.symmetric().to_dense().double()
            for label in np.unique(operator.components):
                nodes = torch.from_numpy(np.flatnonzero(operator.components == label))
                assert bool((size[nodes] == len(nodes)).all()), "sizes"
                found = values[nodes[0], : len(nodes)]
                _are_smallest(found, matrix[nodes][:, nodes], float(given["tol"]))

        return Case(component_eigenpairs_of, given, check, names=NAMES)

    return arguments(good, {"graph": odd_graphs()}).map(case)


def encoded(data: Any, **settings: Any) -> Any:
    """A graph with the encodings of AddSpectralPE."""
    transform = AddSpectralPE(**settings)
    return transform(data), repr(transform)


ENCODING = {
    "k": st.integers(1, 4),
    "attr_name": one_of("spectral_pe", None, "pe"),
    "laplacian": KINDS,
    "drop_first": st.booleans(),
    "tol": one_of(1e-5, 1e-8),
    "seed": one_of(0, 1),
}


def _encoding_case(given: dict[str, Any]) -> Case:
    def check(answer: Any) -> None:
        data, name = answer[0], given["attr_name"]
        k, num_nodes = int(given["k"]), given["data"].num_nodes
        values = data[f"{name or 'spectral_pe'}_eigenvalues"]
        assert values.shape == (num_nodes, k), "eigenvalues"
        if name is not None:
            assert data[name].shape == (num_nodes, k), "encodings"

    return Case(encoded, given, check, names=("graph", *NAMES))


def _encodings() -> SearchStrategy[Case]:
    data = either(graphs(), graphs(num_features=2))
    good = {"data": data, **ENCODING}
    return arguments(good, {"data": odd_graphs() | odd}).map(_encoding_case)


def encoded_in_batch(one: Data, other: Data, **settings: Any) -> Any:
    """The encodings of two graphs, alone and in a batch."""
    transform = AddSpectralPE(**settings)
    together = transform(Batch.from_data_list([one, other]))
    return together.spectral_pe, transform(one).spectral_pe


def _batches() -> SearchStrategy[Case]:
    def case(graph: Data, settings: dict[str, Any]) -> Case:
        def check(answer: Any) -> None:
            together, alone = answer
            num_nodes = len(alone)
            assert together.shape == (2 * num_nodes, alone.shape[1])
            both = torch.stack([*together.split(num_nodes), alone])
            far = float((both - alone).abs().max()) if alone.numel() else 0.0
            assert far <= 1e-3, f"rows differ by {far:.2g} in a batch"

        given = {"one": graph, "other": graph, **settings}
        return Case(encoded_in_batch, given, check, names=("graph", *NAMES))

    settings = {
        name: values for name, values in ENCODING.items() if name != "attr_name"
    }
    return st.builds(case, graphs(), arguments(settings))


def _networkx_encodings() -> SearchStrategy[Case]:
    def case(graph: Data, kind: str, weight: Any) -> Case:
        given = to_networkx(graph, to_undirected=True)
        for *_, edge in given.edges(data=True):
            edge["weight"] = weight
        return Case(laplacian, {"graph": given, "kind": kind}, names=NAMES)

    weights = either(one_of(1, 0.5, 1e-300, 1e300, 0, True), odd)
    return st.builds(case, graphs(), KINDS, weights)
