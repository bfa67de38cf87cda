"""Many files, transformed by many processes that are killed and started again.

Ten million rows in Parquet files of unequal lengths, one of them empty, go through
`pyg-basis transform --shard I/64`, a process a shard and one thread each. A part of the
processes is killed with SIGKILL at a random moment, and started again. Then each row
must be there once, in order, as `BASiS.transform` gives it, and nothing else.

In addition: how many rows a second of CPU time one thread reads, transforms and writes,
the most memory that takes by the number of rows, and the bytes of a saved model, of
narrow and of wide features. The files are in the file cache.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.lib.alone import environment, run_alone
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import markdown_table
from benchmarks.lib.tasks import run_tasks
from pyg_basis import BASiS
from pyg_basis.cli._points import read_points
from pyg_basis.cli._rows import write_rows

NUM_COLUMNS = 10
WIDTH, WIDE = 16, 784
PLANNED_CORES = (1, 64, 1024)
# As the command reports one that was killed.
KILLED = -9


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rows", type=int, default=10**7, help="of all files (default: 10 million)")
    add("--shards", type=int, default=64, help="of which a quarter is killed")
    add("--measured-rows", type=int, nargs="+", default=[10**5, 10**6])
    add("--scratch", type=Path, help="folder of the files, 2 GB")
    add("--seed", type=int, default=0, help="of the lengths and of the moments")


def main(options: argparse.Namespace) -> str | None:
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        num_points = 600 if options.quick else 12_000
        widths = (WIDTH,) if options.quick else (WIDTH, WIDE)
        sizes = [saved_model(folder, width, num_points) for width in widths]
        rates = []
        planned = [(WIDTH, rows) for rows in options.measured_rows]
        planned += [(width, options.measured_rows[0]) for width in widths[1:]]
        for width, rows in planned:
            path = folder / "measured.parquet"
            write_part(path, 0, rows, width)
            rate = run_alone(measured, folder / f"{width}.pt", path)
            rates.append({"width": width, "rows": rows, **rate})
            print(rates[-1], flush=True)
        lengths = part_lengths(options.rows, 3 * options.shards // 2, options.seed)
        (folder / "parts").mkdir()
        first = 0
        for number, length in enumerate(lengths):
            write_part(folder / f"parts/{number:05}.parquet", first, length, WIDTH)
            first += length
        run = transformed(folder, options)
        run |= {"rows": first, "parts": len(lengths), **verified(folder, lengths)}
    settings = {
        "n_components": NUM_COLUMNS,
        "width": WIDTH,
        "shards": options.shards,
        "seed": options.seed,
    }
    results = {"run": run, "rates": rates, "models": sizes}
    save(options, settings, results, [options.seed])
    print(run)
    is_right = run["every_row_once_in_order"] and run["as_transform_gives_it"]
    if is_right and run["failed"] == run["left_behind"] == 0:
        return None
    return "rows or files are not as they should be"


def saved_model(folder: Path, width: int, num_points: int) -> dict[str, int]:
    """Saves a BASiS with its defaults but for the length of its training, which its
    size does not depend on."""
    x = points(0, num_points, width)
    basis = BASiS(NUM_COLUMNS, max_iter=10, random_state=0)
    basis.fit(x).save(path := folder / f"{width}.pt")
    num_bytes = sum(x.nbytes for x in basis.layer_.state_dict().values())
    return {"width": width, "bytes": path.stat().st_size, "tensor_bytes": num_bytes}


def points(first: int, num_rows: int, width: int) -> np.ndarray:
    """Rows from a number on: a Gaussian mixture of ten clusters."""
    rng = np.random.default_rng(first)
    centers = 4 * np.random.default_rng(0).normal(size=(10, width))
    noise = rng.normal(size=(num_rows, width))
    return (noise + centers[rng.integers(0, 10, num_rows)]).astype(np.float32)


def write_part(path: Path, first: int, num_rows: int, width: int) -> None:
    """Writes rows with their numbers, some at a time."""
    fields = [("id", pa.int64())]
    fields += [(f"x{column}", pa.float32()) for column in range(width)]
    with pq.ParquetWriter(path, pa.schema(fields)) as writer:
        for start in range(first, first + num_rows, 10**5):
            stop = min(start + 10**5, first + num_rows)
            columns = [np.arange(start, stop), *points(start, stop - start, width).T]
            writer.write_table(pa.table(columns, names=[name for name, _ in fields]))


def part_lengths(num_rows: int, num_parts: int, seed: int) -> list[int]:
    """Unequal lengths, the second one 0."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, num_rows, num_parts - 2))
    lengths = np.diff([0, *cuts, num_rows]).tolist()
    return [lengths[0], 0, *lengths[1:]]


