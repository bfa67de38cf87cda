"""Nodes that arrive without an edge: in which space are their neighbors found?

    python -m benchmarks run cold_start --data-root DIR

The protocol of SPARC (Jacobs, Dayan and Shaham, https://arxiv.org/abs/2411.01532, 2024)
on Cora and CiteSeer: of the nodes, 85 % at random train, 5 % validate and 10 % test, as
in its published code. All edges at a validation or test node are taken away: the graph
is that of the training nodes alone, and a test node is known by its features. It is
placed in a space, and joined to the ten training nodes that are nearest there by the
cosine.

Spaces: the features themselves; the embedding that BASiS learns of the training graph;
ridge regression of that graph's exact eigenvectors on the features, with the penalty
chosen on validation nodes, the simplest rival; features and embedding side by side;
and, as a bound, the exact eigenvectors of the whole graph, which know the edges of the
test nodes.

Overlap is the share of a test node's true neighbors, among training nodes, that the ten
hold; "same class" the share of the ten that have the test node's class. Linear is the
accuracy of logistic regression on the space, GraphSAGE that of a network that
was trained on the training graph, and gets the ten as a test node's neighbors.
"""

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import GraphSAGE

from benchmarks.data.graphs import load_graph
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS
from pyg_basis.transforms import AddSpectralPE

GRAPHS = {"cora": "Cora", "citeseer": "CiteSeer"}
TRAIN_SHARE, VALIDATION_SHARE = 0.85, 0.05
NUM_COLUMNS, NUM_NEIGHBORS = 32, 10
PENALTIES = (0.01, 0.1, 1.0, 10.0)
EPOCHS, WIDTH = 100, 64
TITLES = {
    "overlap": "overlap, % ↑",
    "same_class": "same class, % ↑",
    "linear": "linear, % ↑",
    "sage": "GraphSAGE, % ↑",
}

Run = dict[str, Any]


class Split(NamedTuple):
    """A graph with its nodes in the order training, validation, test, and the graph of
    its training nodes."""

    graph: Data
    training: Data
    num_validation: int

    @property
    def num_training(self) -> int:
        return int(self.training.num_nodes)

    @property
    def first_test(self) -> int:
        return self.num_training + self.num_validation


def main(options: argparse.Namespace) -> None:
    runs: list[Run] = []
    for name in ("cora",) if options.quick else GRAPHS:
        graph = load_graph(name, options.data_root, options.cache_dir)
        for seed in range(options.seeds):
            parts = split(graph, seed)
            epochs, max_iter = (2, 5) if options.quick else (EPOCHS, 300)
            network = trained(parts, seed, epochs)
            for space, rows in spaces(parts, seed, max_iter).items():
                figures = measured(parts, rows, network)
                runs.append({"graph": name, "space": space, "seed": seed, **figures})
                print(runs[-1], flush=True)
    settings = {"num_columns": NUM_COLUMNS, "num_neighbors": NUM_NEIGHBORS}
    save(options, settings, {"runs": runs})


def split(graph: Data, seed: int) -> Split:
    order = torch.randperm(
        graph.num_nodes, generator=torch.Generator().manual_seed(seed)
    )
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    ordered = Data(
        # Equal lengths: a long paper is no farther from the others.
        x=F.normalize(graph.x[order]),
        y=graph.y[order],
        edge_index=place[graph.edge_index],
    )
    num_training = int(TRAIN_SHARE * len(order))
    training = ordered.subgraph(torch.arange(num_training))
    return Split(ordered, training, int(VALIDATION_SHARE * len(order)))


