"""One fit in several processes, compared with one fit with as many batches in all.

Points of the sphere and of the torus of four circles, turned into 16 dimensions, in
memory-mapped files. `torchrun` starts one, two or four processes of one thread each,
which have 96 batches in all, and no more is trained or looked at: more ranks take fewer
steps, and read out of more graphs. They read the same file, or, as "shards", each a
part of it, sorted by the first coordinate, so that the parts are unlike.

Measured are d_G to the eigenfunctions at 10,000 new points, batches a second in all
(from the median step, and as a multiple of one rank's with the same seed), the seconds
of the fit, and the most memory that one rank takes for itself, without the pages of the
file. On a machine of two cores four ranks are two a core.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from torch import Tensor

from benchmarks.data.manifolds import DIMENSION, MANIFOLDS, write_points
from benchmarks.lib.alone import ROOT, environment
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS
from pyg_basis.metrics import grassmann_distance

NUM_BATCHES = 96
NUM_NEW = 10_000
LEVELS = {"sphere": 2, "torus": 1}
NUM_COLUMNS = 8  # those of the levels, without the constant: a gap follows in both
RUNS = ((1, "common"), (2, "common"), (4, "common"), (2, "shards"))

Run = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--points", type=int, default=10**5, help="of each set (default: 100,000)")
    add("--most-points", type=int, default=10**7, help="of a sphere, for the memory")
    add("--scratch", type=Path, help="folder of the mapped files, 700 MB")


def main(options: argparse.Namespace) -> None:
    num_batches = 8 if options.quick else NUM_BATCHES
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        planned = [(data, options.points, RUNS) for data in LEVELS]
        planned.append(("sphere", options.most_points, RUNS[:2]))
        if options.quick:
            planned = [("torus", options.points, (RUNS[0], RUNS[-1]))]
        for data, num_points, ways in planned:
            path = folder / f"{data}.npy"
            write_points(path, num_points, partial(sorted_points, data))
            for seed in range(options.seeds):
                for num_ranks, points in ways:
                    what = {"ranks": num_ranks, "points": points, "seed": seed}
                    found = fitted(folder, data, num_ranks, points, num_batches, seed)
                    runs.append({"data": data, "n": num_points, **what, **found})
                    print(runs[-1], flush=True)
            path.unlink()
    settings = {"dimension": DIMENSION, "batches": num_batches}
    save(options, settings, {"runs": runs})


def sorted_points(data: str, num_points: int, seed: int) -> Tensor:
    """By the first column, and so the parts of a file of few points."""
    x = MANIFOLDS[data].points(num_points, seed)
    return x[x[:, 0].argsort()]


def fitted(
    folder: Path, data: str, num_ranks: int, points: str, num_batches: int, seed: int
) -> Run:
    """What one fit gives, with the memory of each rank."""
    words = [data, points, folder, num_batches // num_ranks, seed]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node"]
    command = [sys.executable, "-m", *torchrun, num_ranks, "-m", __name__, *words]
    subprocess.run(list(map(str, command)), env=environment(), cwd=ROOT, check=True)
    files = [folder / f"{rank}.json" for rank in range(num_ranks)]
    found = [json.loads(file.read_text()) for file in files]
    return {
        **found[0],
        "own_memory": max(each["own_memory"] for each in found),
        "own_memory_before": max(each["own_memory_before"] for each in found),
    }


def work(data: str, points: str, folder: str, max_iter: int, seed: int) -> None:
    """One rank."""
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    x = np.load(Path(folder) / f"{data}.npy", mmap_mode="r")
    x.sum()  # into the file cache, for all alike
    if points == "shards":
        x = np.array_split(x, size)[rank]
    moments: list[float] = []
    model = BASiS(NUM_COLUMNS, max_iter=max_iter, tol=None, random_state=seed)
    with OwnMemory() as memory:
        start = time.perf_counter()
        model.fit(x, callback=lambda _: moments.append(time.perf_counter()))
        seconds = time.perf_counter() - start
    new = MANIFOLDS[data].points(NUM_NEW, seed=10**6)
    expected = MANIFOLDS[data].eigenfunctions(new, LEVELS[data])[:, 1:]
    found = {
        "distance": grassmann_distance(model.transform(new), expected),
        "batches_a_second": size / float(np.median(np.diff(moments))),
        "seconds": seconds,
        "own_memory": memory.peak,
        "own_memory_before": memory.before,
    }
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def tables(folder: Path) -> dict[str, str]:
    runs = read_results(folder, "ranks")["runs"]
    alone = {
        (run["data"], run["n"], run["seed"]): run["batches_a_second"]
        for run in runs
        if run["ranks"] == 1
    }
    for run in runs:
        own = alone[run["data"], run["n"], run["seed"]]
        run["ratio"] = run["batches_a_second"] / own
    rows = []
    for what, of_seeds in grouped(runs, "data", "n", "ranks", "points").items():
        data, num_points, num_ranks, points = what
        rows.append(
            {
                "set": f"{data}, {num_points:,}",
                "ranks": num_ranks,
                "points": points,
                "d_G": over_runs(of_seeds, "distance", 4),
                "batches/s": over_runs(of_seeds, "batches_a_second", 1),
                "of one rank's": over_runs(of_seeds, "ratio", 2),
                "seconds": f"{np.median([run['seconds'] for run in of_seeds]):.0f}",
                "own memory, MiB": f"{max(run['own_memory'] for run in of_seeds):.0f}",
                "before": f"{max(run['own_memory_before'] for run in of_seeds):.0f}",
            }
        )
    return {"ranks": markdown_table(rows, list(rows[0]))}


if __name__ == "__main__":
    of_points, of_files, place, batches, number = sys.argv[1:]
    work(of_points, of_files, place, int(batches), int(number))
