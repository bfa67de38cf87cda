"""Data that grow: `update` compared with a new fit.

`growth`: siamese features of MNIST (learned from labels). A clustering is fitted to the
digits 0 to 4, but for 6,000 of these points, and updated with these (more of the same),
then with 5 and 6, with 7 and 8, and with 9. K is 10 from the start. The updates are
compared with one fit to all digits. Seconds are those of the processor, as a share of
that fit's. `moved` is the relative change of the rows of the test digits from 0 to 4,
`relabeled` the share of these whose label changed, and `missing` what five columns more
than K lack of the first K eigenvectors of the points so far.

`same`: all digits from the start, in any order, 54,000 points and then 6,000, with
K = 9, which a gap follows.

`drift`: ten groups of points in 16 dimensions turn, as fast as in `moving_features`,
about once in 1,000 updates. Each update sees new points, and the earlier ones count
nine tenths. The true embedding of a point that turns along stays where it was. Measured
is how far that of 1,000 such points has come after 100 updates, and after the first.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.data.image_features import load_features
from benchmarks.experiments.moving_features import NUM_BLOBS, blobs, rotations, turned
from benchmarks.lib.evaluation import agreement
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs, row_of
from benchmarks.lib.timed import timed
from pyg_basis import BASiS, BASiSClustering
from pyg_basis.reference import Movement

FIRST = (0, 1, 2, 3, 4)
# What comes, and the number of clusters from then on.
STEPS = (("more of the same", (), 5), ("5, 6", (5, 6), 7), ("7, 8", (7, 8), 9))
STEPS += (("9", (9,), 10),)
NUM_LATER = 6_000
NUM_UPDATES, FORGET_FACTOR = 100, 0.9

Run = dict[str, Any]
Rows = NDArray[Any]


def main(options: argparse.Namespace) -> None:
    growth, same, drifts = [], [], []
    quick = {"batch_size": 200, "n_anchors": 40, "reference_size": 400, "max_iter": 10}
    settings: Run = {"n_neighbors": 20, **quick} if options.quick else {}
    given = load_features("mnist", options.data_root, options.cache_dir, options.quick)
    x, y, x_new, y_new = (np.asarray(part) for part in given[:4])
    later = len(x) // 10
    for seed in range(options.seeds):
        growth += grow(x, y, x_new, y_new, later, seed, settings)
        same.append(more_of_the_same(x, x_new, later, seed, settings))
        print(same[-1], flush=True)
        drifts.append(
            drift(seed, *((2, 500) if options.quick else (NUM_UPDATES, 1_000)))
        )
        print(drifts[-1], flush=True)
    about = {"num_later": later, "num_updates": NUM_UPDATES, "forget": FORGET_FACTOR}
    save(options, about, {"growth": growth, "same": same, "drift": drifts})


def grow(
    x: Rows, y: Rows, x_new: Rows, y_new: Rows, later: int, seed: int, settings: Run
) -> list[Run]:
    rng = np.random.default_rng(seed)
    whole = BASiSClustering(10, basis=BASiS(10, **settings), random_state=seed)
    _, seconds = timed(whole.fit, x)
    runs = [
        {
            "step": "one fit to all digits",
            "seed": seed,
            "seconds": seconds,
            "share": 1.0,
            **agreement(y_new, whole.predict(x_new)),
        }
    ]
    first = rng.permutation(np.flatnonzero(np.isin(y, FIRST)))
    basis = BASiS(10, updatable=True, **settings)
    clustering = BASiSClustering(5, basis=basis, random_state=seed)
    _, taken = timed(clustering.fit, x[first[later:]])
    old, seen = x_new[np.isin(y_new, FIRST)], FIRST
    run = {"step": "first fit, 0 to 4", "seed": seed, "share": taken / seconds}
    runs.append(run | state(clustering, x_new, y_new, seen))
    for step, digits, n_clusters in STEPS:
        points = x[np.isin(y, digits)] if digits else x[first[:later]]
        seen += digits
        before, labels = clustering.basis_.transform(old), clustering.predict(old)
        movement, taken = timed(clustering.update, points, n_clusters)
        run = {
            "step": step,
            "seed": seed,
            "share": taken / seconds,
            **moves(movement, clustering.basis_.transform(old), before),
            "relabeled": float(np.mean(clustering.predict(old) != labels)),
        }
        runs.append(run | state(clustering, x_new, y_new, seen))
    for run in runs:
        print(run, flush=True)
    return runs


def state(clustering: BASiSClustering, x: Rows, y: Rows, digits: Any) -> Run:
    found = clustering.basis_.quality_ or {}
    with tempfile.TemporaryDirectory() as folder:
        clustering.save(Path(folder) / "model.pt")
        num_bytes = (Path(folder) / "model.pt").stat().st_size
    is_seen = np.isin(y, digits)
    return {
        "missing": 1 - found["captured_by_more"],
        "bytes": num_bytes,
        **agreement(y[is_seen], clustering.predict(x[is_seen])),
    }


def moves(movement: Movement, after: Rows, before: Rows) -> Run:
    return {
        "moved": float(np.linalg.norm(after - before) / np.linalg.norm(before)),
        "num_lost": movement.num_lost,
        "trained_on": movement.reanchored,
    }


def more_of_the_same(x: Rows, x_new: Rows, later: int, seed: int, settings: Run) -> Run:
    order = np.random.default_rng(seed).permutation(len(x))
    basis = BASiS(9, updatable=True, random_state=seed, **settings)
    _, seconds = timed(basis.fit, x[order[later:]])
    before = basis.transform(x_new)
    movement, taken = timed(basis.update, x[order[:later]])
    moved = moves(movement, basis.transform(x_new), before)
    share = taken / seconds
    return {"seed": seed, "share": share, "moved_once": moved["moved"], **moved}


def drift(seed: int, num_updates: int, size: int) -> Run:
    num_first = 10
    points = blobs((num_updates + num_first + 1) * size, seed)
    rotation = rotations(num_updates, seed)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    *parts, test = points[order].split(size)
    basis = BASiS(
        NUM_BLOBS - 1,
        reference_size=size,
        batch_size=500,
        n_anchors=200,
        updatable=True,
        random_state=seed,
    )
    first = basis.fit(torch.cat(parts[:num_first])).transform(test)
    trained, moved = 0, []
    for step in range(1, num_updates + 1):
        new = turned(parts[num_first + step - 1], rotation[step])
        trained += basis.update(new, FORGET_FACTOR).reanchored
        rows = basis.transform(turned(test, rotation[step]))
        moved.append(float((rows - first).norm() / first.norm()))
    return {
        "seed": seed,
        "moved_once": moved[0],
        "moved": moved[-1],
        "curve": moved,
        "num_trained_on": trained,
    }


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "stream")
    columns = {
        "share": ("seconds, share of one fit", 2, 1),
        "moved": ("moved, %", 2, 100),
        "relabeled": ("relabeled, %", 2, 100),
        "missing": ("missing, %", 1, 100),
        "nmi": ("NMI", 4, 1),
        "accuracy": ("ACC", 4, 1),
        "bytes": ("file, MB", 1, 1e-6),
    }
    rows = [
        {"points": step, **row_of(runs, columns)}
        for (step,), runs in grouped(results["growth"], "step").items()
    ]
    others = []
    for name, runs in {
        "10 % more of the same, K = 9": results["same"],
        "groups that turn, 100 updates": results["drift"],
    }.items():
        row = {"points": name, "moved, %": over_runs(runs, "moved", 2, 100)}
        row["by the first update, %"] = over_runs(runs, "moved_once", 2, 100)
        others.append(row)
    return {
        "stream_growth": markdown_table(rows, list(rows[0])),
        "stream_moves": markdown_table(others, list(others[0])),
    }
