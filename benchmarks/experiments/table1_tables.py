"""Table 1: a table and what follows from it for each set, and a short one of all."""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.lib.evaluation import MEASURES
from benchmarks.lib.methods import EXACT, LEARNED, METHODS, TITLES
from benchmarks.lib.record import read_results
from benchmarks.lib.tables import grouped, markdown_table, mean_std, over_runs

NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "svhn": "SVHN, a small part",
    "cifar10": "CIFAR-10, JPEG-coded",
}
# The BASiS row of the paper's Table 1, in the order of MEASURES.
PAPER = {
    "mnist": (0.107, 0.247, 0.961, 0.986, 0.9852),
    "fashion_mnist": (0.284, 0.590, 0.798, 0.865, 0.8720),
    "svhn": (1.656, 0.488, 0.736, 0.880, 0.8802),
    "cifar10": (0.803, 0.407, 0.501, 0.688, 0.6889),
}
LOW_IS_GOOD = ("grassmann_distance", "orthogonality")
# The rows of the short table: no variants.
SHORT = (
    *("basis", "basis_coarse", "spectralnet", "specnet2_local", "diffusion_net"),
    *("nystroem_sample", "regression", "regression_degree"),
)
Run = dict[str, Any]


def tables(folder: Path) -> dict[str, str]:
    texts, short = {}, []
    for name, title in NAMES.items():
        if (folder / f"table1_{name}.json").exists():
            methods = by_method(read_results(folder, f"table1_{name}")["runs"])
            texts[f"table1_{name}"] = section(name, methods)
            rows = [
                row(method, methods[method]) for method in SHORT if method in methods
            ]
            short += [{"set": title, **cells} for cells in rows]
    columns = {"set": "set", "method": "method", "seeds": "seeds", **MEASURES}
    return {**texts, "table1": markdown_table(short, columns)}


def by_method(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs side by side.

    Raises:
        SystemExit: If they are of different features, which do not compare.
    """
    runs = list(runs)
    features = {run["parameters"].get("feature_values") for run in runs}
    if len(features) > 1:
        raise SystemExit(
            f"runs are of features that were trained apart ({len(features)} times): "
            f"do all of them again on one machine"
        )
    order = [*METHODS, EXACT]
    runs.sort(key=lambda run: order.index(run["method"]))
    return {method: group for (method,), group in grouped(runs, "method").items()}


def section(name: str, methods: dict[str, list[Run]]) -> str:
    """The table of one set, with the paper's row, and what follows from it."""
    rows = [row(method, runs) for method, runs in methods.items()]
    rows.append({"method": "BASiS, as published", **paper_cells(name)})
    columns = {"method": NAMES[name], "seeds": "seeds", **MEASURES}
    columns |= {"fit": "fit, CPU s", "whole_graph": "whole graph"}
    chosen = ", ".join(
        f"{TITLES[method]} {runs[0]['parameters']['learning_rate']:g}"
        for method, runs in methods.items()
        if method in LEARNED
    )
    text = f"{markdown_table(rows, columns)}\nLearning rates: {chosen}.\n\n"
    if EXACT in methods:
        text += share_table(methods) + "\n"
    return text + "\n".join(verdicts(methods)) + "\n"


def row(method: str, runs: list[Run]) -> dict[str, Any]:
    cells = {key: over_runs(runs, key) for key in MEASURES}
    needs_graph = method in METHODS and METHODS[method].needs_whole_graph
    return {
        "method": TITLES[method],
        "seeds": str(len(runs)),
        **cells,
        "fit": over_runs(runs, "fit_cpu_seconds", 0),
        "whole_graph": "yes" if needs_graph or method == EXACT else "no",
    }


def paper_cells(name: str) -> dict[str, str]:
    values = zip(MEASURES, PAPER[name], strict=True)
    return {key: f"{value:.3f}" for key, value in values}


def share_table(methods: dict[str, list[Run]]) -> str:
    """NMI, ACC and linear accuracy as a share of the exact embedding's."""
    keys = [key for key in MEASURES if key not in LOW_IS_GOOD]
    exact = {key: fmean(run[key] for run in methods[EXACT]) for key in keys}
    rows = [
        {
            "method": TITLES[method],
            **{key: format_share(runs, key, exact[key]) for key in keys},
        }
        for method, runs in methods.items()
        if method != EXACT
    ]
    columns = {"method": "share of the exact embedding's", **MEASURES}
    for key in LOW_IS_GOOD:
        del columns[key]
    return markdown_table(rows, columns)


def format_share(runs: list[Run], key: str, exact: float) -> str:
    return f"{100 * fmean(run[key] for run in runs) / exact:.1f} %"


def verdicts(methods: dict[str, list[Run]]) -> list[str]:
    """Which methods are better than BASiS in each measure, and which as good."""
    if len(methods.get("basis", [])) < 2:
        return []  # a single run has no standard error
    return [verdict(methods, key) for key in MEASURES]


def verdict(methods: dict[str, list[Run]], key: str) -> str:
    own = [run[key] for run in methods["basis"]]
    better, tied = [], []
    for method, runs in methods.items():
        if method in ("basis", EXACT):
            continue
        values = [run[key] for run in runs]
        entry = f"{TITLES[method]} ({fmean(values):.4f}{whole_graph(method)})"
        if is_tie(own, values):
            tied.append(entry)
        elif (fmean(values) < fmean(own)) == (key in LOW_IS_GOOD):
            better.append(entry)
    lists = {"Better": better, "Within two standard errors": tied}
    return f"- {MEASURES[key][:-2]}: BASiS has {fmean(own):.4f}." + "".join(
        f" {title}: {', '.join(names) or 'none'}." for title, names in lists.items()
    )


def whole_graph(method: str) -> str:
    return ", whole graph" if METHODS[method].needs_whole_graph else ""


def is_tie(first: list[float], second: list[float]) -> bool:
    """Whether the means are within two standard errors of their difference."""
    variance = sum(mean_std(runs)[1] ** 2 / len(runs) for runs in (first, second))
    return abs(fmean(first) - fmean(second)) <= 2 * variance**0.5
