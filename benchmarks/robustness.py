"""Fig. 4: all measures against the number of neighbours, on MNIST.

    python benchmarks/robustness.py --data-root DIR

Every learned method of run_all.py, with the learning rates found there, on graphs of 5
to 100 neighbours; each is measured against the exact eigenvectors of the test points'
graph with as many. Writes <output>/robustness.json after every run; one that was
broken off goes on where it stopped. `python benchmarks/report.py` draws the figure.
"""

import argparse
from pathlib import Path
from typing import Any

from evaluation import run_estimator
from image_features import exact_rows, load_features
from learning_rates import FILE as RATES_FILE
from learning_rates import best_rates
from methods import METHODS
from results import read_results, write_results
from run_all import QUICK
from tasks import add_options, run_tasks

DATASET = "mnist"
NEIGHBORS = (5, 10, 20, 35, 50, 100)
LEARNED = [name for name, method in METHODS.items() if method.is_searched]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    path = options.output / "robustness.json"
    rates = best_rates(options.rates or options.output / RATES_FILE, DATASET)
    settings = {"dataset": DATASET, "learning_rates": rates, "quick": options.quick}
    runs = read_results(path)["results"]["runs"] if path.exists() else []
    done = {(run["method"], run["n_neighbors"], run["seed"]) for run in runs}
    load_features(DATASET, options.data_root, options.cache_dir, options.quick)
    where = options.data_root, options.cache_dir, options.quick
    tasks = [
        (method, num_neighbors, seed, rates[method], *where)
        for seed in range(options.seeds)
        for method in options.methods
        for num_neighbors in options.neighbors
        if (method, num_neighbors, seed) not in done
    ]
    for task, scores in run_tasks(run_one, tasks, options.processes, "Fig. 4"):
        keys = dict(zip(("method", "n_neighbors", "seed"), task[:3], strict=True))
        runs.append({**keys, **scores})
        seeds = sorted({run["seed"] for run in runs})
        write_results(path, settings, {"runs": runs}, seeds)
    print(f"written to {path}")


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
    changes = {"n_neighbors": num_neighbors, **(QUICK if quick else {})}
    estimator = METHODS[method].make(seed, learning_rate, **changes)
    return run_estimator(estimator, data, exact, seed)[0]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    add = parser.add_argument
    add("--methods", nargs="+", choices=LEARNED, default=LEARNED)
    add("--neighbors", nargs="+", type=int, default=list(NEIGHBORS))
    add("--seeds", type=int, default=5, help="runs of each point (default: 5)")
    add("--rates", type=Path, help=f"(default: {RATES_FILE} of the output)")
    add("--quick", action="store_true", help="a smoke run: few images, few steps")
    options = parser.parse_args(arguments)
    if options.output is None:
        options.output = Path("runs" if options.quick else "benchmarks/results")
    return options


if __name__ == "__main__":
    main()
