"""The experiments of pyg_basis.

python -m benchmarks list
python -m benchmarks run NAME --help
python -m benchmarks run NAME [its options]
python -m benchmarks tables [--since TAG]
python -m benchmarks all --quick --data-root DIR
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.lib.pages import write_pages
from benchmarks.lib.record import is_older
from benchmarks.lib.tables import markdown_table
from benchmarks.registry import EXPERIMENTS, RESULTS, SCRATCH, add_data_options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if options.command == "list":
        for experiment in EXPERIMENTS.values():
            print(f"{experiment.name:20} {experiment.about} ({experiment.duration})")
    elif options.command == "run":
        EXPERIMENTS[options.name].run(options.options)
    elif options.command == "tables":
        if options.since:
            refuse_older(options.since)
        for experiment in EXPERIMENTS.values():
            experiment.write_tables(RESULTS / experiment.name)
        write_pages(RESULTS)
    else:
        run_all(options)


def refuse_older(tag: str) -> None:
    records = sorted(RESULTS.glob("*/*.json"))
    if older := [path for path in records if is_older(path, tag)]:
        names = "\n  ".join(str(path.relative_to(RESULTS)) for path in older)
        raise SystemExit(f"made by code from before {tag}:\n  {names}")


def run_all(options: argparse.Namespace) -> None:
    """Every smoke run in a process of its own; at the end the seconds of each, and what
    was skipped or failed."""
    has_data = options.data_root is not None
    where = ["--data-root", options.data_root, "--cache-dir", options.cache_dir]
    seconds, ends = {}, {}
    for name, experiment in EXPERIMENTS.items():
        if experiment.needs_data and not has_data:
            continue
        print(f"\n=== {name}", flush=True)
        words = ["--quick", *map(str, where if experiment.needs_data else ())]
        command = [sys.executable, "-m", "benchmarks", "run", name, *words]
        start = time.perf_counter()
        # Not forked: what threads of this one hold would never be released there.
        ends[name] = subprocess.run(command).returncode
        seconds[name] = time.perf_counter() - start
    rows = [{"experiment": name, "seconds": f"{seconds[name]:.0f}"} for name in seconds]
    rows.append({"experiment": "all", "seconds": f"{sum(seconds.values()):.0f}"})
    print(f"\n{markdown_table(rows, list(rows[0]))}")
    if skipped := EXPERIMENTS.keys() - seconds:
        print(f"skipped, without --data-root: {', '.join(sorted(skipped))}")
    if failed := [name for name, code in ends.items() if code != 0]:
        raise SystemExit(f"failed: {', '.join(failed)}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is, and how long it takes")
    run = commands.add_parser("run", help="one experiment", add_help=False)
    run.add_argument("name", choices=EXPERIMENTS)
    run.add_argument("options", nargs=argparse.REMAINDER)
    tables = commands.add_parser("tables", help="tables and pages, from the records")
    tables.add_argument("--since", metavar="TAG", help="refuse records of older code")
    smoke = commands.add_parser(
        "all",
        help=f"a smoke run of each, to {SCRATCH}/",
        description="Without --data-root nothing is downloaded: experiments on data "
        "sets are skipped.",
    )
    smoke.add_argument("--quick", action="store_true", required=True)
    add_data_options(smoke)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
