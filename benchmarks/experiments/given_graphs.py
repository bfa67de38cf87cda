"""BASiS on graphs that are given by their edges: what samples of them are worth as
targets, and nodes that come later. For the experiment
positional_encoding.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import LargestConnectedComponents

from benchmarks.experiments.exact_encodings import CHANGES, Figures, movement
from pyg_basis import BASiS
from pyg_basis.align import LeastSquares
from pyg_basis.graph import GivenGraph
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import CoarsenedGraph, ExactEmbedding
from pyg_basis.transforms import AddBASiSPE

K = 8
SPACE = ExactEmbedding(K, laplacian="rw", drop_first=True)
SAMPLE_SIZES = (512, 2048, 4096)
NUM_SAMPLES = 20
# Nodes of the reference set, as BASiS has them by default.
REFERENCE_SIZE = 10_000
SETTINGS: dict[str, Any] = {
    "n_components": K,
    "laplacian": "rw",
    "drop_first": True,
    "batch_size": 1024,
    "tol": None,
}
NEVER_SEEN = 0.1
# What a network is given about a node, by the steps of its neighborhood.
INPUTS = {0: "own features", 2: "and of neighbors"}


def largest_component(graph: Data) -> Data:
    return LargestConnectedComponents()(graph)


def samples(graph: Data, size: int, seed: int) -> Figures:
    """How far the eigenvectors of a coarsened sample, and the mean of aligned ones, are
    from those of the whole graph."""
    given = GivenGraph.from_data(largest_component(graph))
    exact = SPACE.rows_of(given.laplacian("rw")).vectors
    reference = CoarsenedGraph.from_graph(
        given, SPACE, LeastSquares(), REFERENCE_SIZE, seed
    )
    total = torch.zeros(given.num_nodes, K, dtype=torch.float64)
    count = torch.zeros(given.num_nodes, 1)
    distances = []
    rng = np.random.default_rng(seed)
    for number in range(NUM_SAMPLES):
        drawn = rng.choice(given.num_nodes, size, replace=False)
        rows = reference.targets(drawn, number).y
        distances.append(grassmann_distance(rows, exact[drawn]))
        total[drawn] += rows
        count[drawn] += 1
    seen = count[:, 0] > 0
    mean = total[seen] / count[seen]
    return {
        "nodes": given.num_nodes,
        "size": size,
        "distance": float(np.mean(distances)),
        "distance_of_mean": grassmann_distance(mean, exact[seen]),
    }


def neighborhood(graph: Data, steps: int) -> Tensor:
    """The features of the nodes and the means over their neighborhoods of so many
    steps: what a network can know of a node whose edges are known."""
    given = GivenGraph.from_data(graph)
    inverse = 1 / np.maximum(given.degree, 1)
    mean: csr_matrix = (diags(inverse) @ given.weight).astype(np.float32)
    columns = [graph.x.numpy()]
    for _ in range(steps):
        columns.append(mean @ columns[-1])
    return torch.from_numpy(np.concatenate(columns, axis=1))


def learn(graph: Data, x: Tensor, seed: int, max_iter: int) -> BASiS:
    basis = BASiS(**{**SETTINGS, "max_iter": max_iter}, random_state=seed)
    return basis.fit(Data(x=x, edge_index=graph.edge_index))


def learned_change(
    graph: Data, seed: int, max_iter: int
) -> dict[str, dict[str, float]]:
    """How far the rows of a trained model move, by what it is given about a node."""
    moved: dict[str, dict[str, float]] = {}
    for steps, inputs in INPUTS.items():
        basis = learn(graph, neighborhood(graph, steps), seed, max_iter)
        transform = AddBASiSPE(basis, "pe")
        before = transform(Data(x=neighborhood(graph, steps))).pe
        name = f"AddBASiSPE, {inputs}"
        moved[name] = {}
        for change, changed in CHANGES.items():
            other, kept = changed(graph, seed)
            after = transform(Data(x=neighborhood(other, steps))).pe
            moved[name][change] = movement(before[kept], after)
    return moved


def cold_start(graph: Data, seed: int, max_iter: int) -> dict[str, float]:
    """d_G of rows for nodes that were unknown, with their edges, at the training, to
    the exact eigenvectors of the whole graph."""
    graph = largest_component(graph)
    n = int(graph.num_nodes)
    order = np.random.default_rng(seed).permutation(n)
    later = np.sort(order[: int(NEVER_SEEN * n)])
    given = GivenGraph.from_data(graph)
    exact = SPACE.rows_of(given.laplacian("rw")).vectors
    # What was there before; the later nodes had held some of it together.
    before = np.sort(order[int(NEVER_SEEN * n) :])
    components = given.subgraph(before).components
    before = before[components == np.bincount(components).argmax()]
    seen = graph.subgraph(torch.from_numpy(before))
    known = SPACE.rows_of(GivenGraph.from_data(seen).laplacian("rw")).vectors
    rows = {
        "mean of known neighbors": neighbor_mean(given, before, later, known.numpy())
    }
    for steps, inputs in INPUTS.items():
        basis = learn(seen, neighborhood(seen, steps), seed, max_iter)
        rows[f"BASiS, {inputs}"] = basis.transform(neighborhood(graph, steps)[later])
    distances = {
        name: grassmann_distance(found, exact[later]) for name, found in rows.items()
    }
    distances["the known nodes themselves, before and after"] = grassmann_distance(
        known, exact[before]
    )
    return distances


def neighbor_mean(
    given: GivenGraph,
    before: NDArray[np.int64],
    later: NDArray[np.int64],
    known: NDArray[np.float64],
) -> Tensor:
    """The mean of the exact rows of the neighbors that were there before; 0 for nodes
    that have none."""
    weight = given.weight[later][:, before]
    total = np.asarray(weight.sum(axis=1))
    return torch.from_numpy(weight @ known / np.maximum(total, 1))
