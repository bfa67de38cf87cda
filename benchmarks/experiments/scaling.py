"""What grows with the number of points and of columns, and what does not.

Points of the sphere and of the torus of four circles, turned into 16 dimensions, in
memory-mapped files of 10^4 to 10^7 rows. Each run has a process of its own, in one
thread: CPU seconds of the fit, d_G to the eigenfunctions, and the peak of the process's
own memory (the pages of the mapped file do not count). Columns are as many as come
before a gap. BASiS with its defaults and the Nyström extension of 10,000 points are
measured at 10,000 points that were held out. In addition, for nine columns on the
sphere, up to where they do not finish within the limit or fit: the exact eigenvectors
of the graph of all points (our kNN and Lanczos), and scikit-learn's SpectralEmbedding,
both measured at the points themselves, as they have no others. Writes scaling.json
after each run; one that was broken off goes on where it stopped.
"""

import argparse
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.baselines import NystroemEmbedding
from benchmarks.data.manifolds import DIMENSION, MANIFOLDS, Manifold, write_points
from benchmarks.lib.alone import run_alone
from benchmarks.lib.exact import WALK, exact_space
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.record import read_results
from benchmarks.lib.run_file import RunFile, was_made_with
from benchmarks.lib.tables import grouped, markdown_table, over_runs, row_of
from benchmarks.lib.timed import timed
from pyg_basis import BASiS
from pyg_basis.metrics import grassmann_distance

NUM_NEIGHBORS = 50
SAMPLE = 10_000  # of Nyström: as many as BASiS takes its reference from
# How many columns the eigenfunctions up to a level are: those before a gap.
COLUMNS = {
    "sphere": {9: 2, 36: 5, 100: 9},
    "torus": {9: 1, 33: 2, 89: 4},
}
TITLES = {
    "basis": "BASiS",
    "nystroem": "Nyström",
    "exact": "exact",
    "scikit-learn": "scikit-learn",
}
METHODS = tuple(TITLES)
EXACT = METHODS[2:]  # with one seed
FIRST = ("sphere", 9)  # the set that all methods are measured on

Run = dict[str, Any]


class Task(NamedTuple):
    """One fit, by the keys of its run."""

    seed: int
    manifold: str
    columns: int
    n: int
    method: str

    @property
    def geometry(self) -> tuple[Manifold, int]:
        return MANIFOLDS[self.manifold], COLUMNS[self.manifold][self.columns]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--points", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])
    add("--limit", type=float, default=240, help="seconds of a run (default: 240)")
    add("--scratch", type=Path, help="folder of the mapped files, 1.4 GB")


def main(options: argparse.Namespace) -> None:
    parameters = {
        "dimension": DIMENSION,
        "n_neighbors": NUM_NEIGHBORS,
        "sample": SAMPLE,
        "limit_seconds": options.limit,
    }
    file = RunFile.of(options, Task._fields, **parameters)
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        for task in tasks_of(options):
            given_up = has_given_up(task, parameters, file.runs())
            if given_up or file.has(task, parameters):
                continue
            path = Path(folder) / f"{task.manifold}_{task.n}.npy"
            if not path.exists():
                write_points(path, task.n, task.geometry[0].points)
            run = run_alone(measured, *task, path, limit=options.limit)
            print(*task, run, flush=True)
            file.add(task, parameters, {"gave_up": None, **run})
    draw(file.runs()).savefig(options.output / "scaling.png", dpi=110)


def tasks_of(options: argparse.Namespace) -> list[Task]:
    cases = [(name, columns) for name, levels in COLUMNS.items() for columns in levels]
    if options.quick:
        cases = cases[:1]
    every = product(range(options.seeds), cases, options.points, METHODS)
    return [
        Task(seed, *case, n, method)
        for seed, case, n, method in every
        if method not in EXACT or (case == FIRST and seed == 0)
    ]


def has_given_up(task: Task, parameters: Run, runs: list[Run]) -> bool:
    """Whether the method has not finished already for as many points or fewer."""
    return any(
        run["gave_up"]
        and task._replace(n=run["n"]) == Task(*(run[key] for key in Task._fields))
        and run["n"] <= task.n
        and was_made_with(run, parameters)
        for run in runs
    )


def measured(
    seed: int, manifold: str, columns: int, n: int, method: str, path: str
) -> Run:
    """One run of one method, in this process."""
    task = Task(seed, manifold, columns, n, method)
    points = np.load(path, mmap_mode="r")
    points.sum()  # into the file cache, for all alike
    work: dict[str, Callable[[Task, np.ndarray], Run]] = {
        "basis": basis,
        "nystroem": nystroem,
        "exact": exact,
        "scikit-learn": scikit_learn,
    }
    with OwnMemory() as memory:
        run = work[method](task, points)
    return {**run, "own_memory": memory.peak, "own_memory_before": memory.before}


