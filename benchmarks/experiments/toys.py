"""The toy sets of the paper: clusters that no straight line separates.

Trains BASiS on 6000 points of each set, without labels, finds the clusters of 3000
points that were held out, and draws Figs. 1 to 3 of `BASiS
<https://arxiv.org/abs/2211.16960>`_ anew.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.lib.exact import NORMALIZED, exact_space
from benchmarks.lib.pictures import display_map
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from benchmarks.lib.timed import timed
from pyg_basis import BASiS, BASiSClustering
from pyg_basis.align import fit_affine
from pyg_basis.datasets import TOYS
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    normalized_mutual_information,
)

Settings = dict[str, Any]
Run = dict[str, Any]
Models = dict[str, BASiSClustering]

COLORS = np.array(["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"])
ALIGNED_SET = "three_moons"  # its batches are drawn before and after alignment
NUM_DRAWN_BATCHES = 8


def main(options: argparse.Namespace) -> None:
    quick = options.quick
    settings = {
        "num_points": 900 if quick else 9000,
        "num_train": 600 if quick else 6000,
        "batch_size": 256,
        "n_anchors": 100,
        "n_neighbors": 10,
        "max_iter": 10 if quick else 1000,
    }
    runs = []
    fitted: Models = {}
    for name in TOYS:
        for seed in range(options.seeds):
            model, run = fit_and_measure(name, seed, settings)
            runs.append({"set": name, "seed": seed, **run})
            print(runs[-1], flush=True)
            fitted.setdefault(name, model)  # the first seed is drawn
    runs = save(options, settings, {"runs": runs})["runs"]
    figures = {
        "clusters": draw_clusters(fitted, settings),
        "alignment": draw_alignment(fitted[ALIGNED_SET], settings),
        "eigenvectors": draw_eigenvectors(fitted, runs, settings),
    }
    for name, figure in figures.items():
        figure.savefig(options.output / f"toys_{name}.png", dpi=110)


def fit_and_measure(
    name: str, seed: int, settings: Settings
) -> tuple[BASiSClustering, Run]:
    x, y = TOYS[name](settings["num_points"], seed=seed)
    num_train = settings["num_train"]
    num_clusters = len(y.unique())  # all that the training knows of the labels
    model = BASiSClustering(
        num_clusters,
        basis=BASiS(
            num_clusters,
            n_anchors=settings["n_anchors"],
            batch_size=settings["batch_size"],
            reference_size=None,  # as published
            n_neighbors=settings["n_neighbors"],
            max_iter=settings["max_iter"],
            random_state=seed,
            **NORMALIZED,
        ),
        random_state=seed,
    )
    _, seconds = timed(model.fit, x[:num_train])
    found = model.predict(x[num_train:])
    exact = exact_space(num_clusters, settings["n_neighbors"])(x).vectors
    return model, {
        "clusters": num_clusters,
        "nmi": normalized_mutual_information(y[num_train:], found, average="max"),
        "accuracy": clustering_accuracy(y[num_train:], found),
        "grassmann_distance": grassmann_distance(model.basis_.transform(x), exact),
        "n_iter": model.basis_.n_iter_,
        "cpu_seconds": seconds,
    }


def tables(folder: Path) -> dict[str, str]:
    rows = []
    groups = grouped(read_results(folder, "toys")["runs"], "set")
    for (name,), runs in groups.items():
        counts = [run["n_iter"] for run in runs]
        rows.append(
            {
                "Set": title(name),
                "Clusters": runs[0]["clusters"],
                # Not the mean: every seed must find every point.
                "NMI, lowest": f"{min(run['nmi'] for run in runs):.4f}",
                "ACC, lowest": f"{min(run['accuracy'] for run in runs):.4f}",
                "d_G": over_runs(runs, "grassmann_distance", 4),
                "Iterations": f"{min(counts)} to {max(counts)}",
                "Training, CPU s": over_runs(runs, "cpu_seconds", 0),
            }
        )
    return {"toys": markdown_table(rows, list(rows[0]))}


def draw_clusters(fitted: Models, settings: Settings) -> Figure:
    """Fig. 1: held-out points in the colors of their clusters, and their rows."""
    figure = Figure(figsize=(13, 5.4), layout="constrained")
    axes = figure.subplots(2, len(fitted))
    for column, (name, model) in enumerate(fitted.items()):
        x = TOYS[name](settings["num_points"], seed=0)[0][settings["num_train"] :]
        clusters = model.predict(x)
        rows = model.basis_.transform(x)
        scatter(axes[0, column], x, COLORS[clusters])
        scatter(axes[1, column], rows @ display_map(rows, clusters), COLORS[clusters])
        axes[1, column].plot(0, 0, "+", color="0.5")
        axes[0, column].set_title(title(name))
    axes[0, 0].set_ylabel("held-out points")
    axes[1, 0].set_ylabel("learned embedding (+: origin)")
    return figure


def draw_alignment(model: BASiSClustering, settings: Settings) -> Figure:
    """Fig. 2: the anchors' rows in several batches, before and after alignment."""
    layer = model.basis_.layer_
    x = TOYS[ALIGNED_SET](settings["num_points"], seed=0)[0][: settings["num_train"]]
    num_others = settings["batch_size"] - layer.num_anchors
    clusters = model.predict(layer.anchors)
    # The first column is constant in every batch.
    reference = layer.reference.anchor_rows[:, 1:3]
    shades = mpl.colormaps["Greys"](np.linspace(0.3, 0.8, NUM_DRAWN_BATCHES))
    distances: dict[str, list[float]] = {"before": [], "after": []}

    figure = Figure(figsize=(12, 4.8), layout="constrained")
    axes = figure.subplots(1, 3)
    scatter(axes[0], x, "0.85")
    scatter(axes[0], layer.anchors, COLORS[clusters], size=16)
    for seed, shade in enumerate(shades):
        generator = torch.Generator().manual_seed(seed)
        others = x[torch.randperm(len(x), generator=generator)[:num_others]]
        raw = layer.embedding(torch.cat([layer.anchors, others])).vectors
        batches = {"before": raw, "after": layer.targets(others).y}
        for panel, (when, rows) in zip(axes[1:], batches.items(), strict=True):
            anchors = rows[: layer.num_anchors, 1:3].float()
            centers = [anchors[clusters == c].mean(dim=0) for c in np.unique(clusters)]
            panel.fill(*torch.stack(centers).T, fill=False, edgecolor=shade, lw=1)
            scatter(panel, anchors, COLORS[clusters], size=16)
            distances[when].append(float((anchors - reference).norm(dim=1).mean()))
    for panel, (when, values) in zip(axes[1:], distances.items(), strict=True):
        panel.scatter(*reference.T, s=110, facecolors="none", edgecolors="black")
        panel.set(
            title=f"{NUM_DRAWN_BATCHES} batches {when} the alignment\n"
            f"(mean distance to the reference: {np.mean(values):.3f})",
            xlabel="eigenvector 2",
            ylabel="eigenvector 3",
        )
    axes[0].set_title(f"{title(ALIGNED_SET)}: {layer.num_anchors} anchors")
    axes[2].plot([], [], color="0.4", label="a batch (its clusters' centers)")
    axes[2].plot([], [], "o", ms=10, mfc="none", color="black", label="the reference")
    figure.legend(loc="outside lower right", ncols=2, frameon=False)
    return figure


