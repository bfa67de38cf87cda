"""How close BASiS comes to the eigenvectors of the whole set, by batch size, when all
sizes have the same time.

    python benchmarks/batch_size.py --data-root DIR
    python benchmarks/batch_size.py

The second command leaves out MNIST. A short pilot tells how long a step takes; as many
steps are then made as fill the time. On the sphere (K = 9, a million points: of 60,000,
the density's own noise shows beside large batches) d_G is to the spherical harmonics
at 10,000 points that were held out; on MNIST it is to the exact eigenvectors
of the test images' own graph, with NMI and ACC of k-means beside it. Writes
batch_size.json, .md and .png.

About 45 minutes on one core; `--quick` takes seconds and its figures mean nothing.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from evaluation import FeatureSplit, exact_embedding, run_basis
from image_features import load_features
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from results import format_mean_std, markdown_table, mean_std, write_results
from threadpoolctl import threadpool_limits
from torch import Tensor

from pyg_basis import BASiS
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.metrics import grassmann_distance

BATCH_SIZES = (512, 1024, 2048, 4096, 8192)
# Some seconds of steps tell how long one takes, beside the noise of what is done once.
PILOT_NODES = 60_000
HELD_OUT_SEED = 1_000_000
# The reference set is as large as a batch: that is what is compared.
COMMON = {"n_neighbors": 50, "reference_size": None}
SPHERE = {"n_components": 9, "laplacian": "rw", **COMMON}
MNIST = {"n_components": 10, **COMMON}

Run = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    torch.set_num_threads(1)
    threadpool_limits(1)
    runs = []
    for seed in range(options.seeds):
        for size in options.sizes:
            for anchors in options.anchors:
                runs.append(on_sphere(size, anchors, seed, options))
                print(runs[-1], flush=True)
    if options.data_root is None:
        print("mnist is left out: it needs --data-root")
    else:
        data = load_features("mnist", options.data_root, options.cache_dir, False)
        exact, _ = exact_embedding(data.x_test, 10, 50)
        for seed in range(options.seeds):
            for size in options.sizes:
                for anchors in options.anchors:
                    runs.append(on_mnist(data, exact, size, anchors, seed, options))
                    print(runs[-1], flush=True)

    settings = {
        "seconds": options.seconds,
        "sphere_points": options.points,
        "sphere": SPHERE,
        "mnist": MNIST,
        "quick": options.quick,
    }
    path = options.output / "batch_size.json"
    record = write_results(path, settings, {"runs": runs}, range(options.seeds))
    runs = record["results"]["runs"]  # rounded once, for the table too
    text = table(runs)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    draw(runs, options.seconds).savefig(path.with_suffix(".png"), dpi=110)
    print(f"\n{text}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seconds", type=float, default=60, help="of each training (default: 60)")
    add("--seeds", type=int, default=2, help="runs of each setting (default: 2)")
    add("--sizes", type=int, nargs="+", default=list(BATCH_SIZES), help="of a batch")
    add("--anchors", type=int, nargs="+", default=[100, 250], help="how many")
    add("--points", type=int, default=1_000_000, help="of the sphere (default: 10^6)")
    add("--data-root", type=Path, help="folder of mnist.npz")
    add("--cache-dir", type=Path, default=Path("cache"), help="of the features")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds, options.seeds, options.points = 1, 1, 2_000
        options.sizes = [300, 600]
    if options.output is None:
        options.output = Path("runs" if options.quick else "benchmarks/results")
    return options


def iterations_in(seconds: float, x: Tensor, **parameters: Any) -> int:
    """How many steps fill the time, by the time between two short trainings."""
    few = PILOT_NODES // parameters["batch_size"] + 5
    taken = []
    for steps in (5, 5 + few):
        start = time.perf_counter()
        BASiS(max_iter=steps, tol=None, random_state=0, **parameters).fit(x)
        taken.append(time.perf_counter() - start)
    step = max(taken[1] - taken[0], 0.001) / few
    return max(int((seconds - taken[0]) / step), 1)


def on_sphere(size: int, anchors: int, seed: int, options: argparse.Namespace) -> Run:
    x = sphere(options.points, seed=seed)
    held_out = sphere(10_000, seed=HELD_OUT_SEED + seed)
    parameters = {"batch_size": size, "n_anchors": anchors, **SPHERE}
    iterations = iterations_in(options.seconds, x, **parameters)
    basis = BASiS(max_iter=iterations, tol=None, random_state=seed, **parameters)
    start = time.perf_counter()
    basis.fit(x)
    seconds = time.perf_counter() - start
    learned = basis.transform(held_out)
    return {
        "set": "sphere",
        "m": size,
        "anchors": anchors,
        "seed": seed,
        "iterations": iterations,
        "seconds": seconds,
        "grassmann_distance": grassmann_distance(
            learned, sphere_eigenfunctions(held_out, 2)
        ),
    }


def on_mnist(
    data: FeatureSplit,
    exact: Tensor,
    size: int,
    anchors: int,
    seed: int,
    options: argparse.Namespace,
) -> Run:
    parameters = {"batch_size": size, "n_anchors": anchors, **MNIST}
    iterations = iterations_in(options.seconds, data.x_train, **parameters)
    scores, _, _ = run_basis(
        data, exact, seed, max_iter=iterations, tol=None, **parameters
    )
    return {
        "set": "mnist",
        "m": size,
        "anchors": anchors,
        "seed": seed,
        "iterations": iterations,
        "seconds": scores["fit_seconds"],
        "grassmann_distance": scores["grassmann_distance"],
        "nmi": scores["nmi"],
        "accuracy": scores["accuracy"],
    }


def grouped(runs: list[Run]) -> list[tuple[Run, dict[str, list[float]]]]:
    """The runs of each setting together: the first one, and all their figures."""
    settings: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        settings.setdefault((run["set"], run["anchors"], run["m"]), []).append(run)
    return [
        (group[0], {key: [run[key] for run in group] for key in group[0]})
        for group in settings.values()
    ]


def table(runs: list[Run]) -> str:
    baseline = {
        (run["set"], run["anchors"]): mean_std(column["grassmann_distance"])[0]
        for run, column in grouped(runs)
        if run["m"] == min(run["m"] for run in runs)
    }
    rows = []
    for run, column in grouped(runs):
        mean = mean_std(column["grassmann_distance"])[0]
        first = baseline[run["set"], run["anchors"]]
        row = {
            "set": run["set"],
            "m": run["m"],
            "anchors": run["anchors"],
            "iterations": round(mean_std(column["iterations"])[0]),
            "seconds": format_mean_std(column["seconds"], digits=0),
            "d_G": format_mean_std(column["grassmann_distance"], digits=4),
            "better than the smallest": f"{first / mean:.1f}",
        }
        if "nmi" in column:
            row["NMI"] = format_mean_std(column["nmi"])
            row["ACC"] = format_mean_std(column["accuracy"])
        rows.append(row)
    columns = dict.fromkeys(key for row in rows for key in row)
    return markdown_table(rows, list(columns))


def draw(runs: list[Run], seconds: float) -> Figure:
    names = list(dict.fromkeys(run["set"] for run in runs))
    figure = Figure(figsize=(5 * len(names), 3.8), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        draw_set(panel, [run for run in runs if run["set"] == name])
        panel.set_title(f"{name}, {seconds:g} seconds of training")
    return figure


def draw_set(panel: Axes, runs: list[Run]) -> None:
    for anchors in dict.fromkeys(run["anchors"] for run in runs):
        chosen = [run for run in runs if run["anchors"] == anchors]
        sizes = [run["m"] for run in chosen]
        distances = [run["grassmann_distance"] for run in chosen]
        (dots,) = panel.plot(sizes, distances, "o", alpha=0.5)
        means = {
            run["m"]: mean_std(column["grassmann_distance"])[0]
            for run, column in grouped(chosen)
        }
        panel.plot(
            list(means),
            list(means.values()),
            color=dots.get_color(),
            label=f"{anchors} anchors",
        )
    panel.set(xscale="log", xlabel="nodes of a batch", ylabel=r"$d_G$")
    panel.set_ylim(bottom=0)
    panel.set_xticks(list(means), [str(size) for size in means])
    panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)


if __name__ == "__main__":
    main()