def spaces(parts: Split, seed: int, max_iter: int) -> Mapping[str, Tensor]:
    """Rows of all nodes in each space."""
    x = parts.graph.x
    basis = BASiS(NUM_COLUMNS, max_iter=max_iter, random_state=seed)
    with warnings.catch_warnings():
        # Words say little about links, and the fit reports it.
        warnings.simplefilter("ignore", UserWarning)
        learned = F.normalize(basis.fit(parts.training).transform(x))
    encode = AddSpectralPE(k=NUM_COLUMNS, attr_name="rows")
    return {
        "features": x,
        "BASiS": learned,
        "ridge regression of exact eigenvectors": ridge(parts, encode(parts.training)),
        "features and BASiS": torch.cat([x, learned], dim=1),
        "exact, with the edges": F.normalize(encode(parts.graph).rows),
    }


def ridge(parts: Split, training: Data) -> Tensor:
    """With the penalty whose neighbors of validation nodes are most often right."""
    found = []
    for penalty in PENALTIES:
        model = Ridge(alpha=penalty).fit(training.x.numpy(), training.rows.numpy())
        predicted = torch.from_numpy(model.predict(parts.graph.x.numpy())).float()
        rows = F.normalize(predicted)
        nodes = torch.arange(parts.num_training, parts.first_test)
        found.append((overlap(parts, nodes, nearest(parts, rows, nodes)), rows))
    return max(found, key=lambda pair: pair[0])[1]


def nearest(parts: Split, rows: Tensor, nodes: Tensor) -> Tensor:
    """The nearest training nodes, `[m, NUM_NEIGHBORS]`."""
    search = NearestNeighbors(n_neighbors=NUM_NEIGHBORS, metric="cosine")
    search.fit(rows[: parts.num_training].numpy())
    found = search.kneighbors(rows[nodes].numpy(), return_distance=False)
    return torch.from_numpy(found)


def overlap(parts: Split, nodes: Tensor, near: Tensor) -> float:
    source, target = parts.graph.edge_index
    shares = []
    for node, found in zip(nodes.tolist(), near, strict=True):
        neighbors = target[(source == node) & (target < parts.num_training)]
        if len(neighbors):
            shares.append(float(torch.isin(neighbors, found).float().mean()))
    return float(np.mean(shares))


def measured(parts: Split, rows: Tensor, network: GraphSAGE) -> Run:
    labels, num_training = parts.graph.y, parts.num_training
    nodes = torch.arange(parts.first_test, len(labels))
    near = nearest(parts, rows, nodes)
    linear = LogisticRegression(C=10, max_iter=2000)
    linear.fit(rows[:num_training].numpy(), labels[:num_training].numpy())
    joined = torch.stack([near.flatten(), nodes.repeat_interleave(NUM_NEIGHBORS)])
    edges = torch.cat([parts.training.edge_index, joined], dim=1)
    with torch.no_grad():
        predicted = network(parts.graph.x, edges)[nodes].argmax(dim=1)
    same = labels[near] == labels[nodes].unsqueeze(1)
    return {
        "overlap": overlap(parts, nodes, near),
        "same_class": float(same.float().mean()),
        "linear": float(linear.score(rows[nodes].numpy(), labels[nodes].numpy())),
        "sage": float((predicted == labels[nodes]).float().mean()),
    }


def trained(parts: Split, seed: int, epochs: int) -> GraphSAGE:
    training = parts.training
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        network = GraphSAGE(
            training.x.size(1), WIDTH, 2, int(parts.graph.y.max()) + 1, dropout=0.5
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01, weight_decay=5e-4)
        for _ in range(epochs):
            optimizer.zero_grad()
            outputs = network(training.x, training.edge_index)
            F.cross_entropy(outputs, training.y).backward()
            optimizer.step()
    return network.eval()


def tables(folder: Path) -> dict[str, str]:
    rows = []
    runs = read_results(folder, "cold_start")["runs"]
    for (graph, space), own in grouped(runs, "graph", "space").items():
        cells = {key: over_runs(own, key, 1, 100) for key in TITLES}
        rows.append({"graph": GRAPHS[graph], "space": space, **cells})
    columns = {"graph": "graph", "space": "space of the neighbors", **TITLES}
    return {"cold_start": markdown_table(rows, columns)}
