"""Exact positional encodings compared: time, determinism, and how far they move
when a graph changes a little. For the experiment
positional_encoding.
"""

import statistics
import time
from contextlib import ExitStack
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, BaseTransform
from torch_geometric.utils import to_undirected

from pyg_basis.graph import laplacian
from pyg_basis.transforms import AddSpectralPE

Figures = dict[str, Any]

OURS = "AddSpectralPE"
# Where PyG's encodings stop.
TIGHT, TIGHT_TOL = "AddSpectralPE, tol=3e-7", 3e-7
PYG = "PyG, undirected"
PYG_DEFAULT = "PyG, default"
SIGNS_MATCHED = "PyG, undirected, best signs"
NUM_CALLS = 10
CHANGED = 0.01


def encode(name: str, graph: Data, k: int) -> Data:
    """The graph with the rows `pe [n, k]`, of mean square 1."""
    transform: BaseTransform
    if name == OURS:
        transform = AddSpectralPE(k, "pe")
    elif name == TIGHT:
        transform = AddSpectralPE(k, "pe", tol=TIGHT_TOL)
    else:
        transform = AddLaplacianEigenvectorPE(k, "pe", is_undirected=name == PYG)
    return transform(Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes))


def rows_of(name: str, graph: Data, k: int) -> Tensor:
    rows: Tensor = encode(name, graph, k).pe.float()
    return rows * (rows.square().mean(dim=0).rsqrt())


def speed(
    graph: Data, k: int, rounds: int, num_calls: int = NUM_CALLS
) -> list[Figures]:
    """The median time of each encoding, in a process of its own as what others leave in
    the memory counts, taken in turns; and what the rows are worth."""
    names = (OURS, TIGHT, PYG, PYG_DEFAULT)
    spawn = get_context("spawn")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    encoded: dict[str, list[Data]] = {name: [] for name in names}
    with ExitStack() as stack:
        pools = {
            name: stack.enter_context(spawn.Pool(1, torch.set_num_threads, (1,)))
            for name in names
        }
        for number in range(1 + num_calls):
            for name in names:
                one, elapsed = pools[name].apply(timed_encode, (name, graph, k))
                encoded[name].append(one)
                if 0 < number <= rounds:  # the first call loads libraries
                    seconds[name].append(elapsed)
    ours = statistics.median(seconds[OURS])
    figures = []
    for name in names:
        first, *others = encoded[name]
        figures.append(
            {
                "encoding": name,
                "seconds": statistics.median(seconds[name]),
                "ratio": statistics.median(seconds[name]) / ours,
                "residual": residual(first),
                "calls_agree": all(torch.equal(first.pe, one.pe) for one in others),
                "processes_agree": torch.equal(first.pe, encode(name, graph, k).pe),
            }
        )
    return figures


def timed_encode(name: str, graph: Data, k: int) -> tuple[Data, float]:
    start = time.perf_counter()
    encoded = encode(name, graph, k)
    return encoded, time.perf_counter() - start


def residual(encoded: Data) -> float:
    """The largest residual of the columns as eigenvectors of L_N, relative to the bound
    2 of its norm."""
    matrix = laplacian(encoded).matrix.double()
    rows = encoded.pe.double()
    image = matrix @ rows
    values = encoded.get("pe_eigenvalues")
    if values is None:
        values = (rows * image).sum(dim=0) / rows.square().sum(dim=0)
    norms = (image - rows * values).norm(dim=0) / rows.norm(dim=0)
    return float(norms.max()) / 2


def without_nodes(graph: Data, seed: int) -> tuple[Data, Tensor]:
    """The graph without 1 % of its nodes, and which are left."""
    n = int(graph.num_nodes)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    kept = order[int(CHANGED * n) :].sort().values
    return graph.subgraph(kept), kept


def with_moved_edges(graph: Data, seed: int) -> tuple[Data, Tensor]:
    """The graph with 1 % of its edges led elsewhere, and the nodes, which all stay."""
    generator = torch.Generator().manual_seed(seed)
    row, column = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    drawn = torch.randperm(len(row), generator=generator)[: int(CHANGED * len(row))]
    column = column.clone()
    column[drawn] = torch.randint(
        int(graph.num_nodes), (len(drawn),), generator=generator
    )
    moved = graph.clone()
    moved.edge_index = to_undirected(torch.stack([row, column]))
    return moved, torch.arange(int(graph.num_nodes))


CHANGES = {"nodes": without_nodes, "edges": with_moved_edges}


def exact_change(graph: Data, k: int, seed: int) -> dict[str, dict[str, float]]:
    """How far the exact rows of unchanged nodes move with each of the changes."""
    before = {name: rows_of(name, graph, k) for name in (OURS, PYG)}
    moved: dict[str, dict[str, float]] = {OURS: {}, PYG: {}, SIGNS_MATCHED: {}}
    for change, changed in CHANGES.items():
        other, kept = changed(graph, seed)
        for name, rows in before.items():
            after = rows_of(name, other, k)
            moved[name][change] = movement(rows[kept], after)
            if name == PYG:
                signs = (rows[kept] * after).sum(dim=0).sign()
                moved[SIGNS_MATCHED][change] = movement(rows[kept], after * signs)
    return moved


def movement(before: Tensor, after: Tensor) -> float:
    """The mean distance that rows have moved, in units of their root mean square."""
    scale = before.square().sum(dim=1).mean().sqrt()
    return float((after - before).norm(dim=1).mean() / scale)