def transformed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Runs all shards, some of which are killed and started again."""
    rng = np.random.default_rng(options.seed)
    killed = rng.choice(options.shards, options.shards // 4, replace=False)
    # Seconds after a shard began its first part, which takes about as long.
    moments = dict(zip(killed.tolist(), rng.uniform(0, 2, len(killed)), strict=True))
    tasks = [
        (f"{shard + 1}/{options.shards}", moments.get(shard), folder)
        for shard in range(options.shards)
    ]
    start = time.perf_counter()
    runs = run_tasks(run_shard, tasks, options.processes, "shards")
    codes = [code for _, found in runs for code in found]
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "processes_at_a_time": options.processes,
        "starts": len(codes),
        "killed": codes.count(KILLED),
        "failed": len(codes) - codes.count(KILLED) - codes.count(0),
    }


def run_shard(shard: str, moment: float | None, folder: Path) -> list[int]:
    """Runs a shard, and again where it was killed; returns how each process ended."""
    inputs = sorted(str(path) for path in (folder / "parts").iterdir())
    words = ["transform", f"{folder}/{WIDTH}.pt", *inputs, "--keep", "id", "--quiet"]
    words += ["--output-dir", f"{folder}/out", "--shard", shard]
    command = [sys.executable, "-m", "pyg_basis", *words]
    codes = []
    if moment is not None:
        with subprocess.Popen(command, env=environment()) as process:
            while process.poll() is None and not is_writing(folder, process.pid):
                time.sleep(0.01)
            time.sleep(moment)
            process.kill()
        codes.append(process.returncode)
    if codes != [0]:
        codes.append(subprocess.run(command, env=environment()).returncode)
    return codes


def is_writing(folder: Path, process: int) -> bool:
    """Whether a process has begun a part, which it writes to a folder of its own."""
    return any((folder / "out").glob(f".*-{process}-*"))


def verified(folder: Path, lengths: list[int]) -> dict[str, Any]:
    """What is in the files that were written: all must be true, or 0."""
    basis, first = BASiS.load(folder / f"{WIDTH}.pt"), 0
    in_order = is_exact = True
    names = [f"{number:05}.parquet" for number in range(len(lengths))]
    for name, length in zip(names, lengths, strict=True):
        table = pq.read_table(folder / "out" / name)
        numbers = table["id"].to_numpy()
        in_order &= np.array_equal(numbers, np.arange(first, first + length))
        if length > 0:
            part = pq.ParquetFile(folder / "parts" / name)
            head = next(part.iter_batches(1000)).drop_columns("id")
            expected = basis.transform(np.column_stack(head.columns))
            rows = table.drop_columns("id").slice(0, len(head))
            is_exact &= np.array_equal(np.column_stack(rows.columns), expected)
        first += length
    left = {path.name for path in (folder / "out").iterdir()} - set(names)
    return {
        "every_row_once_in_order": in_order,
        "as_transform_gives_it": is_exact,
        # Files other than the note of what the parts were made with.
        "left_behind": len(left - {"_transform.json"}),
    }


def measured(model: str, points: str) -> dict[str, float]:
    """CPU seconds of reading, transforming and writing a file, in this process, and the
    most memory it takes for itself, in MiB."""
    basis = BASiS.load(model)
    names = [f"x{column}" for column in range(basis.n_features_in_)]
    options = {"command": "transform", "key": None, "drop": [], "columns": names}
    output, columns = Path(f"{points}.out.parquet"), basis.get_feature_names_out()
    # What is imported on first use.
    small = Path(f"{points}.small.parquet")
    write_part(small, 0, 100, basis.n_features_in_)
    rows = read_points(Namespace(points=small, **options), basis)
    embedding: Iterator[Any] = map(basis.transform, rows.finite_blocks())
    write_rows(output, "", embedding, 0, columns)
    seconds = dict.fromkeys(("read", "transform"), 0.0)

    def timed(step: str, items: Iterator[Any]) -> Iterator[Any]:
        """The items, each of which is made when it is asked for."""
        while True:
            start = time.process_time()
            item = next(items, None)
            seconds[step] += time.process_time() - start
            if item is None:
                return
            yield item

    with OwnMemory() as memory:
        start = time.process_time()
        rows = read_points(Namespace(points=Path(points), **options), basis)
        blocks = timed("read", rows.finite_blocks())
        embedding = timed("transform", map(basis.transform, blocks))
        write_rows(output, "", embedding, 0, columns)
        whole = time.process_time() - start
    return {
        "read_seconds": seconds["read"],
        "transform_seconds": seconds["transform"] - seconds["read"],
        "write_seconds": whole - seconds["transform"],
        "own_memory": memory.peak,
        "own_memory_before": memory.before,
    }


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "shards")
    rates = [
        {
            "features": run["width"],
            "rows": f"{run['rows']:,}",
            **{
                f"{step}, rows/s": f"{run['rows'] / run[f'{step}_seconds']:,.0f}"
                for step in ("read", "transform", "write")
            },
            "own memory, MiB": f"{run['own_memory']:.0f}",
            "before": f"{run['own_memory_before']:.0f}",
        }
        for run in results["rates"]
    ]
    # Of many rows, as starting takes seconds.
    widest = {run["width"]: run for run in results["rates"]}
    plan = []
    for width, run in widest.items():
        steps = ("read", "transform", "write")
        seconds = sum(run[f"{step}_seconds"] for step in steps) / run["rows"]
        for power in (9, 11):
            row = {"features": width, "rows": f"10^{power}"}
            for cores in PLANNED_CORES:
                hours = seconds * 10**power / cores / 3600
                row[f"hours, {cores} core{'s' if cores > 1 else ''}"] = f"{hours:,.2f}"
            plan.append(row)
    sizes = [
        {"features": run["width"], "model, bytes": f"{run['bytes']:,}"}
        for run in results["models"]
    ]
    names = {
        "rows": "rows",
        "parts": "files",
        "starts": "processes",
        "killed": "killed",
        "failed": "failed",
        "every_row_once_in_order": "every row once, in order",
        "as_transform_gives_it": "as transform gives it",
        "left_behind": "left behind",
        "seconds": "seconds",
    }
    return {
        "shards": markdown_table([results["run"]], names),
        "transform_rates": markdown_table(rates, list(rates[0])),
        "transform_plan": markdown_table(plan, list(plan[0])),
        "model_sizes": markdown_table(sizes, list(sizes[0])),
    }
