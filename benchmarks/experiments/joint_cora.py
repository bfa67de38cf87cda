"""A graph neural network on Cora, trained together with BASiS behind its features.

A GCN of two layers is trained with few labels, by itself and with a BASiSLayer behind
its hidden features. Every fifth epoch the layer's reference follows the features of 512
fixed nodes (Algorithm 2 of BASiS), and the spectral loss of random other nodes is added
to the task's. Its weight is the one of the best mean validation accuracy. Where the
gradient stops at the layer, the GCN must come out the same as alone; one such variant
starts the reference anew each time, to show what the alignment is good for. Each seed
is another random split, for each number of labels.
"""

import argparse
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from benchmarks.data.graphs import load_graph
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import (
    format_mean_std,
    grouped,
    markdown_table,
    mean_std,
    over_runs,
)
from benchmarks.lib.tasks import run_tasks
from pyg_basis.metrics import normalized_mutual_information
from pyg_basis.nn import BASiSLayer

Run = dict[str, Any]

ALONE = "GCN alone"
JOINT = "spectral loss, gradient to the encoder"
DETACHED = "spectral loss, network only"
STARTED_ANEW = "spectral loss, network only, no alignment"
VARIANTS = (ALONE, JOINT, DETACHED, STARTED_ANEW)

WEIGHTS = (1.0, 3.0, 10.0)
LABELS_PER_CLASS = (5, 20)
NUM_VALIDATION, NUM_TEST = 500, 1000
SETTINGS: dict[str, Any] = {
    "hidden_channels": 64,
    "dropout": 0.5,
    "learning_rate": 0.01,
    "weight_decay": 5e-4,
    "epochs": 200,
    "update_every": 5,
    "reference_size": 512,
    "new_nodes": 412,  # with the anchors, batches are as large as the reference set
    "num_anchors": 100,
    "num_neighbors": 20,
    "laplacian": "rw",
    "drop_first": True,
    "layer_learning_rate": 1e-3,
}
OF_THE_LAYER = ("num_anchors", "num_neighbors", "laplacian", "drop_first")


def main(options: argparse.Namespace) -> None:
    settings = {**SETTINGS, "epochs": 10} if options.quick else SETTINGS
    where = options.data_root, options.cache_dir
    load_graph("cora", *where)  # here, not in every process
    tasks = [
        (variant, weight, labels, seed, settings, *where)
        for seed in range(options.seeds)
        for labels in LABELS_PER_CLASS
        for variant in VARIANTS
        for weight in weights_of(variant)
    ]
    done = {
        task[:4]: run
        for task, run in run_tasks(run_one, tasks, options.processes, "Cora")
    }
    runs = [done[task[:4]] for task in tasks]  # not in the order they were ready
    chosen = {labels: chosen_weight(runs, labels) for labels in LABELS_PER_CLASS}
    results = {"chosen_weights": chosen, "runs": runs}
    save(options, {**settings, "weights": WEIGHTS}, results)
    check_fairness(runs)


def weights_of(variant: str) -> tuple[float | None, ...]:
    if variant == ALONE:
        return (None,)
    # To Adam a factor on all of a network's loss is none.
    return WEIGHTS if variant == JOINT else (1.0,)


def run_one(
    variant: str,
    weight: float | None,
    labels_per_class: int,
    seed: int,
    settings: dict[str, Any],
    data_root: Path | None,
    cache_dir: Path,
) -> Run:
    graph = load_graph("cora", data_root, cache_dir)
    split = random_split(graph.y, labels_per_class, seed)
    # Dropout draws from the global generator, and what the layer does must not shift
    # its numbers: variants would differ by chance.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        figures = train(graph, split, variant, weight, seed, settings)
    what = {"variant": variant, "weight": weight, "labels_per_class": labels_per_class}
    return {**what, "seed": seed, **figures}


