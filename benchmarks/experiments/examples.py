"""The examples on real graphs: examples/*.py on Cora and the Facebook pages, and the
Lightning module on digits.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.data.graphs import load_graph
from benchmarks.lib.alone import ROOT
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import format_mean_std, markdown_table

# The examples by the model that each has.
ON_GRAPHS = {
    "GCN": "gcn_with_basis_pe",
    "transformer": "transformer_with_encodings",
    "GCN, nodes never seen": "cold_start",
}
GRAPHS = {"cora": "Cora", "facebook": "Facebook pages"}
Run = dict[str, Any]


def main(options: argparse.Namespace) -> None:
    quick = ["--quick"] if options.quick else []
    shared = ["--seeds", str(options.seeds), *quick]
    files = {"digits": "digits"} if options.quick else graph_files(options)
    models = {"GCN": ON_GRAPHS["GCN"]} if options.quick else ON_GRAPHS
    runs: list[Run] = [
        {"model": model, "graph": graph, "encodings": encodings, "accuracy": accuracy}
        for graph, file in files.items()
        for model, example in models.items()
        for encodings, accuracy in run_example(
            example, [*shared, "--graph", file]
        ).items()
    ]
    joint = run_example("lightning_module", quick)
    save(options, {}, {"runs": runs, "lightning_module": joint})


def graph_files(options: argparse.Namespace) -> dict[str, str]:
    """The graphs, each in a file that the examples read."""
    options.cache_dir.mkdir(parents=True, exist_ok=True)
    files = {name: str(options.cache_dir / f"{name}.pt") for name in GRAPHS}
    for name, file in files.items():
        torch.save(load_graph(name, options.data_root, options.cache_dir), file)
    return files


def run_example(name: str, arguments: list[str]) -> dict[str, Any]:
    """Their folder is searched as when they run as scripts."""
    folder = str(ROOT / "examples")
    if folder not in sys.path:
        sys.path.append(folder)
    figures: dict[str, Any] = import_module(name).main(arguments)
    return figures


def tables(folder: Path) -> dict[str, str]:
    runs = read_results(folder, "examples")["runs"]
    rows: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = GRAPHS.get(run["graph"], run["graph"]), run["model"]
        row = rows.setdefault(key, {"graph": key[0], "model": key[1]})
        row[run["encodings"]] = format_mean_std(run["accuracy"], 1, 100)
    names = dict.fromkeys(run["encodings"] for run in runs)
    titles = {"none": "no encodings"}
    columns = {name: titles.get(name, name) for name in ("graph", "model", *names)}
    return {"examples": markdown_table(list(rows.values()), columns)}
