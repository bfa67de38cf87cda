"""Algorithm 2 over 10,000 updates: does the basis stay, and what does an update cost?

Drift: ten blobs turn in 16 dimensions, about once in 1,000 updates, without noise or
with fresh noise in every update. The true embedding stays where it was, or jitters
about it, so all that adds up is the chain's own. Every chain of a motion sees the same
features; measured is the reference that batches are aligned to, the anchors' rows,
without the constant column. Without noise there is nothing that a momentum could
average, and no chain with one.

Cost: a training step before which the reference follows the features, and one without,
in turns and in one thread.
"""

import argparse
import statistics
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.lib.exact import WALK, exact_space
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import format_mean_std, grouped, markdown_table
from benchmarks.lib.timed import timed
from pyg_basis import BASiSLayer
from pyg_basis.algorithm import fix_reference, update_reference
from pyg_basis.align import LeastSquares, MomentPreserving
from pyg_basis.reference import ExactEmbedding, Reference

Run = dict[str, Any]

DIMENSION, NUM_BLOBS = 16, 10
# In standard deviations of a blob: such blobs touch, and a gap follows their
# eigenvectors (the spectra in the results show both).
DISTANCE = 5.0
NUM_NODES, NUM_ANCHORS, NUM_NEIGHBORS = 160, 100, 15
UPDATES_PER_TURN = 1_000  # in the plane that turns fastest
NOISE = {"rotation": 0.0, "rotation with noise": 0.15}

ALIGNERS = {"moments": MomentPreserving(), "lstsq": LeastSquares()}
CHAINS = {
    "rotation": [("moments", 0.0), ("lstsq", 0.0)],
    "rotation with noise": [
        (alignment, momentum) for alignment in ALIGNERS for momentum in (0.0, 0.9)
    ],
}


def main(options: argparse.Namespace) -> None:
    num_updates = 60 if options.quick else 10_000
    costs = []
    for size in (300, 350) if options.quick else (512, 2048):
        costs.append(cost(size, repeats=2 if options.quick else 25))
        print(costs[-1], flush=True)
    spectra, drifts = [], []
    for seed in range(options.seeds):
        spectra.append({"seed": seed, **spectrum(blobs(NUM_NODES, seed))})
        print(spectra[-1], flush=True)
        for motion in NOISE:
            for run in drift(motion, seed, num_updates):
                drifts.append(run)
                print({**run, "curve": "..."}, flush=True)

    settings = {
        "dimension": DIMENSION,
        "num_blobs": NUM_BLOBS,
        "distance": DISTANCE,
        "num_nodes": NUM_NODES,
        "num_anchors": NUM_ANCHORS,
        "num_neighbors": NUM_NEIGHBORS,
        "num_updates": num_updates,
        "updates_per_turn": UPDATES_PER_TURN,
        "noise": NOISE,
        "unit_of_cost": "milliseconds of CPU time, medians",
    }
    results = {"drift": drifts, "spectra": spectra, "cost": costs}
    drifts = save(options, settings, results)["drift"]
    draw(drifts).savefig(options.output / "moving_features.png", dpi=110)


def blobs(num_nodes: int, seed: int) -> Tensor:
    """Equal blobs, each as far from every other."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(DIMENSION, DIMENSION, generator=generator)
    centers = DISTANCE * torch.linalg.qr(directions).Q[:NUM_BLOBS]
    noise = torch.randn(num_nodes, DIMENSION, generator=generator)
    return centers[torch.arange(num_nodes) % NUM_BLOBS] + noise


def rotations(num_updates: int, seed: int) -> Tensor:
    """The rotation of every update, the first one none at all."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(DIMENSION, DIMENSION, generator=generator).double()
    skew = square - square.T
    skew *= 2 * torch.pi / UPDATES_PER_TURN / torch.linalg.matrix_norm(skew, 2)
    # Each from the start, not from the one before: no rounding adds up.
    steps = torch.arange(num_updates + 1)[:, None, None]
    return torch.linalg.matrix_exp(steps * skew)


def turned(x: Tensor, rotation: Tensor) -> Tensor:
    return (x.double() @ rotation).to(x)


def embedding_of(num_eigenvectors: int) -> ExactEmbedding:
    return exact_space(num_eigenvectors, NUM_NEIGHBORS, "rw")


def spectrum(x: Tensor) -> dict[str, Any]:
    """Whether the blobs are connected, and the gap that follows them."""
    rows = embedding_of(NUM_BLOBS + 1)(x)
    return {"num_components": rows.num_components, "eigenvalues": rows.values}


