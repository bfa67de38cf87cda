"""The examples on real graphs.

    python benchmarks/examples.py --data-root DIR

Runs examples/*.py on Cora and the Facebook pages, and the Lightning module on digits.
Writes examples.json and examples.md; about 20 minutes on one core.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from graph_options import add_graph_options, parse_graph_options
from results import format_mean_std, markdown_table, write_results

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.append(str(EXAMPLES))

import cold_start  # noqa: E402
import gcn_with_basis_pe  # noqa: E402
import lightning_module  # noqa: E402
import transformer_with_encodings  # noqa: E402

ON_GRAPHS = {
    "GCN": gcn_with_basis_pe.main,
    "transformer": transformer_with_encodings.main,
    "GCN, nodes never seen": cold_start.main,
}
GRAPHS = {"cora": "Cora", "facebook": "Facebook pages"}
Run = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    torch.set_num_threads(1)
    shared = ["--cache-dir", str(options.cache_dir), "--seeds", str(options.seeds)]
    if options.data_root is not None:
        shared += ["--data-root", str(options.data_root)]
    if options.quick:
        shared.append("--quick")
    runs: list[Run] = [
        {"model": model, "graph": graph, "encodings": encodings, "accuracy": accuracy}
        for graph in (["digits"] if options.quick else GRAPHS)
        for model, example in ON_GRAPHS.items()
        for encodings, accuracy in example([*shared, "--graph", graph]).items()
    ]
    joint = lightning_module.main(["--quick"] if options.quick else [])
    record = write_results(
        options.output / "examples.json",
        {"quick": options.quick},
        {"runs": runs, "lightning_module": joint},
        range(options.seeds),
    )
    text = table(record["results"]["runs"])
    (options.output / "examples.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {options.output}")


def table(runs: list[Run]) -> str:
    rows: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = GRAPHS.get(run["graph"], run["graph"]), run["model"]
        row = rows.setdefault(key, {"graph": key[0], "model": key[1]})
        row[run["encodings"]] = format_mean_std(run["accuracy"], 1, 100)
    names = dict.fromkeys(run["encodings"] for run in runs)
    titles = {"none": "no encodings"}
    columns = {name: titles.get(name, name) for name in ("graph", "model", *names)}
    return markdown_table(list(rows.values()), columns)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_graph_options(parser, seeds=5)
    return parse_graph_options(parser, arguments)


if __name__ == "__main__":
    main()
