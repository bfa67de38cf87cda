"""Table 1: every compared method on four image sets.

    python benchmarks/run_all.py --data-root DIR

For each set: the siamese features (Eq. 21) are trained once on the training split and
cached; each method then sees nothing but these features, with the same network, the
same number of iterations, and the learning rate that learning_rates.py found for it.
Writes <output>/table1_<name>.json after every run, and a picture of one embedding. A
run that was broken off goes on where it stopped, and one with more seeds or methods
adds to what is there. `python benchmarks/report.py` makes tables of it. A smoke run
(--quick) writes to runs/ by default.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib
from evaluation import run_estimator, run_exact
from image_features import DATASETS, exact_rows, load_features
from learning_rates import FILE as RATES_FILE
from learning_rates import best_rates
from methods import EXACT, METHODS, NUM_COMPONENTS, SETTINGS
from pictures import draw
from results import read_results, write_results
from tasks import add_options, run_tasks

matplotlib.use("Agg")

# Of a smoke run.
QUICK = {"max_iter": 20, "batch_size": 512}


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    rates_file = options.rates or options.output / RATES_FILE
    records = {name: Record(name, rates_file, options) for name in options.datasets}
    for name in options.datasets:
        # Trained here once, not in every process.
        load_features(name, options.data_root, options.cache_dir, options.quick)
    where = options.data_root, options.cache_dir, options.output, options.quick
    # One seed of everything first: what is there early is a whole table.
    tasks = [
        (name, method, seed, records[name].rates.get(method, 0.0), *where)
        for seed in range(options.seeds)
        for name in options.datasets
        for method in options.methods
        if not records[name].has(method, seed)
    ]
    for task, scores in run_tasks(run_one, tasks, options.processes, "Table 1"):
        records[task[0]].add(task[1], task[2], scores)
    print(f"written to {options.output}")


class Record:
    """The runs on one set, and their file."""

    def __init__(self, name: str, rates: Path, options: argparse.Namespace) -> None:
        self.path = options.output / f"table1_{name}.json"
        self.rates = best_rates(rates, name)
        self.settings = {
            "dataset": name,
            "n_components": NUM_COMPONENTS,
            **SETTINGS,
            **(QUICK if options.quick else {}),
            "learning_rates": self.rates,
            "quick": options.quick,
        }
        self.runs: list[dict[str, Any]] = []
        if self.path.exists():
            found = read_results(self.path)
            if found["settings"] != self.settings:
                raise SystemExit(
                    f"{self.path} holds runs with other settings: move it away, or "
                    f"name another --output\nthere: {found['settings']}\n"
                    f"now:   {self.settings}"
                )
            self.runs = found["results"]["runs"]

    def has(self, method: str, seed: int) -> bool:
        return (method, seed) in {(run["method"], run["seed"]) for run in self.runs}

    def add(self, method: str, seed: int, scores: dict[str, float]) -> None:
        self.runs.append({"method": method, "seed": seed, **scores})
        order = [*METHODS, EXACT]
        self.runs.sort(key=lambda run: (order.index(run["method"]), run["seed"]))
        seeds = sorted({run["seed"] for run in self.runs})
        write_results(self.path, self.settings, {"runs": self.runs}, seeds)


def run_one(
    name: str,
    method: str,
    seed: int,
    learning_rate: float,
    data_root: Path | None,
    cache_dir: Path,
    output: Path,
    quick: bool,
) -> dict[str, float]:
    """The measures of one method on one set with one seed."""
    data = load_features(name, data_root, cache_dir, quick)
    exact, eigenvalues = exact_rows(data.x_test)
    if method == EXACT:
        return run_exact(data, exact, seed)
    changes = QUICK if quick else {}
    estimator = METHODS[method].make(seed, learning_rate, **changes)
    scores, embedding = run_estimator(estimator, data, exact, seed)
    if method == "basis" and seed == 0:
        picture = output / f"table1_{name}.png"
        draw(picture, data.y_test, estimator, embedding, exact, eigenvalues)
    return scores


def parse(arguments: list[str] | None) -> argparse.Namespace:
    methods = [*METHODS, EXACT]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    add = parser.add_argument
    add("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    add("--methods", nargs="+", choices=methods, default=methods)
    add("--seeds", type=int, default=10, help="runs of each method (default: 10)")
    add("--rates", type=Path, help=f"(default: {RATES_FILE} of the output)")
    add("--quick", action="store_true", help="a smoke run: few images, few steps")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.processes < 1:
        parser.error("--seeds and --processes must be at least 1")
    if options.output is None:
        options.output = Path("runs" if options.quick else "benchmarks/results")
    options.output.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