class Chain:
    """A reference that is updated again and again, and how far it has come."""

    def __init__(self, first: Reference, alignment: str, momentum: float) -> None:
        self.reference = first
        self.alignment, self.momentum = alignment, momentum
        self.start = torch.empty_like(first.rows)  # in the order of the nodes
        self.start[first.nodes] = first.rows
        self.largest_change, self.worst_condition = 0.0, 1.0
        self.num_lost, self.num_reanchored = 0, 0

    def update(self, x: Tensor) -> float:
        """How much the anchors' rows differ from the first ones now."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is lost is counted here
            self.reference, movement = update_reference(
                self.reference, x, ALIGNERS[self.alignment], self.momentum
            )
        now, start = self.rows()
        change = float((now - start).norm() / start.norm())
        condition = float(movement.alignment.condition_number)
        self.largest_change = max(self.largest_change, change)
        self.worst_condition = max(self.worst_condition, condition)
        self.num_lost += movement.num_lost
        self.num_reanchored += movement.reanchored
        return change

    def rows(self) -> tuple[Tensor, Tensor]:
        """Rows of the present anchors, now and at the start, without the constant."""
        nodes = self.reference.nodes[:NUM_ANCHORS]
        return self.reference.anchor_rows[:, 1:], self.start[nodes, 1:]

    def norm_left(self) -> float:
        now, start = self.rows()
        return float(now.norm() / start.norm())


def drift(motion: str, seed: int, num_updates: int) -> list[Run]:
    x = blobs(NUM_NODES, seed)
    embedding = embedding_of(NUM_BLOBS)
    first, _ = fix_reference(x, NUM_ANCHORS, embedding, seed=seed)
    chains = [Chain(first, *chain) for chain in CHAINS[motion]]
    curves: list[list[tuple[int, float]]] = [[] for _ in chains]
    drawn = set(np.geomspace(1, num_updates, 62).round().astype(int).tolist())
    generator = torch.Generator().manual_seed(seed)
    rotation = rotations(num_updates, seed)
    for step in range(1, num_updates + 1):
        noise = NOISE[motion] * torch.randn(x.shape, generator=generator)
        features = turned(x, rotation[step]) + noise
        for chain, curve in zip(chains, curves, strict=True):
            change = chain.update(features)
            if step in drawn:
                curve.append((step, change))

    runs = []
    for chain, curve in zip(chains, curves, strict=True):
        run = {
            "motion": motion,
            "alignment": chain.alignment,
            "momentum": chain.momentum,
            "seed": seed,
            "largest_change": chain.largest_change,
            "last_change": curve[-1][1],
            "norm_left": chain.norm_left(),
            "worst_condition": chain.worst_condition,
            "num_lost": chain.num_lost,
            "num_reanchored": chain.num_reanchored,
            "curve": curve,
        }
        # Once more without the noise: what is left is no jitter.
        run["change_without_noise"] = chain.update(turned(x, rotation[-1]))
        runs.append(run)
    return runs


def cost(size: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of a training step, with an update of the reference and without."""
    points = blobs(size + 20_000, seed=0)
    sample, others = points[:size], points[size:]
    layer = BASiSLayer(DIMENSION, NUM_BLOBS, **WALK)
    layer.init_reference(sample, reference_size=size)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    rotation = rotations(repeats + 1, seed=0)

    def batch(number: int) -> Tensor:
        chosen = torch.randperm(len(others), generator=generator)
        return turned(others[chosen[: size - layer.num_anchors]], rotation[number])

    def step(x: Tensor) -> None:
        loss = layer.loss(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(repeats + 1):
        moved = turned(sample, rotation[number])
        _, update = timed(layer.update_reference, moved)
        after_update, plain = (timed(step, batch(number))[1] for _ in range(2))
        if number > 0:  # the first round warms up
            seconds["update"].append(update)
            seconds["spectral_step"].append(update + after_update)
            seconds["plain_step"].append(plain)
    medians = {key: 1e3 * statistics.median(seconds[key]) for key in seconds}
    ratio = medians["spectral_step"] / medians["plain_step"]
    return {"m": size, "repeats": repeats, **medians, "ratio": ratio}


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "moving_features")
    keys = "motion", "alignment", "momentum"
    rows = [
        {
            **dict(zip(keys, chain, strict=True)),
            "largest change": over_seeds(runs, "largest_change"),
            "change at the end": over_seeds(runs, "last_change"),
            "without noise": over_seeds(runs, "change_without_noise"),
            "norm left": over_seeds(runs, "norm_left"),
            "worst condition": over_seeds(runs, "worst_condition"),
            "lost": sum(run["num_lost"] for run in runs),
            "re-anchored": sum(run["num_reanchored"] for run in runs),
        }
        for chain, runs in grouped(results["drift"], *keys).items()
    ]
    steps = [
        {
            "m": row["m"],
            "update, CPU ms": f"{row['update']:.1f}",
            "step with update, CPU ms": f"{row['spectral_step']:.1f}",
            "plain step, CPU ms": f"{row['plain_step']:.1f}",
            "ratio": f"{row['ratio']:.2f}",
        }
        for row in results["cost"]
    ]
    drift, cost = (markdown_table(part, list(part[0])) for part in (rows, steps))
    return {"moving_features": f"{drift}\n{cost}"}


def over_seeds(runs: list[Run], key: str) -> str | None:
    """In as many digits as say something, as the figures are of all magnitudes."""
    values = [run[key] for run in runs]
    if None in values:  # infinite
        return None
    mean = statistics.fmean(values)
    if 1e-3 <= mean < 1e3:
        return format_mean_std(values, digits=3)
    std = f" ± {statistics.stdev(values):.1e}" if len(values) > 1 else ""
    return f"{mean:.1e}{std}"


def draw(drifts: list[Run]) -> Figure:
    figure = Figure(figsize=(10.5, 5), layout="constrained")
    panels = figure.subplots(1, len(CHAINS))
    for panel, motion in zip(panels, CHAINS, strict=True):
        draw_motion(panel, [run for run in drifts if run["motion"] == motion])
        panel.set_title(motion.capitalize())
    panels[0].set_ylabel("change of the reference from the first one")
    # The last panel has every kind of chain.
    handles, names = panels[-1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def draw_motion(panel: Axes, runs: list[Run]) -> None:
    colors = {"moments": "tab:blue", "lstsq": "tab:red"}
    labels = {"moments": "moments", "lstsq": "least squares, as published"}
    for run in runs:
        alignment, momentum = run["alignment"], run["momentum"]
        average = f", momentum {momentum}" if momentum else ""
        panel.plot(
            *zip(*run["curve"], strict=True),
            "--" if momentum else "-",
            color=colors[alignment],
            lw=1.6,
            # Once for all seeds.
            label=labels[alignment] + average if run["seed"] == 0 else None,
        )
    panel.set(xscale="log", yscale="log", xlabel="updates")
    panel.grid(alpha=0.3)
