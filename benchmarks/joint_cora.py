"""A graph neural network on Cora, trained together with BASiS behind its features.

    python benchmarks/joint_cora.py --data-root DIR

A GCN of two layers is trained with few labels, by itself and with a BASiSLayer behind
its hidden features. Every fifth epoch the layer's reference follows the features of 512
fixed nodes (Algorithm 2 of BASiS), and the spectral loss of random other nodes is added
to the task's. Its weight is the one of the best mean validation accuracy. Where the
gradient stops at the layer, the GCN must come out the same as alone; one such variant
starts the reference anew each time, to show what the alignment is good for.

Writes joint_cora.json and joint_cora.md, 10 random splits for each number of labels;
10 to 20 minutes on one core.
"""

import argparse
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from results import format_mean_std, markdown_table, mean_std, write_results
from sklearn.cluster import KMeans
from tasks import add_run_options, parse_run_options, run_tasks
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

from pyg_basis.datasets import load_graph
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
    "drop_trivial": True,
    "layer_learning_rate": 1e-3,
}


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    seeds = range(1 if options.quick else options.seeds)
    settings = {**SETTINGS, "epochs": 20} if options.quick else SETTINGS
    load_graph(
        "cora", options.data_root, options.cache_dir
    )  # here, not in every process
    tasks = [
        (variant, weight, labels, seed, settings, options.data_root, options.cache_dir)
        for seed in seeds
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

    record = write_results(
        options.output / "joint_cora.json",
        {**settings, "weights": WEIGHTS, "quick": options.quick},
        {"chosen_weights": chosen, "runs": runs},
        seeds,
    )
    runs = record["results"]["runs"]  # rounded once, for the tables too
    text = f"{table(runs, chosen)}\n{weight_table(runs)}"
    (options.output / "joint_cora.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {options.output}")
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
    return {
        "variant": variant,
        "weight": weight,
        "labels_per_class": labels_per_class,
        "seed": seed,
        **figures,
    }


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
        optimizer.add_param_group(
            {
                "params": spectral.layer.parameters(),
                "lr": settings["layer_learning_rate"],
                "weight_decay": 0.0,
            }
        )

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
                num_anchors=settings["num_anchors"],
                num_neighbors=settings["num_neighbors"],
                laplacian=settings["laplacian"],
                drop_trivial=settings["drop_trivial"],
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
            with warnings.catch_warnings():  # the runs tell how many were lost
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


def runs_of(
    runs: Iterable[Run], labels: int, variant: str, weight: float | None
) -> list[Run]:
    key = (labels, variant, weight)
    names = ("labels_per_class", "variant", "weight")
    return [run for run in runs if tuple(run[name] for name in names) == key]


def chosen_weight(runs: list[Run], labels: int) -> float:
    """That of the best mean validation accuracy; no test node is looked at."""

    def validation(weight: float) -> float:
        of_weight = runs_of(runs, labels, JOINT, weight)
        return mean_std(run["validation_accuracy"] for run in of_weight)[0]

    return max(WEIGHTS, key=validation)


def percent(runs: list[Run], key: str) -> str:
    return format_mean_std((run[key] for run in runs), digits=1, scale=100)


def table(runs: list[Run], chosen: dict[int, float]) -> str:
    rows = []
    for labels in LABELS_PER_CLASS:
        alone = runs_of(runs, labels, ALONE, None)
        for variant in VARIANTS:
            weight = chosen[labels] if variant == JOINT else weights_of(variant)[0]
            shown = runs_of(runs, labels, variant, weight)
            row = {
                "labels a class": labels,
                "variant": variant,
                "weight": weight,
                "validation, %": percent(shown, "validation_accuracy"),
                "test, %": percent(shown, "accuracy"),
                "NMI, hidden": format_mean_std(run["nmi_hidden"] for run in shown),
            }
            if variant != ALONE:
                gains = [
                    run["accuracy"] - other["accuracy"]
                    for run, other in zip(shown, alone, strict=True)
                ]
                row["against alone, points"] = format_mean_std(gains, 1, 100)
                row["NMI, embedding"] = format_mean_std(
                    run["nmi_embedding"] for run in shown
                )
                row["spectral loss"] = format_mean_std(
                    run["spectral_loss"] for run in shown
                )
            rows.append(row)
    return markdown_table(
        rows,
        (
            "labels a class",
            "variant",
            "weight",
            "validation, %",
            "test, %",
            "against alone, points",
            "NMI, hidden",
            "NMI, embedding",
            "spectral loss",
        ),
    )


def weight_table(runs: list[Run]) -> str:
    """Every weight that was tried, of which the validation chose."""
    rows = []
    for labels in LABELS_PER_CLASS:
        for weight in WEIGHTS:
            shown = runs_of(runs, labels, JOINT, weight)
            rows.append(
                {
                    "labels a class": labels,
                    "weight": weight,
                    "validation, %": percent(shown, "validation_accuracy"),
                    "test, %": percent(shown, "accuracy"),
                }
            )
    return markdown_table(rows, list(rows[0]))


def check_fairness(runs: list[Run]) -> None:
    """Nothing but the gradient may tell the variants apart."""
    for labels in LABELS_PER_CLASS:
        alone, *detached = (
            [
                (run["seed"], run["accuracy"], run["nmi_hidden"])
                for run in runs_of(runs, labels, variant, weights_of(variant)[0])
            ]
            for variant in (ALONE, DETACHED, STARTED_ANEW)
        )
        if any(figures != alone for figures in detached):
            raise RuntimeError(
                f"the layer changed a GCN that it gives no gradient to, with "
                f"{labels} labels a class: {alone} alone, {detached} with it"
            )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_options(parser, seeds=10)
    return parse_run_options(parser, arguments)


if __name__ == "__main__":
    main()
