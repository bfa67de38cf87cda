"""Table 1 of the results page, set by set, and what follows from it."""

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from evaluation import MEASURES
from methods import EXACT, METHODS, TITLES
from results import format_mean_std, markdown_table, mean_std
from robustness import LEARNED

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
Run = dict[str, Any]


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
    grouped: dict[str, list[Run]] = {}
    order = [*METHODS, EXACT]
    for run in sorted(runs, key=lambda run: order.index(run["method"])):
        grouped.setdefault(run["method"], []).append(run)
    return grouped


def section(name: str, record: dict[str, Any]) -> str:
    """The table of one set, beside the paper's row, and what follows from it."""
    grouped = by_method(record["results"]["runs"])
    rows = [row(method, runs) for method, runs in grouped.items()]
    rows.append({"method": "BASiS, as published", **paper_cells(name)})
    columns = {"method": NAMES[name], "seeds": "seeds", **MEASURES}
    columns |= {"fit": "fit, CPU s", "whole_graph": "whole graph"}
    chosen = ", ".join(
        f"{TITLES[method]} {runs[0]['parameters']['learning_rate']:g}"
        for method, runs in grouped.items()
        if method in LEARNED
    )
    text = f"### {NAMES[name]}\n\n{markdown_table(rows, columns)}\n"
    text += f"Learning rates: {chosen}.\n\n"
    if EXACT in grouped:
        text += share_table(grouped) + "\n"
    return text + "\n".join(verdicts(grouped)) + "\n"


def row(method: str, runs: list[Run]) -> dict[str, Any]:
    cells = {key: format_mean_std(run[key] for run in runs) for key in MEASURES}
    needs_graph = method in METHODS and METHODS[method].needs_whole_graph
    seconds = [run["fit_cpu_seconds"] for run in runs if "fit_cpu_seconds" in run]
    return {
        "method": TITLES[method],
        "seeds": str(len(runs)),
        **cells,
        "fit": format_mean_std(seconds, digits=0) if seconds else None,
        "whole_graph": "yes" if needs_graph or method == EXACT else "no",
    }


def paper_cells(name: str) -> dict[str, str]:
    values = zip(MEASURES, PAPER[name], strict=True)
    return {key: f"{value:.3f}" for key, value in values}


def short_rows(name: str, runs: list[Run]) -> list[dict[str, Any]]:
    """The README's rows: no variants."""
    shown = ("basis", "basis_coarse", "spectralnet", "specnet2_local", "diffusion_net")
    shown += ("nystroem_sample", "regression", "regression_degree")
    grouped = by_method(runs)
    rows = [row(method, grouped[method]) for method in shown if method in grouped]
    return [{"set": NAMES[name], **cells} for cells in rows]


def share_table(grouped: dict[str, list[Run]]) -> str:
    """NMI, ACC and linear accuracy as a share of the exact embedding's."""
    keys = [key for key in MEASURES if key not in LOW_IS_GOOD]
    exact = {key: fmean(run[key] for run in grouped[EXACT]) for key in keys}
    rows = [
        {
            "method": TITLES[method],
            **{key: format_share(runs, key, exact[key]) for key in keys},
        }
        for method, runs in grouped.items()
        if method != EXACT
    ]
    columns = {"method": "share of the exact embedding's", **MEASURES}
    for key in LOW_IS_GOOD:
        del columns[key]
    return markdown_table(rows, columns)


def format_share(runs: list[Run], key: str, exact: float) -> str:
    return f"{100 * fmean(run[key] for run in runs) / exact:.1f} %"


def verdicts(grouped: dict[str, list[Run]]) -> list[str]:
    """Which methods are better than BASiS in each measure, and which as good."""
    if len(grouped.get("basis", [])) < 2:
        return []  # a single run has no standard error
    return [verdict(grouped, key) for key in MEASURES]


def verdict(grouped: dict[str, list[Run]], key: str) -> str:
    own = [run[key] for run in grouped["basis"]]
    better, tied = [], []
    for method, runs in grouped.items():
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
