"""Positional encodings of given graphs: exact, learned, and PyG's.

Four questions, each a table of its own, on Cora, CiteSeer, the Facebook pages and the
GitHub developers:

- speed: AddSpectralPE and PyG's AddLaplacianEigenvectorPE, taken in turns, each in a
  process of its own, medians; and whether calls, and processes, agree to the last
  bit.
- change: how far the rows of unchanged nodes move when 1 % of the nodes are removed, or
  1 % of the edges led elsewhere.
- samples: what the eigenvectors of samples are worth as targets, which is what BASiS
  chooses by.
- cold start: 10 % of the Facebook pages come later, with their edges.

Everything runs in one thread, and but for the speed in this process. `--questions`
leaves the others' figures as they were.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from torch_geometric.data import Data

from benchmarks.data.graphs import load_graph
from benchmarks.experiments.exact_encodings import Figures, exact_change, speed
from benchmarks.experiments.given_graphs import (
    NUM_SAMPLES,
    SAMPLE_SIZES,
    SETTINGS,
    cold_start,
    largest_component,
    learned_change,
    samples,
)
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs

TITLES = {
    "cora": "Cora",
    "citeseer": "CiteSeer",
    "facebook": "Facebook pages",
    "github": "GitHub developers",
}
PARTS = {"all": "", "largest component": ", largest component"}
NUM_COLUMNS = 16
ROUNDS = 7
LEARNED_ON = ("cora", "facebook")


def add_options(parser: argparse.ArgumentParser) -> None:
    questions = list(TABLES)
    parser.add_argument("--questions", nargs="+", choices=questions, default=questions)


def main(options: argparse.Namespace) -> None:
    names = ("cora",) if options.quick else tuple(TITLES)
    graphs = {
        name: load_graph(name, options.data_root, options.cache_dir) for name in names
    }
    if options.quick:
        graphs["cora"].x = graphs["cora"].x[:, :100]
    is_there = (options.output / "positional_encoding.json").exists()
    found = read_results(options.output, "positional_encoding") if is_there else {}
    settings = {
        "columns": NUM_COLUMNS,
        "rounds": ROUNDS,
        "samples": NUM_SAMPLES,
        "learned": {**SETTINGS, "max_iter": max_iter(options.quick)},
    }
    for question in options.questions:
        print(f"{question} ...", flush=True)
        found[question] = QUESTIONS[question](graphs, options.seeds, options.quick)
        save(options, settings, found)  # after each of them: what follows takes minutes


def ask_speed(graphs: dict[str, Data], seeds: int, quick: bool) -> list[Figures]:
    parts = {(name, "all"): graph for name, graph in graphs.items()}
    if not quick:
        for name in ("cora", "citeseer"):  # the others are connected
            parts[name, "largest component"] = largest_component(graphs[name])
    return [
        {"graph": name, "part": part, "nodes": graph.num_nodes, **figures}
        for (name, part), graph in parts.items()
        for figures in speed(graph, NUM_COLUMNS, *((1, 1) if quick else (ROUNDS,)))
    ]


def ask_change(graphs: dict[str, Data], seeds: int, quick: bool) -> list[Figures]:
    found = []
    for name, graph in graphs.items():
        for seed in range(seeds):
            moved = exact_change(graph, NUM_COLUMNS, seed)
            if name in LEARNED_ON:
                moved |= learned_change(graph, seed, max_iter(quick))
            found += [
                {"graph": name, "seed": seed, "encoding": encoding, **changes}
                for encoding, changes in moved.items()
            ]
    return found


def ask_samples(graphs: dict[str, Data], seeds: int, quick: bool) -> list[Figures]:
    return [
        {"graph": name, "seed": seed, **samples(graph, size, seed)}
        for name, graph in graphs.items()
        for size in SAMPLE_SIZES
        if size <= largest_component(graph).num_nodes / 2
        for seed in range(seeds)
    ]


def ask_cold_start(graphs: dict[str, Data], seeds: int, quick: bool) -> list[Figures]:
    name = "cora" if quick else "facebook"
    return [
        {"graph": name, "seed": seed, "rows": rows, "distance": distance}
        for seed in range(seeds)
        for rows, distance in cold_start(graphs[name], seed, max_iter(quick)).items()
    ]


def max_iter(quick: bool) -> int:
    return 2 if quick else 300


QUESTIONS: dict[str, Callable[[dict[str, Data], int, bool], list[Figures]]] = {
    "speed": ask_speed,
    "change": ask_change,
    "samples": ask_samples,
    "cold_start": ask_cold_start,
}


def speed_table(found: list[Figures]) -> str:
    words = {True: "equal", False: "differ"}
    rows = [
        {
            "graph": TITLES[figures["graph"]] + PARTS[figures["part"]],
            "nodes": figures["nodes"],
            "encoding": figures["encoding"],
            "ms": round(1000 * figures["seconds"]),
            "times AddSpectralPE's": f"{figures['ratio']:.1f}",
            "residual": f"{figures['residual']:.0e}",
            "10 calls": words[figures["calls_agree"]],
            "2 processes": words[figures["processes_agree"]],
        }
        for figures in found
    ]
    return markdown_table(rows, list(rows[0]))


def change_table(found: list[Figures]) -> str:
    rows = [
        {
            "graph": TITLES[name],
            "encoding": encoding,
            "1 % of nodes removed": over_runs(same, "nodes", 1, 100),
            "1 % of edges moved": over_runs(same, "edges", 1, 100),
        }
        for (name, encoding), same in grouped(found, "graph", "encoding").items()
    ]
    return markdown_table(rows, list(rows[0]))


def samples_table(found: list[Figures]) -> str:
    # An earlier record has samples without the rest of the graph too.
    found = [run for run in found if run.get("batch_operator") != "induced"]
    rows = [
        {
            "graph, largest component": TITLES[name],
            "nodes of a sample": size,
            "d_G of one": over_runs(same, "distance", 2),
            f"d_G of the mean of {NUM_SAMPLES}": over_runs(same, "distance_of_mean", 2),
        }
        for (name, size), same in grouped(found, "graph", "size").items()
    ]
    return markdown_table(rows, list(rows[0]))


def cold_start_table(found: list[Figures]) -> str:
    rows = [
        {"graph": TITLES[name], "rows": rows, "d_G": over_runs(same, "distance", 2)}
        for (name, rows), same in grouped(found, "graph", "rows").items()
    ]
    return markdown_table(rows, list(rows[0]))


TABLES: dict[str, Callable[[list[Figures]], str]] = {
    "speed": speed_table,
    "change": change_table,
    "samples": samples_table,
    "cold_start": cold_start_table,
}


def tables(folder: Path) -> dict[str, str]:
    return {
        f"positional_encoding_{question}": TABLES[question](figures)
        for question, figures in read_results(folder, "positional_encoding").items()
    }
