"""Table 1: every compared method on four image sets.

    python benchmarks/run_all.py --data-root DIR

For each set: the siamese features (Eq. 21) are trained once on the training split and
cached; each method then sees nothing but these features, with the same network, the
same number of iterations (the published settings have their own), and the learning rate
that learning_rates.py found for it.
Writes <output>/table1_<name>.json after every run, and a picture of one embedding. One
that was broken off goes on where it stopped, one with more seeds or methods adds to
what is there, and what was made with other parameters is done again. `python
benchmarks/report.py` makes tables of it. A smoke run (--quick) writes to runs/quick/.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib
from evaluation import run_estimator, run_exact
from image_features import DATASETS, exact_rows, load_features
from learning_rates import PATH as RATES
from learning_rates import best_rates
from methods import (
    EXACT,
    METHODS,
    NUM_COMPONENTS,
    SETTINGS,
    for_so_many,
    parameters_of,
)
from pictures import draw
from run_file import RunFile
from tasks import add_run_options, parse_run_options, run_tasks

matplotlib.use("Agg")

# Of a smoke run.
QUICK = {"max_iter": 20, "batch_size": 512}


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    files, methods, features = {}, {}, {}
    tasks: list[tuple[Any, ...]] = []
    for name in options.datasets:
        # Trained here once, not in every process.
        data = load_features(name, options.data_root, options.cache_dir, options.quick)
        methods[name] = for_so_many(options.methods, len(data.x_train))
        features[name] = data.record()
        settings = {"dataset": name, "quick": options.quick}
        path = options.output / f"table1_{name}.json"
        files[name] = RunFile(path, ("method", "seed"), settings)
    # One seed of everything first: what is there early is a whole table.
    for seed in range(options.seeds):
        for name in options.datasets:
            rates = best_rates(
                options.rates,
                name,
                methods[name],
                features[name]["features"],
                options.quick,
            )
            for method in methods[name]:
                rate = rates.get(method, 0.0)
                parameters = parameters_of_run(
                    method, seed, rate, features[name], options.quick
                )
                if not files[name].has((method, seed), parameters):
                    tasks.append((name, method, seed, rate))
    where = options.data_root, options.cache_dir, options.output, options.quick
    tasks = [(*task, *where) for task in tasks]
    for task, scores in run_tasks(run_one, tasks, options.processes, "Table 1"):
        name, *key, rate = task[:4]
        parameters = parameters_of_run(*key, rate, features[name], options.quick)
        files[name].add(tuple(key), parameters, scores)
    print(f"written to {options.output}")


def parameters_of_run(
    method: str, seed: int, rate: float, features: dict[str, str], quick: bool
) -> dict[str, Any]:
    if method == EXACT:
        graph = {"n_neighbors": SETTINGS["n_neighbors"]}
        return {"n_components": NUM_COMPONENTS, **graph, **features}
    changes = QUICK if quick else {}
    return parameters_of(METHODS[method].make(seed, rate, **changes), features)


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
    add_run_options(parser, seeds=10)
    add = parser.add_argument
    add("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    add("--methods", nargs="+", choices=methods, default=methods)
    add("--rates", type=Path, default=RATES, help="of learning_rates.py")
    return parse_run_options(parser, arguments)


if __name__ == "__main__":
    main()
