"""The learning rate of every rival that is trained, on every image set.

    python -m benchmarks run learning_rates --data-root DIR

Each method is fitted with three rates on at most 20,000 points of the training split,
and with the next ones for as long as the best is at an end of those tried. The rate is
taken whose embedding of a held-out tenth of the training split is closest (d_G, Eq. 16)
to the exact eigenvectors of that tenth. No test point is looked at, and no label but by
the features, which learned from those of the whole split. Writes learning_rates.json,
which comparison and robustness read; a run that was broken off goes on where it
stopped. A smoke run has few images, and features of a single epoch.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.data.image_features import DATASETS, load_features, validation_split
from benchmarks.lib.evaluation import exact_embedding
from benchmarks.lib.methods import (
    DEFAULT_RATE,
    LEARNED,
    METHODS,
    for_so_many,
    parameters_of,
)
from benchmarks.lib.record import read_record
from benchmarks.lib.run_file import RunFile, was_made_with
from benchmarks.lib.tasks import run_tasks
from pyg_basis.metrics import grassmann_distance

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
FIRST = (3e-4, 1e-3, 3e-3)
MOST_POINTS = 20_000
PATH = Path(__file__).parents[1] / "results/learning_rates/learning_rates.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    add("--methods", nargs="+", choices=LEARNED, default=LEARNED)


def main(options: argparse.Namespace) -> None:
    where = options.data_root, options.cache_dir, options.quick
    settings = {"grid": RATES, "first": FIRST, "most_points": MOST_POINTS}
    file = RunFile.of(options, ("dataset", "method", "rate"), **settings)
    for name in options.datasets:
        data = load_features(name, *where)
        while tasks := [
            (name, method, rate, *where)
            for method in for_so_many(options.methods, len(data.x_train))
            for rate in rates_to_try(
                tried_rates(file.runs(), name, method, data.checksum)
            )
        ]:
            for task, distance in run_tasks(
                distance_of, tasks, options.processes, name
            ):
                parameters = parameters_at(*task[1:3], data.checksum)
                file.add(task[:3], parameters, {"grassmann_distance": distance})


def parameters_at(method: str, rate: float, features: str | None) -> dict[str, Any]:
    estimator = METHODS[method].make(seed=0, learning_rate=rate)
    return parameters_of(estimator, {} if features is None else {"features": features})


def distance_of(
    name: str,
    method: str,
    rate: float,
    data_root: Path | None,
    cache_dir: Path,
    quick: bool,
) -> float | None:
    """d_G on the held-out part of the training split; None where the training
    diverged."""
    data = validation_split(load_features(name, data_root, cache_dir, quick))
    exact, _ = exact_embedding(data.x_test)
    estimator = METHODS[method].make(seed=0, learning_rate=rate)
    try:
        estimator.fit(data.x_train[:MOST_POINTS])
    except (FloatingPointError, torch.linalg.LinAlgError):
        return None
    return grassmann_distance(estimator.transform(data.x_test), exact)


def rates_to_try(tried: Mapping[float, float]) -> list[float]:
    """The first rates that were not tried; or the neighbors of the best."""
    missing = [rate for rate in FIRST if rate not in tried]
    if missing:
        return missing
    best = RATES.index(min(tried, key=lambda rate: tried[rate]))
    near = RATES[max(best - 1, 0) : best + 2]
    return [rate for rate in near if rate not in tried]


def tried_rates(
    runs: list[dict[str, Any]], name: str, method: str, features: str | None
) -> dict[float, float]:
    """d_G by rate, of the method and the features as they are made now."""
    tried = {}
    for run in runs:
        if (run["dataset"], run["method"]) == (name, method) and was_made_with(
            run, parameters_at(method, run["rate"], features)
        ):
            distance = run["grassmann_distance"]
            tried[run["rate"]] = math.inf if distance is None else distance
    return tried


def best_rates(
    path: Path, name: str, methods: Sequence[str], features: str | None, quick: bool
) -> dict[str, float]:
    """The rate of every method, on these features or, without them, on any of the set.
    A smoke run does without a search.

    Raises:
        SystemExit: If the search of one has not been finished.
    """
    searched = [method for method in methods if method in LEARNED]
    if quick:
        return dict.fromkeys(searched, DEFAULT_RATE)
    runs = read_record(path)["results"]["runs"] if path.exists() else []
    rates = {}
    for method in searched:
        tried = tried_rates(runs, name, method, features)
        if rates_to_try(tried):
            raise SystemExit(
                f"{path} has no finished search for {method} on {name}: first run "
                f"python -m benchmarks run learning_rates --datasets {name}"
            )
        rates[method] = min(tried, key=lambda rate: tried[rate])
    return rates
