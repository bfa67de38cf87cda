"""How the choice of anchors bears outliers.

Ten clusters in 16 dimensions, with heavy tails, and 2 % uniform outliers in the
training part only. Measured on 2,000 clean points never seen: d_G against the
exact eigenvectors of their own graph, and clustering. The experiment
manifolds measures the other side of the choice, how even the anchors are.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.lib.evaluation import (
    MEASURES,
    FeatureSplit,
    exact_embedding,
    run_estimator,
)
from benchmarks.lib.exact import NORMALIZED
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS

METHODS = ("poisson_disk", "random")
NUM_TRAIN, NUM_OUTLIERS, NUM_TEST = 20_000, 400, 2_000
PARAMETERS: dict[str, Any] = {
    **NORMALIZED,
    "n_components": 10,
    "reference_size": None,  # as published
    "n_neighbors": 50,
    "batch_size": 512,
    "max_iter": 1000,
}


def main(options: argparse.Namespace) -> None:
    settings = {**PARAMETERS, **({"max_iter": 5} if options.quick else {})}
    runs = []
    for seed in range(options.seeds):
        data = clusters_with_outliers(seed, 2_000 if options.quick else NUM_TRAIN)
        exact, _ = exact_embedding(data.x_test, settings["n_neighbors"])
        for method in METHODS:
            basis = BASiS(anchor_method=method, random_state=seed, **settings)
            scores, _ = run_estimator(basis, data, exact, seed)
            runs.append({"anchors": method, "seed": seed, **scores})
            print(f"{method}, seed {seed}: d_G {scores['grassmann_distance']:.3f}")
    save(options, settings, {"runs": runs})


def clusters_with_outliers(seed: int, num_train: int = NUM_TRAIN) -> FeatureSplit:
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(10, 16))
    labels = rng.integers(0, 10, num_train + NUM_TEST)
    noise = rng.standard_t(2.5, size=(len(labels), 16))
    x = centers[labels] + 0.35 * noise
    x[:NUM_OUTLIERS] = rng.uniform(-12, 12, (NUM_OUTLIERS, 16))
    points, classes = torch.from_numpy(x).float(), torch.from_numpy(labels)
    train, test = slice(0, num_train), slice(num_train, None)
    return FeatureSplit(points[train], classes[train], points[test], classes[test])


def tables(folder: Path) -> dict[str, str]:
    groups = grouped(read_results(folder, "anchors")["runs"], "anchors")
    rows = [
        {"anchors": method, **{key: over_runs(runs, key) for key in MEASURES}}
        for (method,), runs in groups.items()
    ]
    return {"anchors": markdown_table(rows, {"anchors": "anchors", **MEASURES})}
