"""What grows with the number of points, and what does not.

    python benchmarks/scaling.py

Points of the sphere, turned into 16 dimensions, in memory-mapped files of 10^4 to 10^7
rows. Each run has a process of its own, in one thread. For BASiS: the time of a step
(the median of rounds in which all sizes take turns), the peak of the process's own
memory (the pages of the mapped file do not count), and how long the shortest training
takes, of those tried, that brings d_G to the spherical harmonics, at 10,000 points that
were held out, below the target. Beside it, up to where they do not finish within the
limit or fit: the exact eigenvectors of the graph of all points (our kNN and Lanczos),
and scikit-learn's SpectralEmbedding, both measured at the points themselves, as they
have no others. Writes scaling.json, .md and .png.

About 20 minutes; `--quick` takes a minute and writes no figures of worth.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from results import markdown_table, write_results
from threadpoolctl import threadpool_limits

from pyg_basis import BASiS
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance

DIMENSION = 16
TARGET = 0.01  # d_G
# Lengths of the trainings that are tried until the target is reached.
LENGTHS = (100, 150, 220, 330, 500, 750, 1000)
TIMED_STEPS = 40
STEP_ROUNDS = 3
METHODS = ("basis", "exact", "scikit-learn")
BLOCK = 1_000_000
BASIS = {
    "n_components": 9,
    "n_neighbors": 50,
    "laplacian": "rw",
    "tol": None,
    "reference_size": None,  # as large as a batch: a gap follows the ninth
}

Run = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.worker:
        print(json.dumps(measured(options)))
        return
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        paths = {n: Path(folder) / f"{n}.npy" for n in options.points}
        for num_points, path in paths.items():
            write_points(path, num_points)
        steps: dict[int, list[float]] = {n: [] for n in paths}
        for _ in range(1 if options.quick else STEP_ROUNDS):
            for num_points, path in paths.items():
                run = in_process("step", num_points, path, options)
                steps[num_points].append(run["seconds_per_step"])
        for num_points, path in paths.items():
            for method in METHODS:
                if any(r["method"] == method and r["gave_up"] for r in runs):
                    continue
                runs.append(in_process(method, num_points, path, options))
                if method == "basis":
                    runs[-1]["rounds"] = steps[num_points]
                    median = statistics.median(steps[num_points])
                    runs[-1]["seconds_per_step"] = median
                print(runs[-1], flush=True)

    settings = {
        "dimension": DIMENSION,
        "target": TARGET,
        "limit_seconds": options.limit,
        "batch_size": options.batch_size,
        "n_anchors": options.anchors,
        "basis": BASIS,
        "quick": options.quick,
    }
    path = options.output / "scaling.json"
    runs = write_results(path, settings, {"runs": runs}, [0])["results"]["runs"]
    text = table(runs)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    draw(runs).savefig(path.with_suffix(".png"), dpi=110)
    print(f"\n{text}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--points", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])
    add("--batch-size", type=int, default=2048, help="of BASiS (default: 2048)")
    add("--anchors", type=int, default=100, help="of BASiS (default: 100)")
    add("--limit", type=float, default=240, help="seconds of a run (default: 240)")
    add("--scratch", type=Path, help="folder of the mapped files, 710 MB")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/")
    add("--worker", choices=("step", *METHODS), help=argparse.SUPPRESS)
    add("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick:
        options.points, options.limit = [2_000, 4_000], 60
        options.batch_size = 512
    if options.output is None:
        options.output = Path("runs" if options.quick else "benchmarks/results")
    return options


def turned(x: torch.Tensor) -> torch.Tensor:
    """Points of the sphere in 16 dimensions: the same distances, no axis special."""
    generator = torch.Generator().manual_seed(0)
    square = torch.randn(DIMENSION, DIMENSION, generator=generator)
    return x @ torch.linalg.qr(square).Q[:3]


def write_points(path: Path, num_points: int) -> None:
    shape = (num_points, DIMENSION)
    points = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for start in range(0, num_points, BLOCK):
        stop = min(start + BLOCK, num_points)
        points[start:stop] = turned(sphere(stop - start, seed=start // BLOCK)).numpy()


def in_process(
    method: str, num_points: int, path: Path, options: argparse.Namespace
) -> Run:
    command = [sys.executable, __file__, "--worker", method, "--file", str(path)]
    command += ["--batch-size", str(options.batch_size), "--anchors"]
    command += [str(options.anchors), "--limit", str(options.limit)]
    command += ["--quick"] if options.quick else []
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run: Run = {"method": method, "n": num_points, "gave_up": None}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=options.limit * (3 if method == "basis" else 1),
            env={**os.environ, **one_thread},
        )
    except subprocess.TimeoutExpired:
        return {**run, "gave_up": f"not done in {options.limit:g} s"}
    if done.returncode != 0:
        message = (done.stderr.strip().splitlines() or ["killed"])[-1]
        return {**run, "gave_up": "out of memory" if done.returncode < 0 else message}
    return {**run, **json.loads(done.stdout.splitlines()[-1])}


class OwnMemory:
    """The highest anonymous memory of the process, which is what it needs for itself,
    in MiB; read ten times a second."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "OwnMemory":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, anonymous_memory())
            if self.stopped.wait(0.1):
                return


