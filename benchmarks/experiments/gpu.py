"""Steps, fits and transforms on a GPU and on the CPU of the same machine.

Without `--data-root` MNIST's features are left out. A step draws a batch from points
in the host's memory, makes its targets and descends the gradient; the CPU in one
thread, the CPU in all of its threads and the GPU take turns, and a round is over
when the device has done its work. Steps have no worker processes. Before that, targets
of the same batches (of the random walk's form) are made on both devices and compared.
Fits have the default settings, but MNIST's features the normalized Laplacian; the
sphere has a million points. They run on the CPU in all threads, there with worker
processes that make targets ahead, too, and on the GPU. A transform takes a million
points from the host's memory and puts their rows there. Without a GPU there is nothing
to compare, and it ends at once; a smoke run takes the CPU in its place.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.data.feature_sets import feature_set
from benchmarks.data.image_features import load_features
from benchmarks.experiments.gpu_steps import NUM_ANCHORS, compared
from benchmarks.lib.evaluation import exact_embedding
from benchmarks.lib.exact import NORMALIZED, WALK
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.metrics import grassmann_distance

SETS = ("mnist", "sphere")
BATCH_SIZES = (512, 2048, 8192)
NUM_HELD_OUT = 10_000
MILLION = 1_000_000
# Of a smoke run.
FEW = {"max_iter": 5, "batch_size": 512, "reference_size": 2000}


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    workers = max(torch.get_num_threads() // 2, 2)
    add("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    add("--rounds", type=int, default=3, help="of the steps (default: 3)")
    add("--check", type=int, default=10, help="batches compared (default: 10)")
    add("--workers", type=int, default=workers, help="(default: %(default)s)")
    add("--device", default="cuda", help="the GPU (default: cuda)")


def main(options: argparse.Namespace) -> None:
    if not torch.cuda.is_available() and options.device != "cpu":
        if not options.quick:
            raise SystemExit("torch finds no CUDA device: nothing to compare")
        options.device = "cpu"
    names = [name for name in SETS if name != "mnist" or options.data_root is not None]
    settings = {
        "num_anchors": NUM_ANCHORS,
        "rounds": options.rounds,
        "batches_compared": options.check,
        "device": options.device,
        "workers": options.workers,
    }
    steps: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []

    def record(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
        """Writes what there is, so that a run that is cut off loses one row at most."""
        print(row, flush=True)
        rows.append(row)
        seeds = sorted({fit["seed"] for fit in fits})
        save(options, settings, {"steps": steps, "fits": fits}, seeds)

    where = options.data_root, options.cache_dir, options.quick
    for name in names:
        points = feature_set(name, *where)
        for size in options.batch_sizes:
            row = compared(points, size, options)
            record(steps, {"set": name, "m": size, **row})
    places = [("cpu", 0), ("cpu", options.workers), (options.device, 0)]
    for seed in range(options.seeds):
        for name in names:
            for device, workers in places:
                row = fitted(name, device, workers, seed, options)
                record(fits, {"set": name, **row})


def fitted(
    name: str, device: str, workers: int, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """A fit with default settings: how long it takes, and how close it comes."""
    changes, num_many = (FEW, MILLION // 100) if options.quick else ({}, MILLION)
    if name == "mnist":
        where = options.data_root, options.cache_dir, options.quick
        data = load_features(name, *where)
        x, held_out = data.x_train, data.x_test
        exact, _ = exact_embedding(held_out)
        changes = changes | NORMALIZED
    else:
        x, held_out = sphere(num_many, seed=0), sphere(NUM_HELD_OUT, seed=10**6)
        exact = sphere_eigenfunctions(held_out, 2)
        changes = changes | WALK
    model = BASiS(
        exact.size(1), device=device, num_workers=workers, random_state=seed, **changes
    )
    start = time.perf_counter()
    model.fit(x)
    fit_seconds = time.perf_counter() - start
    many = x.repeat(num_many // len(x) + 1, 1)[:num_many]
    start = time.perf_counter()
    model.transform(many)
    transform_seconds = (time.perf_counter() - start) * MILLION / len(many)
    return {
        "device": device + (f", {workers} workers" if workers else ""),
        "seed": seed,
        "fit_seconds": fit_seconds,
        "iterations": model.n_iter_,
        "transform_seconds": transform_seconds,
        "grassmann_distance": grassmann_distance(model.transform(held_out), exact),
    }


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "gpu")
    rows = []
    for step in results["steps"]:
        device = list(step["ms"])[-1]
        quickest = min(ms for place, ms in step["ms"].items() if "cpu" in place)
        rows.append(
            {"set": step["set"], "m": step["m"]}
            | {f"ms, {place}": f"{ms:.1f}" for place, ms in step["ms"].items()}
            | {
                "CPU / GPU": f"{quickest / step['ms'][device]:.1f}",
                "targets differ by": f"{step['largest_difference']:.1e}",
                "unconverged": step["unconverged"],
            }
        )
    text = markdown_table(rows, list(rows[0]))
    rows = [
        {
            "set": name,
            "device": device,
            "seconds of a fit": f"{median(group, 'fit_seconds'):.1f}",
            "transform, 10^6 points": f"{median(group, 'transform_seconds'):.2f}",
            "d_G": over_runs(group, "grassmann_distance", 4),
        }
        for (name, device), group in grouped(results["fits"], "set", "device").items()
    ]
    columns = list(rows[0]) if rows else []  # cut off before the first fit
    return {"gpu": f"{text}\n{markdown_table(rows, columns)}"}


def median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)