def random_split(y: Tensor, labels_per_class: int, seed: int) -> dict[str, Tensor]:
    """So many nodes of every class to train on; validation and test from the rest."""
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    train = torch.cat(
        [order[y[order] == label][:labels_per_class] for label in y.unique()]
    )
    rest = order[~torch.isin(order, train)]
    validation, test, _ = rest.tensor_split([NUM_VALIDATION, NUM_VALIDATION + NUM_TEST])
    return {"train": train, "validation": validation, "test": test}


class GCN(nn.Module):
    def __init__(self, in_channels: int, num_classes: int, hidden: int, dropout: float):
        super().__init__()
        self.first = GCNConv(in_channels, hidden, cached=True)
        self.second = GCNConv(hidden, num_classes, cached=True)
        self.dropout = dropout

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """The hidden features and the scores of the classes; x is sparse (CSR)."""
        # What is zero need not be dropped.
        kept = F.dropout(x.values(), self.dropout, self.training)
        x = torch.sparse_csr_tensor(
            x.crow_indices(), x.col_indices(), kept, x.shape, check_invariants=False
        )
        hidden = self.first(x, edge_index).relu()
        dropped = F.dropout(hidden, self.dropout, self.training)
        return hidden, self.second(dropped, edge_index)


def train(
    graph: Data,
    split: dict[str, Tensor],
    variant: str,
    weight: float | None,
    seed: int,
    settings: dict[str, Any],
) -> Run:
    """The accuracies at the epoch of the best validation, the rest after the last."""
    x, edge_index, y = graph.x.to_sparse_csr(), graph.edge_index, graph.y
    num_classes = int(y.max()) + 1
    model = GCN(
        x.size(1), num_classes, settings["hidden_channels"], settings["dropout"]
    )
    optimizer = torch.optim.Adam(
        model.parameters(),
        settings["learning_rate"],
        weight_decay=settings["weight_decay"],
    )
    spectral = None
    if weight is not None:
        spectral = SpectralPart(len(y), num_classes - 1, variant, seed, settings)
        group = {"params": spectral.layer.parameters(), "weight_decay": 0.0}
        optimizer.add_param_group({**group, "lr": settings["layer_learning_rate"]})

    best: Run = {"validation_accuracy": -1.0}
    for epoch in range(settings["epochs"]):
        model.train()
        hidden, scores = model(x, edge_index)
        loss = F.cross_entropy(scores[split["train"]], y[split["train"]])
        if spectral is not None and epoch % settings["update_every"] == 0:
            loss = loss + weight * spectral.loss(hidden)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        model.eval()
        with torch.no_grad():
            hidden, scores = model(x, edge_index)
        is_right = (scores.argmax(dim=1) == y).float()
        validation = float(is_right[split["validation"]].mean())
        if validation > best["validation_accuracy"]:
            best = {
                "validation_accuracy": validation,
                "accuracy": float(is_right[split["test"]].mean()),
                "best_epoch": epoch,
            }
    figures = {**best, "nmi_hidden": nmi_of_clusters(hidden, y, seed)}
    return figures if spectral is None else {**figures, **spectral.figures(hidden, y)}


