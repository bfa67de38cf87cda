"""What the fuzz tests give to calls: good values, and odd ones in their places."""

import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

Rows = NDArray[np.float64]
Make = Callable[[np.random.Generator, int, int], Rows]

# For parameters. No large number that a computer could begin to count up to.
ODD = (
    *(None, True, np.True_, "", "3", "nonsense", b"2", [], [1, 2], {}, (), object),
    *(-1, 0, 2, -(2**70), 2**70, np.int64(2), np.uint8(0), np.int64(-1)),
    *(0.5, 2.0, -1e300, 1e300, 1e-300, float("nan"), float("inf"), 1j),
    *(np.float32(0.5), np.float64("nan"), torch.tensor(2), np.array(2), np.array([1])),
)


def one_of(*values: Any) -> SearchStrategy[Any]:
    """One of these values."""
    return st.sampled_from(values)


def either(*strategies: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """What one of these gives, each as often; hypothesis's own goes by the number of
    their branches."""
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


odd = one_of(*ODD)
seeds = st.integers(0, 3)

FINITE: dict[str, Make] = {
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "ties": lambda rng, n, d: rng.integers(0, 2, (n, d)).astype(float),
    "equal": lambda rng, n, d: np.ones((n, d)),
    "zero": lambda rng, n, d: np.zeros((n, d)),
    "constant column": lambda rng, n, d: rng.normal(size=(n, d)) * (np.arange(d) > 0),
    "one-hot": lambda rng, n, d: np.eye(max(d, 1))[np.arange(n) % max(d, 1)][:, :d],
    "line": lambda rng, n, d: np.outer(np.arange(n), np.ones(d)),
    "heavy tails": lambda rng, n, d: rng.standard_cauchy(size=(n, d)) ** 3,
    "tiny": lambda rng, n, d: 1e-30 * rng.normal(size=(n, d)),
    "huge": lambda rng, n, d: 1e30 * rng.normal(size=(n, d)),
    "subnormal": lambda rng, n, d: 1e-310 * rng.normal(size=(n, d)),
    "largest": lambda rng, n, d: 1e308 * rng.uniform(-1, 1, (n, d)),
    "far off": lambda rng, n, d: 1e8 + rng.normal(size=(n, d)),
    "two groups": lambda rng, n, d: (
        rng.normal(size=(n, d)) + 1e6 * (np.arange(n) % 2)[:, None]
    ),
    "scales": lambda rng, n, d: 10.0 ** rng.uniform(-12, 12, (n, d)),
    "one off": lambda rng, n, d: np.ones((n, d)) + (np.arange(n) == 0)[:, None],
}
NOT_FINITE: dict[str, Make] = {
    "NaN": lambda rng, n, d: np.where(rng.random((n, d)) < 0.3, np.nan, 1.0),
    "infinite": lambda rng, n, d: np.where(rng.random((n, d)) < 0.3, -np.inf, 1.0),
    "all NaN": lambda rng, n, d: np.full((n, d), np.nan),
}
TENSORS: dict[str, Callable[[Tensor], Any]] = {
    "plain": lambda x: x,
    "transposed": lambda x: x.t().contiguous().t(),
    "strided": lambda x: torch.cat([x, x], dim=1)[:, ::2],
    "gradient": lambda x: x.requires_grad_(),
}
ODD_TENSORS: dict[str, Callable[[Tensor], Any]] = {
    "float16": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "int64": lambda x: x.clamp(-9, 9).nan_to_num().long(),
    "uint8": lambda x: x.clamp(0, 9).nan_to_num().byte(),
    "bool": lambda x: x > 0,
    "complex": lambda x: torch.complex(x, x),
    "sparse": lambda x: x.to_sparse(),
    "sparse CSR": lambda x: x.to_sparse_csr(),
    "expanded": lambda x: x[:1].expand(len(x), -1),
    "vector": lambda x: x.flatten(),
    "number": lambda x: x.sum(),
    "cube": lambda x: x.unsqueeze(2),
    "no rows": lambda x: x[:0],
    "one row": lambda x: x[:1],
    "no columns": lambda x: x[:, :0],
    "array": lambda x: x.numpy(),
    "list": lambda x: x.tolist(),
}
ARRAYS: dict[str, Callable[[Rows], Any]] = {
    "plain": lambda x: x,
    "float32": lambda x: x.clip(-1e38, 1e38).astype(np.float32),
    "Fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1],
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "read-only": lambda x: np.broadcast_to(x.copy(), x.shape),
    "mapped": lambda x: mapped(x),
}
ODD_ARRAYS: dict[str, Callable[[Rows], Any]] = {
    "float16": lambda x: x.clip(-6e4, 6e4).astype(np.float16),
    "long double": lambda x: x.astype(np.longdouble),
    "other byte order": lambda x: x.astype(">f8"),
    "int8": lambda x: np.nan_to_num(x.clip(-9, 9)).astype(np.int8),
    "uint64": lambda x: np.nan_to_num(x.clip(0, 9)).astype(np.uint64),
    "bool": lambda x: x > 0,
    "complex": lambda x: x + 1j,
    "objects": lambda x: x.astype(object),
    "mixed": lambda x: np.where(x > 0, "a", x.astype(object)),
    "text": lambda x: x.astype(str),
    "dates": lambda x: np.nan_to_num(x.clip(0, 9)).astype("datetime64[s]"),
    "structured": lambda x: np.zeros(len(x), dtype=[("a", float), ("b", int)]),
    "masked": lambda x: np.ma.masked_greater(x, 0),
    "vector": lambda x: x.ravel(),
    "number": lambda x: np.array(1.0),
    "cube": lambda x: x[..., None],
    "no rows": lambda x: x[:0],
    "one row": lambda x: x[:1],
    "no columns": lambda x: x[:, :0],
    "expanded": lambda x: np.broadcast_to(x[:1], x.shape),
    "frame": lambda x: pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])]),
    "series": lambda x: pd.Series(x.ravel()),
    "list": lambda x: x.tolist(),
    "ragged": lambda x: [[1.0], [1.0, 2.0], [3.0]],
    "tensor": lambda x: torch.from_numpy(x.copy()),
}


