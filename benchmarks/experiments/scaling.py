"""What grows with the number of points, and what does not.

Points of the sphere, turned into 16 dimensions, in memory-mapped files of 10^4 to 10^7
rows. Each run has a process of its own, in one thread: the time of the fit, d_G to the
spherical harmonics, and the peak of the process's own memory (the pages of the mapped
file do not count). BASiS with its defaults and the Nyström extension of 10,000 points
are measured at 10,000 points that were held out. In addition, up to where they do not
finish within the limit or fit: the exact eigenvectors of the graph of all points (our
kNN and Lanczos), and scikit-learn's SpectralEmbedding, both measured at the points
themselves, as they have no others.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.baselines import NystroemEmbedding
from benchmarks.data.manifolds import DIMENSION, turned, write_points
from benchmarks.lib.alone import run_alone
from benchmarks.lib.exact import WALK, exact_space
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS
from pyg_basis.datasets import sphere, sphere_eigenfunctions
from pyg_basis.metrics import grassmann_distance

NUM_COLUMNS, NUM_NEIGHBORS = 9, 50
SAMPLE = 10_000  # of Nyström: as many as BASiS takes its reference from
# With how many seeds; the exact methods have none.
SEEDS = {"basis": 3, "nystroem": 3, "exact": 1, "scikit-learn": 1}

Run = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--points", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])
    add("--limit", type=float, default=240, help="seconds of a run (default: 240)")
    add("--scratch", type=Path, help="folder of the mapped files, 710 MB")


def main(options: argparse.Namespace) -> None:
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        paths = {n: Path(folder) / f"{n}.npy" for n in options.points}
        for num_points, path in paths.items():
            write_points(path, num_points, drawn)
        for seed in range(1 if options.quick else max(SEEDS.values())):
            for num_points, path in paths.items():
                for method in [name for name in SEEDS if seed < SEEDS[name]]:
                    if any(r["method"] == method and r["gave_up"] for r in runs):
                        continue
                    run = run_alone(measured, method, path, seed, limit=options.limit)
                    what = {"method": method, "n": num_points, "seed": seed}
                    runs.append({**what, "gave_up": None, **run})
                    print(runs[-1], flush=True)
    settings = {
        "dimension": DIMENSION,
        "n_components": NUM_COLUMNS,
        "n_neighbors": NUM_NEIGHBORS,
        "sample": SAMPLE,
        "limit_seconds": options.limit,
    }
    seeds = sorted({run["seed"] for run in runs})
    runs = save(options, settings, {"runs": runs}, seeds)["runs"]
    draw(runs).savefig(options.output / "scaling.png", dpi=110)


def drawn(num_points: int, seed: int) -> torch.Tensor:
    return turned(sphere(num_points, seed=seed))


def measured(method: str, path: str, seed: int) -> Run:
    """One run of one method, in this process."""
    points = np.load(path, mmap_mode="r")
    points.sum()  # into the file cache, for all alike
    work: dict[str, Callable[[], Run]] = {
        "basis": lambda: basis(points, seed),
        "nystroem": lambda: nystroem(points, seed),
        "exact": lambda: exact(points),
        "scikit-learn": lambda: scikit_learn(points),
    }
    with OwnMemory() as memory:
        run = work[method]()
    return {**run, "own_memory": memory.peak, "own_memory_before": memory.before}


def basis(points: np.ndarray, seed: int) -> Run:
    model = BASiS(NUM_COLUMNS, n_neighbors=NUM_NEIGHBORS, random_state=seed, **WALK)
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
    embedding = exact_space(NUM_COLUMNS, NUM_NEIGHBORS, "rw")
    vectors = embedding(torch.from_numpy(np.array(points))).vectors
    return at_the_points(vectors, points, time.perf_counter() - start)


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
    return at_the_points(vectors, points, seconds)


def at_the_points(vectors: torch.Tensor, points: np.ndarray, seconds: float) -> Run:
    distance = grassmann_distance(vectors, harmonics_of(points))
    return {"seconds": seconds, "distance": distance}


def tables(folder: Path) -> dict[str, str]:
    rows = [
        {
            "method": method,
            "n": f"{num_points:,}",
            "own memory, MiB": over_runs(group, "own_memory", 0),
            "fit, seconds": over_runs(group, "seconds", 1),
            "iterations": over_runs(group, "iterations", 0),
            "d_G": over_runs(group, "distance", 4) or group[0]["gave_up"],
        }
        for (method, num_points), group in by_method_and_size(
            read_results(folder, "scaling")["runs"]
        ).items()
    ]
    return {"scaling": markdown_table(rows, list(rows[0]))}


def by_method_and_size(runs: list[Run]) -> dict[tuple[Any, ...], list[Any]]:
    """Ordered by the number of points, then as in SEEDS."""
    order = list(SEEDS)
    runs = sorted(runs, key=lambda run: (run["n"], order.index(run["method"])))
    return grouped(runs, "method", "n")


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
