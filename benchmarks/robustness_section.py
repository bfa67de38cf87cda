"""Fig. 4 of the results page and its table."""

from pathlib import Path

import matplotlib
from evaluation import MEASURES
from matplotlib import pyplot as plt
from methods import TITLES
from results import markdown_table, mean_std, read_results
from robustness import SHOWN
from table1_section import LOW_IS_GOOD, Run, by_method, row

matplotlib.use("Agg")


def robustness_section(results: Path) -> str:
    """Draws the figure beside its record, and gives the text with the table."""
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
            groups.items(), key=lambda item: (SHOWN.index(item[0][0]), item[0][1])
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
