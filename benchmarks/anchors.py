"""How the choice of anchors bears outliers.

    python benchmarks/anchors.py [--seeds 3] [--output DIR]

Ten clusters in 16 dimensions, with heavy tails, and 2 % uniform outliers in the
training part only. Measured on 2,000 clean points never seen: d_G against the
exact eigenvectors of their own graph, and clustering. `benchmarks/manifolds.py`
measures the other side of the choice, how even the anchors are.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evaluation import MEASURES, FeatureSplit, exact_embedding, run_basis
from results import format_mean_std, markdown_table, write_results

METHODS = ("poisson_disk", "random", "kmeans++", "farthest")
NUM_TRAIN, NUM_OUTLIERS, NUM_TEST = 20_000, 400, 2_000
PARAMETERS: dict[str, Any] = {
    "n_components": 10,
    "reference_size": None,  # as published
    "n_neighbors": 50,
    "batch_size": 512,
    "max_iter": 1000,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    runs = []
    for seed in range(options.seeds):
        data = clusters_with_outliers(seed)
        exact, _ = exact_embedding(data.x_test, 10, PARAMETERS["n_neighbors"])
        for method in METHODS:
            scores, _, _ = run_basis(data, exact, seed, anchors=method, **PARAMETERS)
            runs.append({"anchors": method, "seed": seed, **scores})
            print(f"{method}, seed {seed}: d_G {scores['grassmann_distance']:.3f}")

    write_results(
        options.output / "anchors.json",
        PARAMETERS,
        {"runs": runs},
        range(options.seeds),
    )
    text = table(runs)
    (options.output / "anchors.md").write_text(text)
    print(f"\n{text}\nwritten to {options.output}")


def clusters_with_outliers(seed: int) -> FeatureSplit:
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(10, 16))
    labels = rng.integers(0, 10, NUM_TRAIN + NUM_TEST)
    noise = rng.standard_t(2.5, size=(len(labels), 16))
    x = centers[labels] + 0.35 * noise
    x[:NUM_OUTLIERS] = rng.uniform(-12, 12, (NUM_OUTLIERS, 16))
    points, classes = torch.from_numpy(x).float(), torch.from_numpy(labels)
    train, test = slice(0, NUM_TRAIN), slice(NUM_TRAIN, None)
    return FeatureSplit(points[train], classes[train], points[test], classes[test])


def table(runs: list[dict[str, Any]]) -> str:
    def over_seeds(method: str, key: str) -> str:
        return format_mean_std(run[key] for run in runs if run["anchors"] == method)

    rows = [
        {"anchors": method, **{key: over_seeds(method, key) for key in MEASURES}}
        for method in METHODS
    ]
    return markdown_table(rows, {"anchors": "anchors", **MEASURES})


if __name__ == "__main__":
    main()
