"""Table 1: every compared method on four image sets.

    python -m benchmarks run table1 --data-root DIR
    python benchmarks/run_all.py --data-root DIR

Both are the same. For each set, the siamese features (Eq. 21) are trained once on the
training split and cached; each method then sees nothing but these features, with the
same network, the same number of iterations (the published settings have their own), and
the learning rate that the experiment learning_rates found for it.

Writes table1_<name>.json after every run, and a picture of one embedding. One that was
broken off goes on where it stopped, one with more seeds or methods adds to what is
there, and what was made with other parameters is done again.
"""

import argparse
from pathlib import Path
from typing import Any

from benchmarks.data.image_features import DATASETS, load_features
from benchmarks.experiments.learning_rates import PATH as RATES
from benchmarks.experiments.learning_rates import best_rates
from benchmarks.experiments.table1_tables import tables  # noqa: F401
from benchmarks.lib.evaluation import exact_embedding, run_estimator, run_exact
from benchmarks.lib.methods import EXACT, METHODS, for_so_many, parameters_of
from benchmarks.lib.pictures import draw
from benchmarks.lib.run_file import RunFile
from benchmarks.lib.tasks import run_tasks

# Of a smoke run.
QUICK = {"max_iter": 20, "batch_size": 512}


def add_options(parser: argparse.ArgumentParser) -> None:
    methods = [*METHODS, EXACT]
    add = parser.add_argument
    add("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    add("--methods", nargs="+", choices=methods, default=methods)
    add("--rates", type=Path, default=RATES, help="that were found for each method")


def main(options: argparse.Namespace) -> None:
    where = options.data_root, options.cache_dir, options.quick
    files, methods, features = {}, {}, {}
    for name in options.datasets:
        data = load_features(name, *where)  # trained here once, not in every process
        methods[name] = for_so_many(options.methods, len(data.x_train))
        features[name] = data.record()
        settings = {"dataset": name, "quick": options.quick}
        path = options.output / f"table1_{name}.json"
        files[name] = RunFile(path, ("method", "seed"), settings)
    tasks: list[tuple[Any, ...]] = []
    parameters = {}
    # One seed of everything first: what is there early is a whole table.
    for seed in range(options.seeds):
        for name, made_of in features.items():
            checksum = made_of["features"]
            rates = best_rates(
                options.rates, name, methods[name], checksum, options.quick
            )
            for method in methods[name]:
                key = name, method, seed
                estimator = estimator_of(method, seed, rates.get(method), options.quick)
                parameters[key] = parameters_of(estimator, made_of)
                if not files[name].has(key[1:], parameters[key]):
                    tasks.append((*key, rates.get(method), options.output, *where))
    for task, scores in run_tasks(run_one, tasks, options.processes, "Table 1"):
        name, *key = task[:3]
        files[name].add(tuple(key), parameters[task[:3]], scores)


def estimator_of(
    method: str, seed: int, rate: float | None, quick: bool, **changes: Any
) -> Any:
    """None for the exact eigenvectors."""
    if method == EXACT:
        return None
    changes |= QUICK if quick else {}
    return METHODS[method].make(seed, rate, **changes)


def run_one(
    name: str,
    method: str,
    seed: int,
    rate: float | None,
    output: Path,
    data_root: Path | None,
    cache_dir: Path,
    quick: bool,
) -> dict[str, float]:
    """The measures of one method on one set with one seed."""
    data = load_features(name, data_root, cache_dir, quick)
    exact, eigenvalues = exact_embedding(data.x_test)
    estimator = estimator_of(method, seed, rate, quick)
    if estimator is None:
        return run_exact(data, exact, seed)
    scores, embedding = run_estimator(estimator, data, exact, seed)
    if method == "basis" and seed == 0:
        picture = output / f"table1_{name}.png"
        draw(picture, data.y_test, estimator, embedding, exact, eigenvalues)
    return scores