def basis(task: Task, points: np.ndarray) -> Run:
    model = BASiS(
        task.columns, n_neighbors=NUM_NEIGHBORS, random_state=task.seed, **WALK
    )
    _, seconds = timed(model.fit, points)
    return {
        "iterations": model.n_iter_,
        "seconds": seconds,
        **at_new_points(task, model),
    }


def nystroem(task: Task, points: np.ndarray) -> Run:
    generator = np.random.default_rng(task.seed)
    size = min(SAMPLE, len(points))
    model = NystroemEmbedding(task.columns, n_neighbors=NUM_NEIGHBORS, laplacian="rw")
    # Drawn here: a sample of a mapped file needs no copy of the whole.
    rows = generator.choice(len(points), size, replace=False, shuffle=False)
    _, seconds = timed(model.fit, points[np.sort(rows)])
    return {"seconds": seconds, **at_new_points(task, model)}


def at_new_points(task: Task, model: Any) -> Run:
    manifold, level = task.geometry
    points = manifold.points(10_000, seed=10**6)
    expected = manifold.eigenfunctions(points, level)
    return {"distance": grassmann_distance(model.transform(points), expected)}


def exact(task: Task, points: np.ndarray) -> Run:
    embedding = exact_space(task.columns, NUM_NEIGHBORS, "rw")
    found, seconds = timed(embedding, torch.from_numpy(np.array(points)))
    return at_the_points(task, found.vectors, points, seconds)


def scikit_learn(task: Task, points: np.ndarray) -> Run:
    from sklearn.manifold import SpectralEmbedding

    model = SpectralEmbedding(
        task.columns - 1,
        affinity="nearest_neighbors",
        n_neighbors=NUM_NEIGHBORS,
        random_state=0,
    )
    vectors, seconds = timed(model.fit_transform, np.array(points))
    # It leaves out the constant one.
    vectors = torch.from_numpy(np.insert(vectors, 0, 1, axis=1))
    return at_the_points(task, vectors, points, seconds)


def at_the_points(
    task: Task, vectors: torch.Tensor, points: np.ndarray, seconds: float
) -> Run:
    manifold, level = task.geometry
    expected = manifold.eigenfunctions(torch.from_numpy(np.array(points)), level)
    return {"seconds": seconds, "distance": grassmann_distance(vectors, expected)}


def tables(folder: Path) -> dict[str, str]:
    runs = read_results(folder, "scaling")["runs"]
    rows = [
        {
            "method": TITLES[method],
            "n": f"{num_points:,}",
            "own memory, MiB": over_runs(group, "own_memory", 0),
            "fit, CPU s": over_runs(group, "seconds", 1),
            "iterations": over_runs(group, "iterations", 0),
            "d_G": over_runs(group, "distance", 4) or group[0]["gave_up"],
        }
        for (method, num_points), group in by_method_and_size(runs).items()
    ]
    tables = {"scaling": markdown_table(rows, list(rows[0]))}
    rows = []
    for (manifold, columns, n), group in grouped(
        runs, "manifold", "columns", "n"
    ).items():
        row: Run = {"set": f"{manifold}, K = {columns}", "n": f"{n:,}"}
        for (method,), of_method in grouped(group, "method").items():
            if method not in EXACT:
                title = TITLES[method]
                figures = {
                    "distance": (f"{title}, d_G", 4, 1.0),
                    "seconds": (f"{title}: fit, CPU s", 1, 1.0),
                    "own_memory": (f"{title}: own memory, MiB", 0, 1.0),
                }
                row |= row_of(of_method, figures)
        rows.append(row)
    # A method may be missing in some.
    titles = list(dict.fromkeys(title for row in rows for title in row))
    tables["scaling_columns"] = markdown_table(rows, titles)
    return tables


def by_method_and_size(runs: list[Run]) -> dict[tuple[Any, ...], list[Any]]:
    """Those of the set that all methods are measured on, by the number of points, then
    as in METHODS."""
    runs = [run for run in runs if (run["manifold"], run["columns"]) == FIRST]
    runs.sort(key=lambda run: (run["n"], METHODS.index(run["method"])))
    return grouped(runs, "method", "n")


def draw(runs: list[Run]) -> Figure:
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    titles = {
        "seconds": "CPU seconds of a fit",
        "own_memory": "peak of own memory, MiB",
        "distance": "d_G to the spherical harmonics",
    }
    for panel, (key, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        for method in METHODS:
            places, means = [], []
            for (name, num_points), group in by_method_and_size(runs).items():
                if name == method and all(key in run for run in group):
                    places.append(num_points)
                    means.append(fmean(run[key] for run in group))
            panel.plot(places, means, "o-", label=TITLES[method])
        panel.set(xscale="log", yscale="log", xlabel="points", title=title)
        panel.set_ylim(bottom=panel.get_ylim()[0] / 3, top=panel.get_ylim()[1] * 3)
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    return figure
