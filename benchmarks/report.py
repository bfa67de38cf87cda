"""The results page docs/results.md, from the JSON files of benchmarks/results/.

    python benchmarks/report.py

Also the short table of the README (table1.md, put in by readme.py) and Fig. 4.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
from evaluation import MEASURES
from image_features import DATASETS
from matplotlib import pyplot as plt
from methods import EXACT, METHODS, TITLES
from results import format_mean_std, markdown_table, mean_std, read_results
from robustness import LEARNED

from pyg_basis import BASiS

matplotlib.use("Agg")

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
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
# The rival that needs the graph of all points is judged apart.
RIVALS = [name for name, method in METHODS.items() if method.needs_whole_graph]
OWN = [name for name, method in METHODS.items() if method.estimator is BASiS]
Run = dict[str, Any]

# What is said of the scripts on moving features (Algorithm 2).
JOINT = (
    (
        "joint",
        "Features and spectrum learned together (Figs. 6 to 8)",
        "MNIST: a spectral step in every tenth iteration of the features, whose "
        "reference follows them (T_G); beside it one whose reference begins anew each "
        "time. The exact eigenvectors are those of the graph of held-out digits under "
        "the same features. In the second row the spectral loss reaches the features.",
        {
            "joint_curves": "Losses, NMI and ACC during the training",
            "joint_maps": "t-SNE of the embedding of held-out digits, first and last",
            "joint_bases": "Digits 4, 7, 9: the reference before and after T_G",
        },
    ),
    (
        "moving_features",
        "How references drift, and what an update costs",
        "10,000 updates under features that turn slowly, alone and with fresh noise in "
        "every update, whose true embedding stays where it is; and the time of a "
        "spectral step with its update beside one without.",
        {"moving_features": "Change of the reference against the number of updates"},
    ),
    (
        "joint_cora",
        "Joint training in a graph neural network (Cora)",
        "Ten random splits. The weight of the spectral loss is chosen by the accuracy "
        "on validation nodes; the GCN alone has none to choose.",
        {},
    ),
)

INTRODUCTION = """# Results

This page is made by `python benchmarks/report.py` from the JSON files in
[`benchmarks/results/`](../benchmarks/results), which hold the commands, seeds,
versions and the machine. No number in it is typed by hand, but the paper's row.

## Table 1

`python benchmarks/learning_rates.py --data-root DIR`, then
`python benchmarks/run_all.py --data-root DIR`.

Every method sees the same 16 siamese features (Eq. 21, learned from the labels of the
training split). All that learn have the same network, 300 iterations and a learning
rate of their own, chosen by d_G on a held-out part of the training split; but for the
rows of published settings, which have 1,000 iterations of 512 points, fixed rates, and
anchors chosen by class, with training labels. All measures are taken on the
test split, of which every learned method embeds each point by itself. d_G is the
distance (Eq. 16) to the exact eigenvectors of the test split's own graph; k-means (NMI,
ACC) and the linear layer (linear accuracy) are fitted on the embedding of the training
split. Exact eigenvectors exist for the test split only: their k-means is fitted there,
and their linear layer on one half of it. Mean and standard deviation over the seeds.

"Whole graph" marks what needs the graph of all training points; the graphs of the
others do not grow with their number. BASiS, SpectralNet and SpecNet2 end in an
orthonormalisation: BASiS on all points, up to 100,000, the others on the graph of
10,000 that they take apart into eigenvectors with it, which is more than the one batch
of their papers. Diffusion Net and the regressions do not.

The two rows of published settings differ from the publications where
`pyg_basis.estimators.preset` says so. SpectralNet here passes gradients through its
orthogonalisation, which makes it stronger than the published alternation (see its
docstring).

BASiS learns the eigenvectors of a graph of 10,000 sampled points. "Reference of one
batch" learns the coarser ones of 2,048, as `BASiSClustering` does: where no gap follows
the last eigenvalue (CIFAR-10) they are far from the exact ones, and cluster better.

Most of what separates an embedding from the exact one is the degree. BASiS learns it
apart from a sample ("degree extended"), as no published method does; the regression
with and without it, and BASiS with the published settings, show how much that is.

### What does not compare, and why

- Our siamese features are not the paper's, so the paper's BASiS row stands here for
  orientation.
