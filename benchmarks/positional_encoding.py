"""Positional encodings of given graphs: exact, learned, and PyG's.

    python benchmarks/positional_encoding.py --data-root DIR

Four questions, each a table of its own, on Cora, CiteSeer, the Facebook pages and the
GitHub developers:

- speed: AddSpectralPE beside PyG's AddLaplacianEigenvectorPE, taken in turns, each in
  a process of its own, medians; and whether calls, and processes, agree to the last
  bit.
- change: how far the rows of unchanged nodes move when 1 % of the nodes are removed, or
  1 % of the edges led elsewhere.
- samples: what the eigenvectors of samples are worth as targets, which is what BASiS
  chooses by.
- cold start: 10 % of the Facebook pages come later, with their edges.

Everything runs in one thread, and but for the speed in this process. Writes
positional_encoding.json and a table for each question; 10 to 20 minutes, `--quick`
takes less than one and its figures mean nothing. `--questions` leaves the others'
figures as they were.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from exact_encodings import (
    Figures,
    exact_change,
    speed,
)
from given_graphs import (
    NUM_SAMPLES,
    SAMPLE_SIZES,
    SETTINGS,
    cold_start,
    largest_component,
    learned_change,
    samples,
)
from graph_options import add_graph_options, parse_graph_options
from results import format_mean_std, markdown_table, read_results, write_results
from torch_geometric.data import Data

from pyg_basis.datasets import load_graph

TITLES = {
    "cora": "Cora",
    "citeseer": "CiteSeer",
    "facebook": "Facebook pages",
    "github": "GitHub developers",
}
NUM_COLUMNS = 16
ROUNDS = 7
LEARNED_ON = ("cora", "facebook")


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    torch.set_num_threads(1)
    names = ("cora",) if options.quick else tuple(TITLES)
    graphs = {
        name: load_graph(name, options.data_root, options.cache_dir) for name in names
    }
    path = options.output / "positional_encoding.json"
    found = read_results(path)["results"] if path.exists() else {}
    for question in options.questions:
        print(f"{question} ...", flush=True)
        found[question] = QUESTIONS[question](graphs, options.seeds, options.quick)
        settings = {
            "columns": NUM_COLUMNS,
            "rounds": ROUNDS,
            "samples": NUM_SAMPLES,
            "learned": {**SETTINGS, "max_iter": max_iter(options.quick)},
            "quick": options.quick,
        }
        # After each of them: what follows takes minutes.
        record = write_results(path, settings, found, range(options.seeds))
    for question, figures in record["results"].items():
        text = TABLES[question](figures)
        (options.output / f"positional_encoding_{question}.md").write_text(text)
        print(f"\n{text}")
    print(f"written to {options.output}")


def ask_speed(graphs: dict[str, Data], seeds: int, quick: bool) -> list[Figures]:
    parts = {(name, "all"): graph for name, graph in graphs.items()}
    for name in ("cora", "citeseer"):  # the others are connected
        if name in graphs:
            parts[name, "largest component"] = largest_component(graphs[name])
    return [
        {"graph": name, "part": part, "nodes": graph.num_nodes, **figures}
        for (name, part), graph in parts.items()
        for figures in speed(graph, NUM_COLUMNS, 2 if quick else ROUNDS)
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
        {"graph": name, "seed": seed, **samples(graph, operator, size, seed)}
        for name, graph in graphs.items()
        for operator in ("induced", "coarsened")
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
    return 5 if quick else 300


QUESTIONS: dict[str, Callable[[dict[str, Data], int, bool], list[Figures]]] = {
    "speed": ask_speed,
    "change": ask_change,
    "samples": ask_samples,
    "cold_start": ask_cold_start,
}


def speed_table(found: list[Figures]) -> str:
    columns = {
        "graph": "graph",
        "nodes": "nodes",
        "encoding": "encoding",
        "milliseconds": "ms",
        "ratio": "times AddSpectralPE's",
        "residual": "residual",
        "calls": "10 calls",
        "processes": "2 processes",
    }
    words = {True: "equal", False: "differ"}
    rows = [
        {
            **figures,
            "graph": TITLES[figures["graph"]]
            + (", largest component" if figures["part"] != "all" else ""),
            "milliseconds": round(1000 * figures["seconds"]),
            "ratio": f"{figures['ratio']:.1f}",
            "residual": f"{figures['residual']:.0e}",
            "calls": words[figures["calls_agree"]],
            "processes": words[figures["processes_agree"]],
        }
        for figures in found
    ]
    return markdown_table(rows, columns)


def change_table(found: list[Figures]) -> str:
    rows = [
        {
            "graph": TITLES[name],
            "encoding": encoding,
            **{
                change: format_mean_std([one[change] for one in same], 1, 100)
                for change in ("nodes", "edges")
            },
        }
        for (name, encoding), same in grouped(found, "graph", "encoding").items()
    ]
    columns = {
        "graph": "graph",
        "encoding": "encoding",
        "nodes": "1 % of nodes removed",
        "edges": "1 % of edges moved",
    }
    return markdown_table(rows, columns)


def samples_table(found: list[Figures]) -> str:
    rows = [
        {
            "graph": TITLES[name],
            "operator": operator,
            "size": size,
            "connected": format_mean_std([one["connected"] for one in same], 0, 100),
            "distance": format_mean_std([one["distance"] for one in same], 2),
            "mean": format_mean_std([one["distance_of_mean"] for one in same], 2),
        }
        for (name, operator, size), same in grouped(
            found, "graph", "batch_operator", "size"
        ).items()
    ]
    columns = {
        "graph": "graph, largest component",
        "operator": "samples",
        "size": "nodes of a sample",
        "connected": "connected by its own edges, %",
        "distance": "d_G of one",
        "mean": f"d_G of the mean of {NUM_SAMPLES}",
    }
    return markdown_table(rows, columns)


def cold_start_table(found: list[Figures]) -> str:
    rows = [
        {
            "graph": TITLES[name],
            "rows": rows,
            "distance": format_mean_std([one["distance"] for one in same], 2),
        }
        for (name, rows), same in grouped(found, "graph", "rows").items()
    ]
    return markdown_table(rows, {"graph": "graph", "rows": "rows", "distance": "d_G"})


TABLES: dict[str, Callable[[list[Figures]], str]] = {
    "speed": speed_table,
    "change": change_table,
    "samples": samples_table,
    "cold_start": cold_start_table,
}


def grouped(found: list[Figures], *keys: str) -> dict[tuple[Any, ...], list[Figures]]:
    groups: dict[tuple[Any, ...], list[Figures]] = {}
    for figures in found:
        groups.setdefault(tuple(figures[key] for key in keys), []).append(figures)
    return groups


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_graph_options(parser, seeds=3)
    parser.add_argument(
        "--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS)
    )
    return parse_graph_options(parser, arguments)


if __name__ == "__main__":
    main()
