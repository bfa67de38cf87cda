"""Table 1 of the results page, set by set, and what follows from it."""

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from evaluation import MEASURES
from methods import EXACT, METHODS, TITLES
from results import format_mean_std, markdown_table, mean_std
from robustness import LEARNED

from pyg_basis import BASiS

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
# Of the exact eigenvectors' linear layer less is to be said: it learned from fewer.
CLUSTERING = ("nmi", "accuracy")
# The rival that needs the graph of all points is judged apart.
RIVALS = [name for name, method in METHODS.items() if method.needs_whole_graph]
OWN = [name for name, method in METHODS.items() if method.estimator is BASiS]
Run = dict[str, Any]


def by_method(runs: Iterable[Run]) -> dict[str, list[Run]]:
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
    """In which measures BASiS is the best of the methods that need no whole graph, or
    within a standard deviation of it, and where one that does need it is better."""
    if "basis" not in grouped:
        return []
    lines = []
    for key, title in MEASURES.items():
        own, own_std = summary(grouped, "basis", key)
        inductive = [
            method
            for method in grouped
            if method in LEARNED and method not in [*RIVALS, *OWN]
        ]
        lines.append(f"- {title[:-2]}: {_place(grouped, key, own, own_std, inductive)}")
        coarse = (
            summary(grouped, "basis_coarse", key)[0]
            if "basis_coarse" in grouped
            else own
        )
        if _better(key, coarse, own):
            lines[-1] += f" With a reference of one batch it has {coarse:.4f}."
        for rival in [method for method in grouped if method in RIVALS]:
            value, _ = summary(grouped, rival, key)
            if _better(key, value, own):
                lines[-1] += (
                    f" {TITLES[rival]}, with the whole graph, is better by "
                    f"{abs(value - own):.4f}."
                )
    return lines


def _place(
    grouped: dict[str, list[Run]],
    key: str,
    own: float,
    own_std: float,
    others: list[str],
) -> str:
    if not others:
        return "no other method was run."
    values = {method: summary(grouped, method, key) for method in others}
    sign = 1 if key in LOW_IS_GOOD else -1
    best = min(others, key=lambda method: sign * values[method][0])
    value, std = values[best]
    if _better(key, own, value):
        return f"BASiS is the best ({own:.4f}; next {TITLES[best]}, {value:.4f})."
    if len(grouped["basis"]) == 1:
        return (
            f"{TITLES[best]} is the best ({value:.4f}; BASiS {own:.4f}). One seed "
            f"tells no deviation."
        )
    within = "within" if abs(own - value) <= max(own_std, std) else "beyond"
    text = (
        f"{TITLES[best]} is the best ({value:.4f}); BASiS ({own:.4f}) is {within} one "
        f"standard deviation of it."
    )
    if EXACT in grouped and key in CLUSTERING:
        exact, _ = summary(grouped, EXACT, key)
        text += f" The exact eigenvectors themselves have {exact:.4f}."
    return text


def summary(
    grouped: dict[str, list[Run]], method: str, key: str
) -> tuple[float, float]:
    return mean_std(run[key] for run in grouped[method])


def _better(key: str, value: float, than: float) -> bool:
    return value < than if key in LOW_IS_GOOD else value > than
