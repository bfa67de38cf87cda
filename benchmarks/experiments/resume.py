"""Trainings that are killed at a random moment (SIGKILL) and started again with the
same checkpoint.

The moments are spread over the whole of a process: the reference, the batches, the
checkpoints themselves and the read-out. What the second process saves is compared with
what an uninterrupted fit without a checkpoint gives: all tensors of the layer and the
whole history, to the bit. Lost are the batches that the second process does again. What
a checkpoint costs is measured with the defaults.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table
from benchmarks.lib.tasks import run_tasks
from pyg_basis import BASiS
from pyg_basis.estimators._training_checkpoint import INTERVAL, TrainingCheckpoint
from pyg_basis.training_state import TrainingState

NUM_POINTS, NUM_FEATURES = 3000, 8
SIZES: dict[str, Any] = {
    "n_components": 3,
    "n_anchors": 60,
    "batch_size": 300,
    "n_neighbors": 20,
    "reference_size": 400,
    "max_iter": 48,
    "tol": None,
}
# Points, and checkpoints that are written.
COST = 20_000, 30


def clusters(num_points: int, num_features: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num_points, num_features))
    x[:, 0] += 4 * (np.arange(num_points) % 3)
    return x.astype(np.float32)


def ring() -> Data:
    """Clusters, with edges around a ring that have nothing to do with them."""
    node = torch.arange(NUM_POINTS)
    steps = [torch.stack([node, (node + step) % NUM_POINTS]) for step in range(1, 9)]
    x = torch.from_numpy(clusters(NUM_POINTS, NUM_FEATURES))
    return Data(x, to_undirected(torch.cat(steps, dim=1)))


def with_dropout() -> nn.Module:
    linear = nn.Linear(NUM_FEATURES, 128)
    generator = torch.Generator().manual_seed(0)
    nn.init.kaiming_uniform_(linear.weight, generator=generator)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2))


# Parameters and points of each, made in the process that trains.
TRAININGS: dict[str, Callable[[], tuple[dict[str, Any], Any]]] = {
    "points": lambda: ({}, clusters(NUM_POINTS, NUM_FEATURES)),
    "dropout, two workers": lambda: (
        {"network": with_dropout(), "num_workers": 2},
        clusters(NUM_POINTS, NUM_FEATURES),
    ),
    "regression": lambda: ({"readout": False}, clusters(NUM_POINTS, NUM_FEATURES)),
    "normalized Laplacian": lambda: (
        {"laplacian": "sym"},
        clusters(NUM_POINTS, NUM_FEATURES),
    ),
    "given graph": lambda: ({}, ring()),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=50, help="how many trials")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")


def main(options: argparse.Namespace) -> str | None:
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        references, durations = {}, {}
        trainings = list(TRAININGS)[: options.kills]
        for training in trainings:
            references[training] = Path(folder) / training
            start = time.perf_counter()
            started(training, references[training], False).join()
            durations[training] = time.perf_counter() - start
        tasks = []
        for number in range(options.kills):
            training = trainings[number % len(trainings)]
            moment = float(rng.uniform(0, 1))
            reference = references[training]
            tasks.append((training, moment, durations[training], reference))
        done = run_tasks(trial, tasks, options.processes, "kills")
        runs = sorted((run for _, run in done), key=lambda run: run["training"])
    settings = {"kills": options.kills, "seed": options.seed, "durations": durations}
    results = {"runs": runs, "cost": cost(*((1000, 3) if options.quick else COST))}
    save(options, settings, results, [options.seed])
    failed = sum(
        not run["is_same"] or run["lost"] > INTERVAL or run["left_behind"] > 0
        for run in runs
    )
    return f"{failed} trainings did not go on as they should" if failed else None


def trial(
    training: str, moment: float, duration: float, reference: Path
) -> dict[str, Any]:
    """Kills a training at a moment of its duration, sooner where it was done already,
    and starts it again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "killed"
        process = started(training, folder, True)
        process.join(moment * duration)
        process.kill()
        process.join()
        if process.exitcode == 0:
            return trial(training, 0.9 * moment, duration, reference)
        before = batches(folder)
        (folder / "batches").unlink(missing_ok=True)
        started(training, folder, True).join()
        after = batches(folder)
        is_same = before | after == batches(reference) and are_same(
            torch.load(folder / "result.pt"), torch.load(reference / "result.pt")
        )
        return {
            "training": training,
            "moment": moment,
            "done": max(before, default=0),
            "lost": len(before.keys() & after.keys()),
            "is_same": is_same,
            # Files other than the last checkpoint.
            "left_behind": len(list((folder / "checkpoint").iterdir())) - 1,
        }


