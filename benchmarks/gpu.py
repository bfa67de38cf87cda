"""Steps, fits and transforms on a GPU, beside the CPU of the same machine.

    python benchmarks/gpu.py --data-root DIR
    python benchmarks/gpu.py

The second command leaves out MNIST's features. A step draws a batch from points in the
host's memory, makes its targets and descends the gradient; the CPU in one thread, the
CPU in all of its threads and the GPU take turns, round by round, and a round is over
when the device has done its work. Steps have no worker processes. Before that, targets
of the same batches (of the random walk's form) are made on both devices and compared.
Fits have the default settings, but the sphere the random walk's Laplacian: on the CPU
in all threads, there with worker processes that make targets ahead, too, and on the
GPU. A transform takes a million points from the host's memory and puts their
rows there. Writes gpu.json and gpu.md. Without a GPU there is nothing to compare, and
it ends at once.

About five minutes; `--quick` takes a minute and its figures mean nothing.
"""

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from feature_sets import feature_set
from gpu_steps import NUM_ANCHORS, compared
from image_features import exact_rows, load_features
from results import make_output_folder, markdown_table, mean_std, write_results

from pyg_basis import BASiS
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.metrics import grassmann_distance

SETS = ("mnist", "sphere")
BATCH_SIZES = (512, 2048, 8192)
NUM_HELD_OUT = 10_000
MILLION = 1_000_000


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if not (torch.cuda.is_available() or options.device == "cpu"):
        raise SystemExit("torch finds no CUDA device: nothing to compare")
    names = [name for name in SETS if name != "mnist" or options.data_root is not None]
    steps: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []
    for name in names:
        points = feature_set(name, options.data_root, options.cache_dir)
        for size in options.batch_sizes:
            steps.append({"set": name, "m": size, **compared(points, size, options)})
            record(options, steps, fits)
    places = [("cpu", 0), ("cpu", options.workers), (options.device, 0)]
    for seed in range(options.seeds):
        for name in names:
            for device, workers in places:
                fit = fitted(name, device, workers, seed, options)
                fits.append({"set": name, **fit})
                record(options, steps, fits)
    print(f"\n{tables(steps, fits)}")


def record(
    options: argparse.Namespace,
    steps: list[dict[str, Any]],
    fits: list[dict[str, Any]],
) -> None:
    """Writes what there is, so that a run that is cut off loses one row at most."""
    print((fits or steps)[-1], flush=True)
    settings = {
        "num_anchors": NUM_ANCHORS,
        "rounds": options.rounds,
        "batches_compared": options.check,
        "device": options.device,
        "workers": options.workers,
        "quick": options.quick,
    }
    path = options.output / "gpu.json"
    results = {"steps": steps, "fits": fits}
    written = write_results(
        path, settings, results, sorted({fit["seed"] for fit in fits})
    )
    text = tables(**written["results"])
    path.with_suffix(".md").write_text(text, encoding="utf-8")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data-root", type=Path, help="folder of mnist.npz")
    add("--cache-dir", type=Path, default=Path("cache"), help="of the features")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    add("--rounds", type=int, default=3, help="of the steps (default: 3)")
    add("--check", type=int, default=10, help="batches compared (default: 10)")
    add("--seeds", type=int, default=3, help="fits of each (default: 3)")
    cores = torch.get_num_threads()
    add(
        "--workers", type=int, default=max(cores // 2, 2), help="(default: %(default)s)"
    )
    add("--device", default="cuda", help="the GPU (default: cuda)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/quick")
    options = parser.parse_args(arguments)
    if options.quick:
        options.batch_sizes, options.rounds, options.check = (512, 600), 2, 2
        options.seeds = 1
    make_output_folder(options)
    return options


def fitted(
    name: str, device: str, workers: int, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """A fit with default settings: how long it takes, and how close it comes."""
    changes: dict[str, Any] = {"max_iter": 20} if options.quick else {}
    if name == "mnist":
        data = load_features(name, options.data_root, options.cache_dir, False)
        x, held_out = data.x_train, data.x_test
        exact, _ = exact_rows(held_out)
    else:
        x = feature_set(name, None, options.cache_dir).x
        held_out = sphere(NUM_HELD_OUT, seed=10**6)
        exact = sphere_eigenfunctions(held_out, 2)
        changes["laplacian"] = "rw"
    model = BASiS(
        exact.size(1), device=device, n_workers=workers, random_state=seed, **changes
    )
    start = time.perf_counter()
    model.fit(x)
    fit_seconds = time.perf_counter() - start
    many = x.repeat(MILLION // len(x) + 1, 1)[
        : MILLION // (100 if options.quick else 1)
    ]
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


def tables(steps: list[dict[str, Any]], fits: list[dict[str, Any]]) -> str:
    rows = []
    for step in steps:
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
    if not fits:
        return text
    runs = defaultdict(list)
    for fit in fits:
        runs[fit["set"], fit["device"]].append(fit)
    rows = []
    for (name, device), group in runs.items():
        distance, deviation = mean_std(run["grassmann_distance"] for run in group)
        rows.append(
            {
                "set": name,
                "device": device,
                "seconds of a fit": f"{median(group, 'fit_seconds'):.1f}",
                "transform, 10^6 points": f"{median(group, 'transform_seconds'):.2f}",
                "d_G": f"{distance:.4f} ± {deviation:.4f}",
            }
        )
    return f"{text}\n{markdown_table(rows, list(rows[0]))}"


def median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


if __name__ == "__main__":
    main()
