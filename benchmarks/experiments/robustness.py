"""Fig. 4: all measures against the number of neighbors, on MNIST.

    python -m benchmarks run robustness --data-root DIR

BASiS, every rival that is trained, with the learning rates found for 50 neighbors, and
the Nyström extension of 10,000 points, on graphs of 5 to 100; each is measured against
the exact eigenvectors of the test points' graph with as many. Writes
robustness.json after every run; one that was broken off goes on where it stopped.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.data.image_features import load_features
from benchmarks.experiments.learning_rates import PATH as RATES
from benchmarks.experiments.learning_rates import best_rates
from benchmarks.lib.evaluation import (
    LOW_IS_GOOD,
    MEASURES,
    exact_embedding,
    run_estimator,
)
from benchmarks.lib.methods import (
    LEARNED,
    METHODS,
    NEIGHBOR_BATCH,
    TITLES,
    for_so_many,
    parameters_of,
)
from benchmarks.lib.record import read_results
from benchmarks.lib.run_file import RunFile
from benchmarks.lib.tables import grouped, markdown_table, mean_std, over_runs
from benchmarks.lib.tasks import run_tasks

DATASET = "mnist"
NEIGHBORS = (5, 10, 20, 35, 50, 100)
SHOWN = ["basis", *LEARNED, "nystroem"]
# Of the training split of MNIST.
NUM_POINTS = 60_000
# Of a smoke run.
QUICK = {"max_iter": 20, "batch_size": 512}
Run = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    methods = for_so_many(SHOWN, NUM_POINTS)
    add("--methods", nargs="+", choices=methods, default=methods)
    add("--neighbors", nargs="+", type=int, default=list(NEIGHBORS))
    add("--rates", type=Path, default=RATES, help="that were found for each method")


def main(options: argparse.Namespace) -> None:
    file = RunFile.of(options, ("method", "n_neighbors", "seed"), dataset=DATASET)
    where = options.data_root, options.cache_dir, options.quick
    data = load_features(DATASET, *where)
    rates = best_rates(
        options.rates, DATASET, options.methods, data.checksum, options.quick
    )
    features = data.record()
    parameters, tasks = {}, []
    for seed, method, num_neighbors in product(
        range(options.seeds), options.methods, options.neighbors
    ):
        key, rate = (method, num_neighbors, seed), rates.get(method)
        estimator = estimator_of(*key, rate, options.quick)
        parameters[key] = parameters_of(estimator, features)
        if not file.has(key, parameters[key]):
            tasks.append((*key, rate, *where))
    for task, scores in run_tasks(run_one, tasks, options.processes, "Fig. 4"):
        file.add(task[:3], parameters[task[:3]], scores)
    draw(file.runs()).savefig(options.output / "robustness.png", dpi=100)


def estimator_of(
    method: str, num_neighbors: int, seed: int, rate: float | None, quick: bool
) -> Any:
    changes: dict[str, Any] = {"n_neighbors": num_neighbors}
    if method == "specnet2_neighbor":
        # With the neighbors as many points as at the default number of them.
        changes["batch_size"] = round(NEIGHBOR_BATCH * 50 / num_neighbors)
    changes |= QUICK if quick else {}
    return METHODS[method].make(seed, rate, **changes)


def run_one(
    method: str,
    num_neighbors: int,
    seed: int,
    rate: float | None,
    data_root: Path | None,
    cache_dir: Path,
    quick: bool,
) -> dict[str, Any]:
    """The measures of one method with one seed, on graphs of so many neighbors."""
    data = load_features(DATASET, data_root, cache_dir, quick)
    exact, _ = exact_embedding(data.x_test, num_neighbors)
    estimator = estimator_of(method, num_neighbors, seed, rate, quick)
    return run_estimator(estimator, data, exact, seed)[0]


def draw(runs: list[Run]) -> Figure:
    figure = Figure(figsize=(19, 3.8), layout="constrained")
    panels = figure.subplots(1, 5)
    for panel, (key, title) in zip(panels, MEASURES.items(), strict=True):
        for (method,), of_method in grouped(shown(runs), "method").items():
            counts = sorted({run["n_neighbors"] for run in of_method})
            points = [
                mean_std(r[key] for r in of_method if r["n_neighbors"] == count)
                for count in counts
            ]
            means, deviations = zip(*points, strict=True)
            panel.errorbar(
                counts, means, deviations, label=TITLES[method], marker="o", ms=3
            )
        panel.set(title=title, xlabel="neighbors", xscale="log")
        ticks = sorted({run["n_neighbors"] for run in runs})
        panel.set_xticks(ticks, labels=ticks)
        panel.minorticks_off()
        if key in LOW_IS_GOOD:
            panel.set_yscale("log")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    return figure


def shown(runs: list[Run]) -> list[Run]:
    return sorted(
        (run for run in runs if run["method"] in SHOWN),
        key=lambda run: (SHOWN.index(run["method"]), run["n_neighbors"]),
    )


def tables(folder: Path) -> dict[str, str]:
    runs = shown(read_results(folder, "robustness")["runs"])
    rows = [
        {
            "method": TITLES[method],
            "n_neighbors": str(count),
            "seeds": str(len(group)),
            **{key: over_runs(group, key) for key in MEASURES},
        }
        for (method, count), group in grouped(runs, "method", "n_neighbors").items()
    ]
    columns = {"method": "method", "n_neighbors": "neighbors", "seeds": "seeds"}
    return {"robustness": markdown_table(rows, {**columns, **MEASURES})}