def started(training: str, folder: Path, has_checkpoint: bool) -> Any:
    """A process that trains, and writes down each batch and the result. It is forked:
    the imports would take most of its time."""
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=learn, args=(training, folder, has_checkpoint))
    process.start()
    return process


def learn(training: str, folder: Path, has_checkpoint: bool) -> None:
    log = os.open(folder / "batches", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write_down(state: TrainingState) -> None:
        loss = state.records[-1]["loss"].hex()
        os.write(log, f"{state.num_batches} {loss}\n".encode())

    warnings.simplefilter("ignore", UserWarning)  # short trainings learn little
    parameters, x = TRAININGS[training]()
    basis = BASiS(**{**SIZES, **parameters}, random_state=0).fit(
        x,
        checkpoint=folder / "checkpoint" if has_checkpoint else None,
        callback=write_down,
    )
    layer = basis.layer_.state_dict()
    result = {"history": basis.history_, "quality": basis.quality_, "layer": layer}
    torch.save(result, folder / "result.pt")


def batches(folder: Path) -> dict[int, str]:
    """The batches that were written down, and the bits of their losses."""
    path = folder / "batches"
    lines = path.read_text().splitlines() if path.exists() else []
    return {int(number): loss for number, loss in map(str.split, lines)}


def are_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    layers = one.pop("layer"), other.pop("layer")
    return (
        one == other
        and layers[0].keys() == layers[1].keys()
        and all(torch.equal(layers[0][name], layers[1][name]) for name in layers[0])
    )


def cost(num_points: int, num_writes: int) -> dict[str, float]:
    """What a checkpoint takes, and the batches between two, with the defaults."""
    moments, seconds = [], []

    def measure(state: TrainingState) -> None:
        moments.append(time.perf_counter())
        if state.num_batches == INTERVAL:
            for _ in range(num_writes):
                start = time.perf_counter()
                checkpoint(state)
                seconds.append(time.perf_counter() - start)
            sizes.append(checkpoint.path.stat().st_size)

    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = TrainingCheckpoint(folder, {}, 0)
        settings = {"max_iter": INTERVAL + 1, "tol": None, "random_state": 0}
        BASiS(**settings).fit(clusters(num_points, 50), callback=measure)
    steps = np.diff(moments[:INTERVAL])
    return {
        "checkpoint_seconds": float(np.median(seconds)),
        "checkpoint_bytes": sizes[0],
        "interval_seconds": float(INTERVAL * np.median(steps)),
    }


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "resume")
    rows = []
    for (training,), runs in grouped(results["runs"], "training").items():
        rows.append({"training": training, **summary(runs)})
    rows.append({"training": "all", **summary(results["runs"])})
    columns = {
        "training": "training",
        "kills": "kills",
        "same": "same to the bit",
        "lost": "batches lost, mean",
        "most": "most",
        "left": "files left",
    }
    cost = results["cost"]
    return {
        "resume": markdown_table(rows, columns),
        "resume_cost": markdown_table(
            [
                {
                    "write": f"{1000 * cost['checkpoint_seconds']:.0f} ms",
                    "size": f"{cost['checkpoint_bytes'] / 1e6:.1f} MB",
                    "batches": f"{cost['interval_seconds']:.1f} s",
                }
            ],
            {"write": "a checkpoint", "size": "its size", "batches": "ten batches"},
        ),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    lost = [run["lost"] for run in runs]
    return {
        "kills": len(runs),
        "same": sum(run["is_same"] for run in runs),
        "lost": f"{np.mean(lost):.1f}",
        "most": max(lost),
        "left": sum(run["left_behind"] for run in runs),
    }
