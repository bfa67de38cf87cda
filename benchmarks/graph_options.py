"""The options of the scripts on given graphs."""

import argparse
from pathlib import Path

from results import make_output_folder


def add_graph_options(parser: argparse.ArgumentParser, seeds: int) -> None:
    add = parser.add_argument
    add("--data-root", type=Path, help="folder that holds 'graphs'; else from PyG")
    add("--cache-dir", type=Path, default=Path("cache"), help="of what is processed")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--seeds", type=int, default=seeds, help=f"runs of each (default: {seeds})")
    add("--quick", action="store_true", help="a smoke run; by default to runs/quick")


def parse_graph_options(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    """Their values, checked; a smoke run has one seed, and the folder for the output is
    there."""
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    if options.quick:
        options.seeds = 1
    make_output_folder(options)
    return options
