"""How close BASiS comes to eigenfunctions known in closed form.

60,000 uniform points of the circle and of the sphere; the embedding of 10,000 points
that were held out is compared with the eigenfunctions of the Laplacian at them, for
two ways to choose the anchors. The eigenvectors of single batches, which the network
learns from, are compared with the eigenfunctions at their own nodes.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.lib.exact import WALK
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from benchmarks.lib.timed import timed
from pyg_basis import BASiS
from pyg_basis.datasets import (
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.metrics import grassmann_distance

ANCHORS = ("poisson_disk", "random")  # the default first
NUM_SINGLE_BATCHES = 20
# Held-out points are drawn with seeds from here on, which no training set uses.
HELD_OUT_SEED = 1_000_000


class Manifold(NamedTuple):
    sample: Callable[..., Tensor]
    eigenfunctions: Callable[[Tensor], Tensor]
    num_functions: int
    num_neighbors: int
    target: float


MANIFOLDS = {
    "circle": Manifold(circle, lambda x: circle_eigenfunctions(x, 5), 5, 20, 0.01),
    "sphere": Manifold(sphere, lambda x: sphere_eigenfunctions(x, 2), 9, 50, 0.10),
}


def main(options: argparse.Namespace) -> None:
    quick = options.quick
    settings = {
        "num_train": 1_000 if quick else 60_000,
        "num_held_out": 500 if quick else 10_000,
        "batch_size": 128 if quick else 512,
        "n_anchors": 60 if quick else 250,
        "max_iter": 10 if quick else 1000,
        **WALK,
        "n_components": {name: m.num_functions for name, m in MANIFOLDS.items()},
        "n_neighbors": {name: m.num_neighbors for name, m in MANIFOLDS.items()},
    }
    runs = []
    for name, manifold in MANIFOLDS.items():
        for anchors in ANCHORS:
            for seed in range(options.seeds):
                run = fit_and_measure(manifold, anchors, seed, settings)
                runs.append({"manifold": name, "anchors": anchors, "seed": seed, **run})
                print(runs[-1], flush=True)
    save(options, settings, {"runs": runs})


def fit_and_measure(
    manifold: Manifold, anchors: str, seed: int, settings: dict[str, Any]
) -> dict[str, float]:
    x = manifold.sample(settings["num_train"], seed=seed)
    held_out = manifold.sample(settings["num_held_out"], seed=HELD_OUT_SEED + seed)
    basis = BASiS(
        n_components=manifold.num_functions,
        n_neighbors=manifold.num_neighbors,
        n_anchors=settings["n_anchors"],
        batch_size=settings["batch_size"],
        reference_size=None,  # as published
        max_iter=settings["max_iter"],
        laplacian=settings["laplacian"],
        drop_first=settings["drop_first"],
        anchor_method=anchors,
        random_state=seed,
    )
    _, seconds = timed(basis.fit, x)
    distance = grassmann_distance(
        basis.transform(held_out), manifold.eigenfunctions(held_out)
    )
    single = []
    for batch_seed in range(NUM_SINGLE_BATCHES):
        nodes, vectors = single_batch(basis, x, batch_seed)
        single.append(grassmann_distance(vectors, manifold.eigenfunctions(nodes)))
    return {
        "grassmann_distance": distance,
        "single_batch": statistics.median(single),
        "n_iter": basis.n_iter_,
        "cpu_seconds": seconds,
    }


def single_batch(basis: BASiS, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """A batch like those of the training: nodes `[m, d]`, eigenvectors `[m, K]`."""
    layer = basis.layer_
    num_others = basis.batch_size - layer.num_anchors
    generator = torch.Generator().manual_seed(seed)
    others = torch.randperm(len(x), generator=generator)[:num_others]
    nodes = torch.cat([layer.anchors, x[others]])
    return nodes, layer.embedding(nodes).vectors


def tables(folder: Path) -> dict[str, str]:
    rows = []
    groups = grouped(read_results(folder, "manifolds")["runs"], "manifold", "anchors")
    for (name, anchors), runs in groups.items():
        manifold, is_default = MANIFOLDS[name], anchors == ANCHORS[0]
        counts = [run["n_iter"] for run in runs]
        highest = max(run["grassmann_distance"] for run in runs)
        rows.append(
            {
                "Manifold": f"{name}, K = {manifold.num_functions}",
                "Anchors": f"{anchors} (default)" if is_default else anchors,
                "d_G": over_runs(runs, "grassmann_distance", 4),
                "d_G, highest": f"{highest:.4f}",
                "Asked for": f"≤ {manifold.target}" if is_default else None,
                "d_G of one batch": over_runs(runs, "single_batch", 4),
                "Iterations": f"{min(counts)} to {max(counts)}",
                "Training, CPU s": over_runs(runs, "cpu_seconds", 0),
            }
        )
    return {"manifolds": markdown_table(rows, list(rows[0]))}