class SpectralPart:
    """The layer behind the hidden features, and the nodes it sees."""

    def __init__(
        self,
        num_nodes: int,
        num_eigenvectors: int,
        variant: str,
        seed: int,
        settings: dict[str, Any],
    ) -> None:
        self.variant, self.seed = variant, seed
        self.num_new_nodes = settings["new_nodes"]
        # Not the seed of the split, whose nodes it would draw again.
        self.generator = torch.Generator().manual_seed(1000 + seed)
        order = torch.randperm(num_nodes, generator=self.generator)
        # Apart, as a batch must not have an anchor twice.
        self.reference, self.others = order.tensor_split([settings["reference_size"]])
        with torch.random.fork_rng(devices=[]):
            self.layer = BASiSLayer(
                settings["hidden_channels"],
                num_eigenvectors,
                **{key: settings[key] for key in OF_THE_LAYER},
            )
        self.last_loss = float("nan")
        self.num_lost = 0

    def loss(self, hidden: Tensor) -> Tensor:
        """Moves the reference to the present features; the loss of random nodes."""
        if self.variant != JOINT:
            hidden = hidden.detach()
        points = hidden[self.reference].detach()
        if self.variant == STARTED_ANEW or not self.layer.is_initialized:
            self.layer.init_reference(points, reference_size=len(points))
        else:
            with warnings.catch_warnings():  # the runs record how many were lost
                warnings.simplefilter("ignore", RuntimeWarning)
                self.num_lost += self.layer.update_reference(points).num_lost
        drawn = torch.randperm(len(self.others), generator=self.generator)
        loss = self.layer.loss(hidden[self.others[drawn[: self.num_new_nodes]]])
        self.last_loss = float(loss.detach())
        return loss

    @torch.no_grad()
    def figures(self, hidden: Tensor, y: Tensor) -> Run:
        return {
            "nmi_embedding": nmi_of_clusters(self.layer(hidden), y, self.seed),
            "spectral_loss": self.last_loss,
            "lost_directions": self.num_lost,
        }


def nmi_of_clusters(rows: Tensor, y: Tensor, seed: int) -> float:
    clusters = KMeans(int(y.max()) + 1, n_init=10, random_state=seed).fit_predict(rows)
    return normalized_mutual_information(y, clusters)


def by_setting(runs: Iterable[Run]) -> dict[tuple[Any, ...], list[Any]]:
    return grouped(runs, "labels_per_class", "variant", "weight")


def chosen_weight(runs: list[Run], labels: int) -> float:
    """That of the best mean validation accuracy; no test node is looked at."""
    groups = by_setting(runs)

    def validation(weight: float) -> float:
        of_weight = groups[labels, JOINT, weight]
        return mean_std(run["validation_accuracy"] for run in of_weight)[0]

    return max(WEIGHTS, key=validation)


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "joint_cora")
    chosen, groups = results["chosen_weights"], by_setting(results["runs"])
    rows, of_weights = [], []
    for (labels, variant, weight), runs in groups.items():
        row = {
            "labels a class": labels,
            "variant": variant,
            "weight": weight,
            "validation, %": over_runs(runs, "validation_accuracy", 1, 100),
            "test, %": over_runs(runs, "accuracy", 1, 100),
        }
        if variant == JOINT:  # every weight that was tried
            of_weights.append(row)
        if variant == JOINT and weight != chosen[str(labels)]:
            continue
        alone = groups[labels, ALONE, None]
        pairs = zip(runs, alone, strict=True)
        gains = [run["accuracy"] - other["accuracy"] for run, other in pairs]
        rows.append(
            {
                **row,
                "against alone, points": format_mean_std(gains, 1, 100)
                if variant != ALONE
                else None,
                "NMI, hidden": over_runs(runs, "nmi_hidden"),
                "NMI, embedding": over_runs(runs, "nmi_embedding"),
                "spectral loss": over_runs(runs, "spectral_loss"),
            }
        )
    columns = ("labels a class", "weight", "validation, %", "test, %")
    variants = markdown_table(rows, list(rows[0]))
    return {"joint_cora": f"{variants}\n{markdown_table(of_weights, columns)}"}


def check_fairness(runs: list[Run]) -> None:
    """Nothing but the gradient may separate the variants."""
    groups = by_setting(runs)
    for labels in LABELS_PER_CLASS:
        alone, *detached = (
            [
                (run["seed"], run["accuracy"], run["nmi_hidden"])
                for run in groups.get((labels, variant, weights_of(variant)[0]), [])
            ]
            for variant in (ALONE, DETACHED, STARTED_ANEW)
        )
        if any(figures != alone for figures in detached):
            raise RuntimeError(
                f"the layer changed a GCN that it gives no gradient to, with "
                f"{labels} labels a class: {alone} alone, {detached} with it"
            )
