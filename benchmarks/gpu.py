"""Steps, fits and transforms on a GPU, beside the CPU of the same machine.

    python benchmarks/gpu.py --data-root DIR
    python benchmarks/gpu.py

The second command leaves out MNIST's features. A step draws a batch from points in the
host's memory, makes its targets and descends the gradient; the CPU in one thread, the
CPU in all of its threads and the GPU take turns, round by round, and a round is over
when the device has done its work. There are no worker processes, which could make the
CPU's targets beside its gradient steps. Before that, targets of the same batches (of
the random walk's form) are made on both devices and compared. Fits have the default
settings, but the sphere the random walk's Laplacian, and the CPU all threads; a
transform takes a million points from the host's memory and puts their rows there.
Writes gpu.json and gpu.md. Without a GPU there is nothing to compare, and it ends at
once.

About four minutes; `--quick` takes a minute and writes no figures of worth.
"""

import argparse
import copy
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from feature_sets import FeatureSet, feature_set
from image_features import exact_rows, load_features
from results import make_output_folder, markdown_table, mean_std, write_results
from threadpoolctl import threadpool_limits
from torch import Tensor

from pyg_basis import BASiS, BASiSLayer
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.loader import AnchorLoader
from pyg_basis.metrics import grassmann_distance

SETS = ("mnist", "sphere")
BATCH_SIZES = (512, 2048, 8192)
NUM_ANCHORS = 250
NUM_HELD_OUT = 10_000
MILLION = 1_000_000
# Nodes of a round, but for the steps there are at least.
NODES_OF_A_ROUND = 20_000
LEAST_STEPS = 2


class Place(NamedTuple):
    """Where a step is done: the name of the device, and the host's threads."""

    device: str
    threads: int

    def __str__(self) -> str:
        return (
            self.device
            if self.device != "cpu"
            else f"cpu, {self.threads} thread" + "s" * (self.threads > 1)
        )


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if not (torch.cuda.is_available() or options.device == "cpu"):
        raise SystemExit("torch finds no CUDA device: nothing to compare")
    names = [name for name in SETS if name != "mnist" or options.data_root is not None]
    steps, fits = [], []
    for name in names:
        points = feature_set(name, options.data_root, options.cache_dir)
        for size in options.batch_sizes:
            row = {"set": name, "m": size, **compared(points, size, options)}
            steps.append(row)
            print(row, flush=True)
    for name in names:
        for seed in range(options.seeds):
            for device in ("cpu", options.device):
                fits.append({"set": name, **fitted(name, device, seed, options)})
                print(fits[-1], flush=True)
    settings = {
        "num_anchors": NUM_ANCHORS,
        "rounds": options.rounds,
        "batches_compared": options.check,
        "device": options.device,
        "quick": options.quick,
    }
    path = options.output / "gpu.json"
    record = write_results(
        path, settings, {"steps": steps, "fits": fits}, range(options.seeds)
    )
    text = tables(record["results"]["steps"], record["results"]["fits"])
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"\n{text}")


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
    add("--device", default="cuda", help="the GPU (default: cuda)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/quick")
    options = parser.parse_args(arguments)
    if options.quick:
        options.batch_sizes, options.rounds, options.check = (512, 600), 2, 2
        options.seeds = 1
    make_output_folder(options)
    return options


def compared(
    points: FeatureSet, size: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Milliseconds of a step in each place, and what the targets differ by."""
    x, num_eigenvectors, num_neighbors = points
    layer = BASiSLayer(
        x.size(1),
        num_eigenvectors,
        num_anchors=NUM_ANCHORS,
        num_neighbors=num_neighbors,
    )
    layer.init_reference(x[:NUM_HELD_OUT], reference_size=min(size, NUM_HELD_OUT))
    threads = torch.get_num_threads()
    places = dict.fromkeys(
        (Place("cpu", 1), Place("cpu", threads), Place(options.device, threads))
    )
    layers = {place: copy.deepcopy(layer).to(place.device) for place in places}
    found = agreement(
        points.x, size, layer, layers[Place(options.device, threads)], options.check
    )
    num_steps = max(NODES_OF_A_ROUND // size, LEAST_STEPS)
    training = {
        place: steps_of(layers[place], x, size, (options.rounds + 1) * num_steps)
        for place in places
    }
    taken = defaultdict(list)
    for number in range(options.rounds + 1):
        for place, losses in training.items():
            with limited(place.threads):
                start = time.perf_counter()
                last = list(islice(losses, num_steps))[-1]
                float(last)  # waits for the device
                seconds = time.perf_counter() - start
            if number > 0:  # the first round warms up
                taken[str(place)].append(1e3 * seconds / num_steps)
    return {
        **found,
        "steps_of_a_round": num_steps,
        "ms": {place: statistics.median(times) for place, times in taken.items()},
        "range": {place: [min(times), max(times)] for place, times in taken.items()},
    }


def agreement(
    x: Tensor, size: int, here: BASiSLayer, there: BASiSLayer, num_batches: int
) -> dict[str, float]:
    """The largest relative difference of targets, and how many did not converge on
    the GPU."""
    generator = torch.Generator().manual_seed(1)
    largest, unconverged = 0.0, 0
    for _ in range(num_batches):
        others = torch.randperm(len(x), generator=generator)[: size - NUM_ANCHORS]
        expected, found = here.targets(x[others]), there.targets(x[others])
        unconverged += not bool(found.converged)
        error = (found.y.cpu() - expected.y).norm() / expected.y.norm()
        largest = max(largest, float(error))
    return {"largest_difference": largest, "unconverged": unconverged}


def steps_of(
    layer: BASiSLayer, x: Tensor, size: int, num_steps: int
) -> Iterator[Tensor]:
    """Training as BASiS does it, step by step."""
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    layer.train()
    for batch in AnchorLoader(x, layer.anchor_reference(), size, num_steps):
        loss = layer.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()


@contextmanager
def limited(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def fitted(
    name: str, device: str, seed: int, options: argparse.Namespace
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
    model = BASiS(exact.size(1), device=device, random_state=seed, **changes)
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
        "device": device,
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