def draw_eigenvectors(fitted: Models, runs: list[Run], settings: Settings) -> Figure:
    """Fig. 3: rows of the exact eigenvectors of all points, and of the network.

    The network's basis is another one; it is turned to that of the exact ones.
    """
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    axes = figure.subplots(2, len(fitted))
    distances = {r["set"]: r["grassmann_distance"] for r in runs if r["seed"] == 0}
    for column, (name, model) in enumerate(fitted.items()):
        x = TOYS[name](settings["num_points"], seed=0)[0]
        learned = model.basis_.transform(x)
        exact = exact_space(model.n_clusters, settings["n_neighbors"])(x).vectors
        learned = fit_affine(learned, exact, "orthogonal").apply(learned)
        clusters = model.predict(x)
        view = display_map(exact, clusters)
        for panel, rows in zip(axes[:, column], (exact, learned), strict=True):
            scatter(panel, rows @ view, COLORS[clusters])
            panel.plot(0, 0, "+", color="0.5")
            panel.set(adjustable="box", **limits(torch.cat([exact, learned]) @ view))
        axes[0, column].set_title(f"{title(name)}\n$d_G$ = {distances[name]:.4f}")
    axes[0, 0].set_ylabel("exact eigenvectors")
    axes[1, 0].set_ylabel("BASiS network")
    return figure


def limits(points: Tensor) -> dict[str, Any]:
    """Limits of a square that holds the points `[n, 2]` and the origin."""
    low, high = points.amin(dim=0).clamp(max=0), points.amax(dim=0).clamp(min=0)
    half = 0.55 * float((high - low).max())
    x, y = ((low + high) / 2).tolist()
    return {"xlim": (x - half, x + half), "ylim": (y - half, y + half)}


def scatter(axes: Axes, points: Tensor, colors: Any, size: float = 2) -> None:
    axes.scatter(*points[:, :2].T, c=colors, s=size, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])


def title(name: str) -> str:
    return name.replace("_", " ").capitalize()