def mapped(x: Rows) -> Any:
    """The rows in a file, mapped into memory."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, x)
        file.flush()
        return np.load(file.name, mmap_mode="r")


@st.composite
def rows(
    draw: DrawFn,
    num_rows: SearchStrategy[int],
    num_columns: SearchStrategy[int],
    kinds: Mapping[str, Make] = FINITE,
) -> Rows:
    """Numbers of some kind, ``[n, d]``."""
    make = kinds[draw(st.sampled_from(list(kinds)))]
    rng = np.random.default_rng(draw(seeds))
    return make(rng, draw(num_rows), draw(num_columns))


def in_form(
    some: SearchStrategy[Rows], forms: Mapping[str, Callable[[Any], Any]]
) -> SearchStrategy[Any]:
    """The numbers in one of some forms."""
    return st.builds(lambda x, name: forms[name](x), some, st.sampled_from(list(forms)))


def _tensor(x: Rows, is_double: bool) -> Tensor:
    largest = torch.finfo(torch.float32).max
    tensor = torch.from_numpy(x.copy())
    return tensor if is_double else tensor.clamp(-largest, largest).float()


def is_moderate(x: Any) -> bool:
    """Whether it is no tensor, or one of numbers far from the ends of their range."""
    if not isinstance(x, Tensor):
        return True
    numbers = 1 * x.detach().to_dense()  # of bool there is no absolute value
    return bool((numbers.abs() < 1e35).all())


SMALL = st.integers(2, 30)
NARROW = st.integers(1, 4)


def tensors(
    num_rows: SearchStrategy[int] = SMALL, num_columns: SearchStrategy[int] = NARROW
) -> SearchStrategy[Tensor]:
    """Finite matrices in single and double precision."""
    finite = rows(num_rows, num_columns)
    return in_form(st.builds(_tensor, finite, st.booleans()), TENSORS)


def odd_tensors(
    num_rows: SearchStrategy[int] = SMALL, num_columns: SearchStrategy[int] = NARROW
) -> SearchStrategy[Any]:
    """Tensors of other types, shapes and layouts, and what is no tensor."""
    finite = st.builds(_tensor, rows(num_rows, num_columns), st.booleans())
    other = st.builds(_tensor, rows(num_rows, num_columns, NOT_FINITE), st.booleans())
    return either(in_form(finite, ODD_TENSORS), in_form(other, TENSORS), odd)


def arrays(
    num_rows: SearchStrategy[int] = SMALL, num_columns: SearchStrategy[int] = NARROW
) -> SearchStrategy[Any]:
    """Finite matrices, also in files and as tensors."""
    some = rows(num_rows, num_columns)
    return either(in_form(some, ARRAYS), tensors(num_rows, num_columns))


def odd_arrays(
    num_rows: SearchStrategy[int] = SMALL, num_columns: SearchStrategy[int] = NARROW
) -> SearchStrategy[Any]:
    """Arrays of other types and shapes, and what is no array."""
    other = rows(num_rows, num_columns, NOT_FINITE)
    some = in_form(rows(num_rows, num_columns), ODD_ARRAYS)
    return either(some, in_form(other, ARRAYS), odd_tensors(num_rows, num_columns))


LABELS: dict[str, Callable[[NDArray[np.int64]], Any]] = {
    "integers": lambda y: y,
    "text": lambda y: np.array(["a", "b", "ä"])[y % 3],
    "floats": lambda y: y.astype(float),
    "list": lambda y: y.tolist(),
    "tensor": lambda y: torch.from_numpy(y.copy()),
    "from -1": lambda y: y - 1,
    "bool": lambda y: y > 0,
    "one class": lambda y: y * 0,
}
ODD_LABELS: dict[str, Callable[[NDArray[np.int64]], Any]] = {
    "missing": lambda y: np.where(y > 0, np.nan, 1.0),
    "half": lambda y: torch.from_numpy(y.copy()).half(),
    "None among text": lambda y: np.where(y > 0, "a", None),
    "mixed": lambda y: [*y.tolist()[:-1], "a"],
    "objects": lambda y: y.astype(object),
    "bytes": lambda y: y.astype("S"),
    "complex": lambda y: y * 1j,
    "dates": lambda y: y.astype("datetime64[s]"),
    "one-hot": lambda y: np.eye(3)[y % 3],
    "column": lambda y: y[:, None],
    "too few": lambda y: y[:-1],
    "none": lambda y: y[:0],
    "series": lambda y: pd.Series(y),
    "frame": lambda y: pd.DataFrame({"y": y}),
    "all different": lambda y: np.arange(len(y)),
    "huge": lambda y: y * 1e300,
    "large": lambda y: y.astype(np.uint64) + np.uint64(2**63),
}


def labels(size: SearchStrategy[int]) -> SearchStrategy[Any]:
    """One label a point."""
    codes = st.builds(lambda n, seed: _codes(n, seed), size, seeds)
    return in_form(codes, LABELS)


def odd_labels(size: SearchStrategy[int]) -> SearchStrategy[Any]:
    """Labels of other kinds, missing ones and what is none."""
    codes = st.builds(lambda n, seed: _codes(n, seed), size, seeds)
    return either(in_form(codes, ODD_LABELS), odd)


def _codes(n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 3, n)


@st.composite
def arguments(
    draw: DrawFn,
    good: Mapping[str, SearchStrategy[Any]],
    other: Mapping[str, SearchStrategy[Any]] | None = None,
) -> dict[str, Any]:
    """Good arguments, of which one may be an odd one: of those given, else of all."""
    other = other or {}
    changed = draw(either(st.none(), st.sampled_from(list(good))))
    return {
        name: draw(other.get(name, odd) if name == changed else values)
        for name, values in good.items()
    }


SHAPES: dict[str, Callable[[int], nx.Graph]] = {
    "path": nx.path_graph,
    "cycle": nx.cycle_graph,
    "star": lambda n: nx.star_graph(n - 1),
    "complete": nx.complete_graph,
    "empty": nx.empty_graph,
    "pairs": lambda n: nx.Graph([(i, i + 1) for i in range(0, n, 2)]),
    "two parts": lambda n: nx.disjoint_union(nx.path_graph(n), nx.cycle_graph(n)),
    "isolated nodes": lambda n: nx.disjoint_union(nx.cycle_graph(n), nx.empty_graph(2)),
    "random": lambda n: nx.gnp_random_graph(n, 0.3, seed=n),
    "barbell": lambda n: nx.barbell_graph(max(n // 2, 3), 1),
    "hypercube": lambda n: nx.convert_node_labels_to_integers(nx.hypercube_graph(3)),
}
WEIGHTS: dict[str, Callable[[Tensor], Tensor | None]] = {
    "none": lambda w: None,
    "ones": torch.ones_like,
    "random": lambda w: w,
    "zero": torch.zeros_like,
    "some zero": lambda w: torch.where(w < 0.5, 0.0, w),
    "tiny": lambda w: 1e-30 * w,
    "huge": lambda w: 1e30 * w,
    "scales": lambda w: 10 ** (12 * w - 6),
    "largest": lambda w: w.clamp(min=0.5) * torch.finfo(w.dtype).max,
    "smallest": lambda w: w.clamp(min=0.5) * torch.finfo(w.dtype).tiny,
    "subnormal": lambda w: w * torch.finfo(w.dtype).tiny,
}
ODD_WEIGHTS: dict[str, Callable[[Tensor], Any]] = {
    "negative": lambda w: w - 0.5,
    "NaN": lambda w: torch.where(w < 0.5, torch.nan, w),
    "infinite": lambda w: torch.where(w < 0.5, torch.inf, w),
    "float16": lambda w: w.half(),
    "bfloat16": lambda w: w.bfloat16(),
    "integers": lambda w: (9 * w).long(),
    "bool": lambda w: w > 0.5,
    "complex": lambda w: torch.complex(w, w),
    "column": lambda w: w.unsqueeze(1),
    "too few": lambda w: w[1:],
    "array": lambda w: w.numpy(),
    "gradient": lambda w: w.requires_grad_(),
    "one": lambda w: torch.tensor(1.0),
}
ODD_EDGES: dict[str, Callable[[Tensor], Any]] = {
    "directed": lambda e: e[:, e[0] < e[1]],
    "loops": lambda e: torch.cat([e, torch.zeros(2, 2, dtype=torch.long)], dim=1),
    "repeated": lambda e: torch.cat([e, e], dim=1),
    "out of range": lambda e: e + 1,
    "negative": lambda e: e - 1,
    "huge": lambda e: e + 2**62,
    "int32": lambda e: e.int(),
    "float": lambda e: e.float(),
    "bool": lambda e: e > 0,
    "transposed": lambda e: e.t(),
    "flat": lambda e: e.flatten(),
    "array": lambda e: e.numpy(),
    "sparse": lambda e: e.to_sparse(),
    "none": lambda e: None,
}


@st.composite
def graphs(draw: DrawFn, most: int = 20, num_features: int = 0) -> Data:
    """Valid symmetric graphs, of any shape and weights."""
    data = draw(_bare_graphs(most))
    some = _weights(data, draw(seeds), draw(one_of(torch.float32, torch.float64)))
    weight = WEIGHTS[draw(st.sampled_from(list(WEIGHTS)))](some)
    if weight is not None:
        data.edge_weight = weight
    if num_features:
        data.x = draw(tensors(st.just(data.num_nodes), st.just(num_features)))
    return data


@st.composite
def odd_graphs(draw: DrawFn, most: int = 20, num_features: int = 0) -> Any:
    """Graphs with odd weights or edges, and what is none."""
    data = draw(graphs(most, num_features))
    change = draw(one_of("weights", "edges", "nodes", "all"))
    if change == "weights":
        some = _weights(data, draw(seeds), torch.float32)
        data.edge_weight = ODD_WEIGHTS[draw(st.sampled_from(list(ODD_WEIGHTS)))](some)
    elif change == "edges":
        data.edge_weight = None
        data.edge_index = ODD_EDGES[draw(st.sampled_from(list(ODD_EDGES)))](
            data.edge_index
        )
    elif change == "nodes":
        data.num_nodes = draw(odd)
    else:
        bare = Data(), Data(num_nodes=3), nx.Graph(), nx.DiGraph()
        return draw(one_of(*ODD, *bare))
    return data


@st.composite
def _bare_graphs(draw: DrawFn, most: int) -> Data:
    shape = draw(st.sampled_from(list(SHAPES)))
    graph = SHAPES[shape](draw(st.integers(1, most)))
    edges = torch.tensor(list(graph.edges), dtype=torch.long).reshape(-1, 2).T
    num_nodes = graph.number_of_nodes()
    return Data(
        edge_index=to_undirected(edges, num_nodes=num_nodes), num_nodes=num_nodes
    )


def _weights(data: Data, seed: int, dtype: torch.dtype) -> Tensor:
    """Random weights of the edges, the same in both directions."""
    low, high = data.edge_index.sort(dim=0).values
    _, place = (low * data.num_nodes + high).unique(return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(low), dtype=dtype, generator=generator)[place]
