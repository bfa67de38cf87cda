r"""How close BASiS comes to eigenfunctions known in closed form.

60,000 uniform points of the circle and of the sphere; the embedding of 10,000 points
that were held out is compared with the eigenfunctions of the Laplacian at them, for
four ways to choose the anchors. Beside it stands what the network learns from: the
eigenvectors of single batches, against the eigenfunctions at their own nodes.

    python benchmarks/manifolds.py

About 3 minutes on one core; `--quick` takes seconds and its figures mean nothing.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from results import format_mean_std, markdown_table, write_results
from torch import Tensor

from pyg_basis import BASiS
from pyg_basis.align import fit_affine
from pyg_basis.datasets import (
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.metrics import grassmann_distance

ANCHORS = ("poisson_disk", "farthest", "kmeans++", "random")  # the default first
NUM_SINGLE_BATCHES = 20
DRAWN_FUNCTION = 4  # of the closed form: sqrt(15) x y, of degree 2
VIEW = (28.0, 34.0)  # elevation and azimuth in degrees
# Held-out points are drawn with seeds from here on, which no training set uses.
HELD_OUT_SEED = 1_000_000


class Manifold(NamedTuple):
    sample: Callable[..., Tensor]
    eigenfunctions: Callable[[Tensor], Tensor]
    num_functions: int
    num_neighbors: int
    target: float


MANIFOLDS = {
    "circle": Manifold(circle, lambda x: circle_eigenfunctions(x, 5), 5, 20, 0.01),
    "sphere": Manifold(sphere, lambda x: sphere_eigenfunctions(x, 2), 9, 50, 0.10),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each setting")
    parser.add_argument("--output", type=Path, help="by default benchmarks/results")
    parser.add_argument("--quick", action="store_true", help="tiny; by default to runs")
    args = parser.parse_args(arguments)
    output = args.output or Path("runs" if args.quick else "benchmarks/results")
    # One thread adds up in one order: the same seed gives the same figures.
    torch.set_num_threads(1)
    seeds = list(range(1 if args.quick else args.seeds))
    settings = {
        "num_train": 1_000 if args.quick else 60_000,
        "num_held_out": 500 if args.quick else 10_000,
        "batch_size": 128 if args.quick else 512,
        "n_anchors": 60 if args.quick else 250,
        "max_iter": 10 if args.quick else 1000,
        "laplacian": "rw",
        "n_components": {name: m.num_functions for name, m in MANIFOLDS.items()},
        "n_neighbors": {name: m.num_neighbors for name, m in MANIFOLDS.items()},
    }

    runs = []
    drawn: BASiS | None = None
    for name, manifold in MANIFOLDS.items():
        for anchors in ANCHORS:
            for seed in seeds:
                basis, run = fit_and_measure(manifold, anchors, seed, settings)
                runs.append({"manifold": name, "anchors": anchors, "seed": seed, **run})
                print(runs[-1], flush=True)
                if (name, anchors, seed) == ("sphere", ANCHORS[0], 0):
                    drawn = basis
    assert drawn is not None

    record = write_results(output / "manifolds.json", settings, {"runs": runs}, seeds)
    runs = record["results"]["runs"]  # rounded once, for the table too
    (output / "manifolds.md").write_text(table(runs), encoding="utf-8")
    draw(runs, drawn, settings).savefig(output / "manifolds.png", dpi=130)


def fit_and_measure(
    manifold: Manifold, anchors: str, seed: int, settings: dict[str, Any]
) -> tuple[BASiS, dict[str, float]]:
    x = manifold.sample(settings["num_train"], seed=seed)
    held_out = manifold.sample(settings["num_held_out"], seed=HELD_OUT_SEED + seed)
    basis = BASiS(
        n_components=manifold.num_functions,
        n_neighbors=manifold.num_neighbors,
        n_anchors=settings["n_anchors"],
        batch_size=settings["batch_size"],
        reference_size=None,  # as published
        max_iter=settings["max_iter"],
        laplacian=settings["laplacian"],
        anchors=anchors,
        random_state=seed,
    )
    start = time.process_time()
    basis.fit(x)
    seconds = time.process_time() - start

    distance = grassmann_distance(
        basis.transform(held_out), manifold.eigenfunctions(held_out)
    )
    single = []
    for batch_seed in range(NUM_SINGLE_BATCHES):
        nodes, vectors = single_batch(basis, x, batch_seed)
        single.append(grassmann_distance(vectors, manifold.eigenfunctions(nodes)))
    return basis, {
        "grassmann_distance": distance,
        "single_batch": statistics.median(single),
        "n_iter": basis.n_iter_,
        "cpu_seconds": seconds,
    }


def single_batch(basis: BASiS, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    r"""A batch like those of the training: nodes `[m, d]`, eigenvectors `[m, K]`."""
    layer = basis.layer_
    num_others = basis.batch_size - layer.num_anchors
    generator = torch.Generator().manual_seed(seed)
    others = torch.randperm(len(x), generator=generator)[:num_others]
    nodes = torch.cat([layer.anchors, x[others]])
    return nodes, layer.embedding(nodes).vectors


def groups(
    runs: list[dict[str, Any]],
) -> Iterator[tuple[str, str, dict[str, list[Any]]]]:
    r"""Manifold, choice of anchors, and the figures of its runs, a list of each."""
    for name in MANIFOLDS:
        for anchors in ANCHORS:
            setting = (name, anchors)
            chosen = [r for r in runs if (r["manifold"], r["anchors"]) == setting]
            yield name, anchors, {key: [r[key] for r in chosen] for key in chosen[0]}


def table(runs: list[dict[str, Any]]) -> str:
    rows = [
        {
            "Manifold": f"{name}, K = {MANIFOLDS[name].num_functions}",
            "Anchors": f"{anchors} (default)" if anchors == ANCHORS[0] else anchors,
            "d_G": format_mean_std(column["grassmann_distance"], digits=4),
            "d_G, highest": f"{max(column['grassmann_distance']):.4f}",
            "Asked for": f"≤ {MANIFOLDS[name].target}"
            if anchors == ANCHORS[0]
            else None,
            "d_G of one batch": format_mean_std(column["single_batch"], digits=4),
            "Iterations": f"{min(column['n_iter'])} to {max(column['n_iter'])}",
            "Training, CPU s": format_mean_std(column["cpu_seconds"], digits=0),
        }
        for name, anchors, column in groups(runs)
    ]
    return markdown_table(rows, list(rows[0]))


def draw(runs: list[dict[str, Any]], basis: BASiS, settings: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(13, 4), layout="constrained")
    grid = figure.add_gridspec(1, 4, width_ratios=[1.6, 1, 1, 1])
    draw_distances(figure.add_subplot(grid[0]), runs)
    panels = [figure.add_subplot(grid[i], projection="3d") for i in (1, 2, 3)]
    draw_spheres(panels, basis, settings)
    return figure


def draw_distances(axes: Axes, runs: list[dict[str, Any]]) -> None:
    r"""A dot for each run, and a bar at the distance of single batches."""
    colors = {"circle": "tab:blue", "sphere": "tab:orange"}
    for name, anchors, column in groups(runs):
        place = ANCHORS.index(anchors) + (-0.17 if name == "circle" else 0.17)
        axes.plot(
            [place] * len(column["seed"]),
            column["grassmann_distance"],
            "o",
            color=colors[name],
            alpha=0.7,
            label=f"BASiS, {name}" if anchors == ANCHORS[0] else None,
        )
        batch = statistics.mean(column["single_batch"])
        axes.plot([place - 0.15, place + 0.15], [batch] * 2, color=colors[name], lw=2.5)
    axes.plot([], [], color="0.4", lw=2.5, label="one batch")
    axes.set(yscale="log", ylabel=r"$d_G$ to the closed form")
    axes.set_xticks(range(len(ANCHORS)), [name.replace("_", " ") for name in ANCHORS])
    axes.grid(axis="y", alpha=0.3)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)


def draw_spheres(panels: list[Any], basis: BASiS, settings: dict[str, Any]) -> None:
    r"""One eigenfunction: in closed form, of one batch, and of the network.

    The bases differ; all are shown in that of the closed form, see `fit_affine`.
    """
    polar, azimuth = np.mgrid[0 : np.pi : 61j, 0 : 2 * np.pi : 121j]
    flat = np.sin(polar)
    surface = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.cos(polar)])
    points = torch.from_numpy(surface.reshape(3, -1).T).float()
    exact = sphere_eigenfunctions(points)
    sample = sphere(settings["num_held_out"], seed=HELD_OUT_SEED)
    turn = fit_affine(basis.transform(sample), sphere_eigenfunctions(sample))
    learned = turn.apply(basis.transform(points))
    nodes, vectors = single_batch(basis, sphere(settings["num_train"]), seed=0)
    vectors = vectors[:, 1:]  # the first is constant, which the shift stands for
    turn = fit_affine(vectors, sphere_eigenfunctions(nodes).to(vectors))
    batch = turn.apply(vectors)[:, DRAWN_FUNCTION].numpy()

    colors = mpl.colormaps["RdBu_r"]
    norm = Normalize(-(15**0.5) / 2, 15**0.5 / 2)
    for panel, rows in ((panels[0], exact), (panels[2], learned)):
        shades = colors(norm(rows[:, DRAWN_FUNCTION].numpy().reshape(polar.shape)))
        panel.plot_surface(
            *surface, facecolors=shades, rcount=61, ccount=121, shade=False, aa=False
        )
    # Nodes at the back are left out: they would show through.
    elevation, turned = np.radians(VIEW)
    front = nodes.numpy() @ [
        np.cos(elevation) * np.cos(turned),
        np.cos(elevation) * np.sin(turned),
        np.sin(elevation),
    ]
    dots = {"s": 22, "depthshade": False, "ec": "0.7", "lw": 0.4}
    panels[1].scatter(*nodes[front > 0].T, c=colors(norm(batch[front > 0])), **dots)
    titles = ["closed form", f"one batch of {len(nodes)} nodes", "BASiS network"]
    for panel, title in zip(panels, titles, strict=True):
        panel.view_init(*VIEW)
        panel.set_box_aspect((1, 1, 1), zoom=1.35)
        panel.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
        panel.set_title(title, y=0.98)
        panel.set_axis_off()


if __name__ == "__main__":
    main()
