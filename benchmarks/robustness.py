"""Fig. 4: all measures against the number of neighbours, on MNIST.

    python benchmarks/robustness.py --data-root DIR

Every learned method of run_all.py, with the learning rates found for 50 neighbours, and
the Nyström extension of 10,000 points, on graphs of 5 to 100; each is measured against
the exact eigenvectors of the test points' graph with as many. Writes
<output>/robustness.json after every run; one that was broken off goes on where it
stopped. `python benchmarks/report.py` draws the figure.
"""

import argparse
from pathlib import Path
from typing import Any

from evaluation import run_estimator
from image_features import exact_rows, load_features
from learning_rates import PATH as RATES
from learning_rates import best_rates
from methods import DEFAULT_RATE, METHODS, NEIGHBOR_BATCH, for_so_many, parameters_of
from run_all import QUICK
from run_file import RunFile
from tasks import add_run_options, parse_run_options, run_tasks

DATASET = "mnist"
NEIGHBORS = (5, 10, 20, 35, 50, 100)
LEARNED = [name for name, method in METHODS.items() if method.is_searched]
SHOWN = [*LEARNED, "nystroem_sample"]
# Of the training split of MNIST.
NUM_POINTS = 60_000


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    settings = {"dataset": DATASET, "quick": options.quick}
    path = options.output / "robustness.json"
    file = RunFile(path, ("method", "n_neighbors", "seed"), settings)
    where = options.data_root, options.cache_dir, options.quick
    data = load_features(DATASET, *where)
    rates = dict.fromkeys(options.methods, DEFAULT_RATE) | best_rates(
        options.rates, DATASET, options.methods, data.checksum, options.quick
    )
    features = data.record()
    tasks = [
        (*key, rates[method], *where)
        for seed in range(options.seeds)
        for method in options.methods
        for num_neighbors in options.neighbors
        if not file.has(
            key := (method, num_neighbors, seed),
            parameters_of(estimator_of(*key, rates[method], options.quick), features),
        )
    ]
    for task, scores in run_tasks(run_one, tasks, options.processes, "Fig. 4"):
        estimator = estimator_of(*task[:4], options.quick)
        file.add(task[:3], parameters_of(estimator, features), scores)
    print(f"written to {path}")


def estimator_of(
    method: str, num_neighbors: int, seed: int, learning_rate: float, quick: bool
) -> Any:
    changes: dict[str, Any] = {"n_neighbors": num_neighbors, **(QUICK if quick else {})}
    if method == "specnet2_neighbor":
        # With the neighbours as many points as at the default number of them.
        changes["batch_size"] = round(NEIGHBOR_BATCH * 50 / num_neighbors)
    return METHODS[method].make(seed, learning_rate, **changes)


def run_one(
    method: str,
    num_neighbors: int,
    seed: int,
    learning_rate: float,
    data_root: Path | None,
    cache_dir: Path,
    quick: bool,
) -> dict[str, Any]:
    """The measures of one method with one seed, on graphs of so many neighbours."""
    data = load_features(DATASET, data_root, cache_dir, quick)
    exact, _ = exact_rows(data.x_test, num_neighbors)
    estimator = estimator_of(method, num_neighbors, seed, learning_rate, quick)
    return run_estimator(estimator, data, exact, seed)[0]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_options(parser, seeds=5)
    add = parser.add_argument
    methods = for_so_many(SHOWN, NUM_POINTS)
    add("--methods", nargs="+", choices=methods, default=methods)
    add("--neighbors", nargs="+", type=int, default=list(NEIGHBORS))
    add("--rates", type=Path, default=RATES, help="of learning_rates.py")
    return parse_run_options(parser, arguments)


if __name__ == "__main__":
    main()