def anonymous_memory() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise OSError("this kernel does not tell the anonymous memory of a process")


def measured(options: argparse.Namespace) -> Run:
    torch.set_num_threads(1)
    threadpool_limits(1)
    points = np.load(options.file, mmap_mode="r")
    points.sum()  # into the file cache, for all alike
    work: dict[str, Callable[[], Run]] = {
        "step": lambda: {"seconds_per_step": step_seconds(points, options)},
        "basis": lambda: basis(points, options),
        "exact": lambda: exact(points),
        "scikit-learn": lambda: scikit_learn(points),
    }
    before = anonymous_memory()
    with OwnMemory() as memory:
        run = work[options.worker]()
    return {**run, "own_memory": memory.peak, "own_memory_before": before}


def sizes_for(points: np.ndarray, options: argparse.Namespace) -> dict[str, int]:
    batch_size = min(options.batch_size, len(points))
    return {"batch_size": batch_size, "n_anchors": options.anchors}


def basis(points: np.ndarray, options: argparse.Namespace) -> Run:
    held_out = sphere(10_000, seed=10**6)
    harmonics = sphere_eigenfunctions(held_out, 2)
    run: Run = {}
    for length in LENGTHS[:2] if options.quick else LENGTHS:
        model = BASiS(
            max_iter=length, random_state=0, **sizes_for(points, options), **BASIS
        )
        start = time.perf_counter()
        model.fit(points)
        seconds = time.perf_counter() - start
        distance = grassmann_distance(model.transform(turned(held_out)), harmonics)
        run = {"iterations": length, "seconds": seconds, "distance": distance}
        if distance <= TARGET or seconds > options.limit:
            break
    return {**run, "reached": run["distance"] <= TARGET}


def step_seconds(points: np.ndarray, options: argparse.Namespace) -> float:
    """The time of a step, without what is done once: between two trainings."""
    taken = []
    few, more = (3, 10) if options.quick else (10, TIMED_STEPS)
    for steps in (few, few + more):
        model = BASiS(
            max_iter=steps,
            random_state=0,
            readout=False,
            **sizes_for(points, options),
            **BASIS,
        )
        start = time.perf_counter()
        model.fit(points)
        taken.append(time.perf_counter() - start)
    return (taken[1] - taken[0]) / more


def harmonics_of(points: np.ndarray) -> torch.Tensor:
    turn = turned(torch.eye(3))
    return sphere_eigenfunctions(torch.from_numpy(np.array(points)) @ turn.t(), 2)


def exact(points: np.ndarray) -> Run:
    start = time.perf_counter()
    x = torch.from_numpy(np.array(points))
    vectors = ExactEmbedding(9, num_neighbors=50, laplacian="rw")(x).vectors
    seconds = time.perf_counter() - start
    distance = grassmann_distance(vectors, harmonics_of(points))
    return {"seconds": seconds, "distance": distance}


def scikit_learn(points: np.ndarray) -> Run:
    from sklearn.manifold import SpectralEmbedding

    start = time.perf_counter()
    model = SpectralEmbedding(
        8, affinity="nearest_neighbors", n_neighbors=50, random_state=0
    )
    vectors = torch.from_numpy(model.fit_transform(np.array(points)))
    seconds = time.perf_counter() - start
    # It leaves out the constant one.
    vectors = torch.cat([torch.ones(len(vectors), 1), vectors], dim=1)
    distance = grassmann_distance(vectors, harmonics_of(points))
    return {"seconds": seconds, "distance": distance}


def table(runs: list[Run]) -> str:
    rows = [
        {
            "method": run["method"],
            "n": f"{run['n']:,}",
            "ms a step": rounded(run, "seconds_per_step", 1e3),
            "own memory, MiB": rounded(run, "own_memory"),
            "seconds": rounded(run, "seconds"),
            "iterations": run.get("iterations"),
            "d_G": f"{run['distance']:.4f}" if "distance" in run else run["gave_up"],
        }
        for run in runs
    ]
    return markdown_table(rows, list(rows[0]))


def rounded(run: Run, key: str, scale: float = 1) -> str | None:
    return f"{scale * run[key]:.0f}" if key in run else None


def draw(runs: list[Run]) -> Figure:
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    titles = {
        "seconds_per_step": "seconds of a step",
        "own_memory": "peak of own memory, MiB",
        "seconds": f"seconds to d_G ≤ {TARGET}, or to the exact vectors",
    }
    for panel, (key, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        for method in METHODS:
            chosen = [run for run in runs if run["method"] == method and key in run]
            if chosen:
                sizes = [run["n"] for run in chosen]
                (line,) = panel.plot(
                    sizes, [run[key] for run in chosen], "o-", label=method
                )
                missed = [run for run in chosen if run.get("reached") is False]
                if key == "seconds" and missed:
                    places = [run["n"] for run in missed]
                    times = [run[key] for run in missed]
                    panel.plot(places, times, "x", color=line.get_color(), ms=12)
        panel.set(xscale="log", yscale="log", xlabel="points", title=title)
        panel.set_ylim(bottom=panel.get_ylim()[0] / 3, top=panel.get_ylim()[1] * 3)
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