- CIFAR-10 here is JPEG-coded, and SVHN a small part (4,434 training images).
- The paper's code takes other forms of d_G, d_perp and NMI than the paper's text, and
  anchors from the test split; ours come from the training split.
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/results.md")
    options = parser.parse_args(arguments)
    parts, short = [INTRODUCTION], []
    for name in DATASETS:
        path = options.results / f"table1_{name}.json"
        if path.exists():
            record = read_results(path)
            parts.append(section(name, record))
            short += short_rows(name, record["results"]["runs"])
    parts.append(limits_section(options.results))
    parts.append(robustness_section(options.results))
    parts.append(peers_section(options.results))
    parts += [joint_section(options.results, *about) for about in JOINT]
    options.page.write_text("\n".join(part for part in parts if part))
    columns = {"set": "set", "method": "method", "seeds": "seeds", **MEASURES}
    (options.results / "table1.md").write_text(markdown_table(short, columns))
    print(f"written to {options.page} and {options.results}")


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
    shown += ("regression", "regression_degree")
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
    return (
        f"{TITLES[best]} is the best ({value:.4f}); BASiS ({own:.4f}) is {within} one "
        f"standard deviation of it."
    )


def summary(
    grouped: dict[str, list[Run]], method: str, key: str
) -> tuple[float, float]:
    return mean_std(run[key] for run in grouped[method])


def _better(key: str, value: float, than: float) -> bool:
    return value < than if key in LOW_IS_GOOD else value > than


def limits_section(results: Path) -> str:
    """Up to how many points the exact eigenvectors, which regression and the Nyström
    formula start from, can be had."""
    path = results / "scaling.json"
    if not path.exists():
        return ""
    record = read_results(path)
    lines = [
        f"- {run['method']}, {run['n']:,} points: "
        + (
            run["gave_up"]
            or f"{run['seconds']:.0f} s, {run['own_memory']:.0f} MiB of own memory, "
            f"d_G {run['distance']:.4f}"
        )
        for run in record["results"]["runs"]
    ]
    return (
        "### How the cost of the whole graph grows\n\n"
        "Regression and the Nyström formula begin with the exact eigenvectors of the "
        "graph of all training points. On points of the sphere in 16 dimensions, by "
        f"`{record['command']}` (BASiS for as long as it took to bring d_G below 0.01, "
        "or the longest that was tried; 240 s at most for the others):\n\n"
        + "\n".join(lines)
        + "\n"
    )


def robustness_section(results: Path) -> str:
    """Fig. 4 and its table."""
    path = results / "robustness.json"
    if not path.exists():
        return ""
    runs = read_results(path)["results"]["runs"]
    figure, panels = plt.subplots(1, 5, figsize=(19, 3.8), layout="constrained")
    for panel, (key, title) in zip(panels, MEASURES.items(), strict=True):
        for method, of_method in by_method(runs).items():
            counts = sorted({run["n_neighbors"] for run in of_method})
            points = [
                mean_std(r[key] for r in of_method if r["n_neighbors"] == count)
                for count in counts
            ]
            means, deviations = zip(*points, strict=True)
            panel.errorbar(
                counts, means, deviations, label=TITLES[method], marker="o", ms=3
            )
        panel.set(title=title, xlabel="neighbours", xscale="log")
        ticks = sorted({run["n_neighbors"] for run in runs})
        panel.set_xticks(ticks, labels=ticks)
        panel.minorticks_off()
        if key in LOW_IS_GOOD:
            panel.set_yscale("log")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    figure.savefig(results / "robustness.png", dpi=100)
    plt.close(figure)
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["method"], run["n_neighbors"]), []).append(run)
    rows = [
        {**row(method, of_point), "n_neighbors": str(count)}
        for (method, count), of_point in sorted(
            groups.items(), key=lambda item: (LEARNED.index(item[0][0]), item[0][1])
        )
    ]
    columns = {"method": "method", "n_neighbors": "neighbours", "seeds": "seeds"}
    return (
        "## Number of neighbours (Fig. 4)\n\n"
        "`python benchmarks/robustness.py --data-root DIR`, MNIST.\n\n"
        "![All measures against the number of neighbours]"
        "(../benchmarks/results/robustness.png)\n\n"
        + markdown_table(rows, {**columns, **MEASURES})
    )


def joint_section(
    results: Path, name: str, title: str, text: str, figures: dict[str, str]
) -> str:
    """A table that its own script made, with its figures."""
    path = results / f"{name}.md"
    if not path.exists():
        return ""
    command = read_results(results / f"{name}.json")["command"]
    pictures = "\n\n".join(
        f"![{caption}](../benchmarks/results/{figure}.png)"
        for figure, caption in figures.items()
    )
    return f"## {title}\n\n`{command}`\n\n{text}\n\n{path.read_text()}\n{pictures}\n"


def peers_section(results: Path) -> str:
    """The table that peers.py made."""
    path = results / "peers.md"
    if not path.exists():
        return ""
    command = read_results(results / "peers.json")["command"]
    return f"## Other packages\n\n`{command}`\n\n{path.read_text()}"


if __name__ == "__main__":
    main()
