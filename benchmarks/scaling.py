"""What grows with the number of points, and what does not.

    python benchmarks/scaling.py

Points of the sphere, turned into 16 dimensions, in memory-mapped files of 10^4 to 10^7
rows. Each run has a process of its own, in one thread: the time of the fit, d_G to the
spherical harmonics, and the peak of the process's own memory (the pages of the mapped
file do not count). BASiS with its defaults and the Nyström extension of 10,000 points
are measured at 10,000 points that were held out. Beside them, up to where they do not
finish within the limit or fit: the exact eigenvectors of the graph of all points (our
kNN and Lanczos), and scikit-learn's SpectralEmbedding, both measured at the points
themselves, as they have no others. Writes scaling.json, .md and .png.

About 20 minutes. `--quick` checks in a minute or two that everything runs; its figures
are not results.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from results import format_mean_std, markdown_table, write_results
from threadpoolctl import threadpool_limits

from pyg_basis import BASiS
from pyg_basis.baselines import NystroemEmbedding
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance

DIMENSION = 16
NUM_COLUMNS, NUM_NEIGHBORS = 9, 50
SAMPLE = 10_000  # of Nyström: as many as BASiS takes its reference from
# With how many seeds; the exact methods have none.
SEEDS = {"basis": 3, "nystroem": 3, "exact": 1, "scikit-learn": 1}
BLOCK = 1_000_000

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
        for seed in range(1 if options.quick else max(SEEDS.values())):
            for num_points, path in paths.items():
                for method in [name for name in SEEDS if seed < SEEDS[name]]:
                    if any(r["method"] == method and r["gave_up"] for r in runs):
                        continue
                    runs.append(in_process(method, num_points, seed, path, options))
                    print(runs[-1], flush=True)

    settings = {
        "dimension": DIMENSION,
        "n_components": NUM_COLUMNS,
        "n_neighbors": NUM_NEIGHBORS,
        "sample": SAMPLE,
        "limit_seconds": options.limit,
        "quick": options.quick,
    }
    path = options.output / "scaling.json"
    seeds = sorted({run["seed"] for run in runs})
    runs = write_results(path, settings, {"runs": runs}, seeds)["results"]["runs"]
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
    add("--limit", type=float, default=240, help="seconds of a run (default: 240)")
    add("--scratch", type=Path, help="folder of the mapped files, 710 MB")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/")
    add("--worker", choices=tuple(SEEDS), help=argparse.SUPPRESS)
    add("--seed", type=int, help=argparse.SUPPRESS)
    add("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick:
        options.points, options.limit = [2_000, 4_000], 60
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
    method: str, num_points: int, seed: int, path: Path, options: argparse.Namespace
) -> Run:
    command = [sys.executable, __file__, "--worker", method, "--file", str(path)]
    command += ["--seed", str(seed)]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run: Run = {"method": method, "n": num_points, "seed": seed, "gave_up": None}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=options.limit,
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
        "basis": lambda: basis(points, options.seed),
        "nystroem": lambda: nystroem(points, options.seed),
        "exact": lambda: exact(points),
        "scikit-learn": lambda: scikit_learn(points),
    }
    before = anonymous_memory()
    with OwnMemory() as memory:
        run = work[options.worker]()
    return {**run, "own_memory": memory.peak, "own_memory_before": before}


def basis(points: np.ndarray, seed: int) -> Run:
    model = BASiS(
        NUM_COLUMNS, n_neighbors=NUM_NEIGHBORS, laplacian="rw", random_state=seed
    )
    start = time.perf_counter()
    model.fit(points)
    seconds = time.perf_counter() - start
    return {"iterations": model.n_iter_, "seconds": seconds, **at_new_points(model)}


def nystroem(points: np.ndarray, seed: int) -> Run:
    generator = np.random.default_rng(seed)
    size = min(SAMPLE, len(points))
    model = NystroemEmbedding(NUM_COLUMNS, n_neighbors=NUM_NEIGHBORS, laplacian="rw")
    start = time.perf_counter()
    # Drawn here: a sample of a mapped file needs no copy of the whole.
    rows = generator.choice(len(points), size, replace=False, shuffle=False)
    model.fit(points[np.sort(rows)])
    return {"seconds": time.perf_counter() - start, **at_new_points(model)}


def at_new_points(model: Any) -> Run:
    held_out = sphere(10_000, seed=10**6)
    harmonics = sphere_eigenfunctions(held_out, 2)
    found = model.transform(turned(held_out))
    return {"distance": grassmann_distance(found, harmonics)}


def harmonics_of(points: np.ndarray) -> torch.Tensor:
    turn = turned(torch.eye(3))
    return sphere_eigenfunctions(torch.from_numpy(np.array(points)) @ turn.t(), 2)


def exact(points: np.ndarray) -> Run:
    start = time.perf_counter()
    x = torch.from_numpy(np.array(points))
    embedding = ExactEmbedding(NUM_COLUMNS, num_neighbors=NUM_NEIGHBORS, laplacian="rw")
    vectors = embedding(x).vectors
    seconds = time.perf_counter() - start
    distance = grassmann_distance(vectors, harmonics_of(points))
    return {"seconds": seconds, "distance": distance}


def scikit_learn(points: np.ndarray) -> Run:
    from sklearn.manifold import SpectralEmbedding

    start = time.perf_counter()
    model = SpectralEmbedding(
        NUM_COLUMNS - 1,
        affinity="nearest_neighbors",
        n_neighbors=NUM_NEIGHBORS,
        random_state=0,
    )
    vectors = torch.from_numpy(model.fit_transform(np.array(points)))
    seconds = time.perf_counter() - start
    # It leaves out the constant one.
    vectors = torch.cat([torch.ones(len(vectors), 1), vectors], dim=1)
    distance = grassmann_distance(vectors, harmonics_of(points))
    return {"seconds": seconds, "distance": distance}


def table(runs: list[Run]) -> str:
    grouped = by_method_and_size(runs)
    rows = [
        {
            "method": method,
            "n": f"{num_points:,}",
            "own memory, MiB": cell(group, "own_memory", 0),
            "fit, seconds": cell(group, "seconds", 1),
            "iterations": cell(group, "iterations", 0),
            "d_G": cell(group, "distance", 4) or group[0]["gave_up"],
        }
        for (method, num_points), group in grouped.items()
    ]
    return markdown_table(rows, list(rows[0]))


def by_method_and_size(runs: list[Run]) -> dict[tuple[str, int], list[Run]]:
    """Ordered by the number of points, then as in SEEDS."""
    grouped: dict[tuple[str, int], list[Run]] = {}
    order = list(SEEDS)
    for run in sorted(runs, key=lambda run: (run["n"], order.index(run["method"]))):
        grouped.setdefault((run["method"], run["n"]), []).append(run)
    return grouped


def cell(runs: list[Run], key: str, digits: int) -> str | None:
    """None where a run gave up."""
    if not all(key in run for run in runs):
        return None
    return format_mean_std((run[key] for run in runs), digits=digits)


def draw(runs: list[Run]) -> Figure:
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    titles = {
        "seconds": "seconds of a fit",
        "own_memory": "peak of own memory, MiB",
        "distance": "d_G to the spherical harmonics",
    }
    for panel, (key, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        for method in SEEDS:
            places, means = [], []
            for (name, num_points), group in by_method_and_size(runs).items():
                if name == method and all(key in run for run in group):
                    places.append(num_points)
                    means.append(fmean(run[key] for run in group))
            panel.plot(places, means, "o-", label=method)
        panel.set(xscale="log", yscale="log", xlabel="points", title=title)
        panel.set_ylim(bottom=panel.get_ylim()[0] / 3, top=panel.get_ylim()[1] * 3)
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
