"""The figures of the experiment joint."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

Run = dict[str, Any]
COLORS = mpl.colormaps["tab10"].colors
PARTS = {"train": "--", "held_out": "-"}
NAMES = {"train": "training", "held_out": "held out"}


def draw_curves(runs: list[Run]) -> Figure:
    """Fig. 6: losses and clusters on the way, mean over the seeds."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplots(2, 2)
    histories = [run["history"] for run in runs if run["kind"] == "network"]
    panels = {
        "contrastive loss": {"contrastive_loss": "features"},
        "spectral loss": {
            "spectral_loss": "aligned by T_G",
            "spectral_loss_not_aligned": "not aligned",
        },
        "NMI": {"network_nmi": "network", "exact_nmi": "exact eigenvectors"},
        "ACC": {"network_accuracy": "network", "exact_accuracy": "exact eigenvectors"},
    }
    for panel, (title, keys) in zip(axes.flat, panels.items(), strict=True):
        for (key, name), color in zip(keys.items(), COLORS, strict=False):
            for part, style in PARTS.items():
                label = f"{name}, {NAMES[part]}"
                draw_mean(panel, histories, part, key, label, style, color)
        panel.set(title=title, xlabel="iteration of the features")
        if "loss" in title:
            panel.set_yscale("log")
        panel.legend(frameon=False, fontsize=8)
    return figure


def draw_mean(
    panel: Axes,
    histories: list[list[Run]],
    part: str,
    key: str,
    label: str,
    style: str,
    color: Any,
) -> None:
    iterations = [entry["iteration"] for entry in histories[0]]
    values = np.array([[entry[part][key] for entry in each] for each in histories])
    panel.plot(iterations, values.mean(axis=0), style, color=color, label=label)
    low, high = values.min(axis=0), values.max(axis=0)
    panel.fill_between(iterations, low, high, color=color, alpha=0.15, linewidth=0)


def draw_maps(snapshots: dict[int, Run]) -> Figure:
    """Fig. 7: t-SNE of the embedding of held-out digits, at the start and the end."""
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for panel, iteration in zip(axes, (min(snapshots), max(snapshots)), strict=True):
        shown = snapshots[iteration]
        plane = TSNE(random_state=0).fit_transform(shown["learned"])
        scatter(panel, plane, shown["labels"], list(range(10)))
        panel.set(title=f"iteration {iteration}", xticks=[], yticks=[])
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure


def draw_bases(snapshots: dict[int, Run]) -> Figure:
    """Fig. 8: the reference set before and after T_G, and held-out digits."""
    columns = sorted(snapshots)
    figure = Figure(figsize=(2.9 * len(columns), 8.4), layout="constrained")
    axes = figure.subplots(3, len(columns))
    titles = {
        "before": "reference before T_G",
        "after": "reference after T_G",
        "learned": "network, held-out digits",
    }
    for axis, iteration in zip(axes.T, columns, strict=True):
        shown = snapshots[iteration]
        axis[0].set_title(f"iteration {iteration}")
        for panel, key in zip(axis, titles, strict=True):
            if key == "learned":
                scatter(panel, shown[key], shown["labels"], np.unique(shown["labels"]))
            else:
                panel.scatter(*shown[key][:, :2].T, s=4, color="0.35")
            panel.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    for panel, title in zip(axes[:, 0], titles.values(), strict=True):
        panel.set_ylabel(title)
    axes[2, 0].legend(frameon=False, markerscale=3)
    return figure


def scatter(panel: Axes, plane: Any, labels: Any, classes: Any) -> None:
    for digit in classes:
        points = plane[labels == digit]
        panel.scatter(*points[:, :2].T, s=4, color=COLORS[digit], label=str(digit))
