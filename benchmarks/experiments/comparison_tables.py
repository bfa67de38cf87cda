"""The tables of the comparison: one a set, a short one, when not to use BASiS; and the
curves of closeness against time."""

from collections.abc import Mapping
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

from benchmarks.data.point_sets import POINT_SETS
from benchmarks.lib.evaluation import LOW_IS_GOOD, MEASURES
from benchmarks.lib.methods import ALL, EXACT, METHODS, TITLES
from benchmarks.lib.record import read_record
from benchmarks.lib.tables import grouped, is_tie, markdown_table, over_runs

Run = dict[str, Any]
Rows = dict[str, list[Run]]

# The BASiS row of the paper's Table 1, in the order of MEASURES.
PAPER = {
    "mnist": (0.107, 0.247, 0.961, 0.986, 0.9852),
    "fashion_mnist": (0.284, 0.590, 0.798, 0.865, 0.8720),
    "svhn": (1.656, 0.488, 0.736, 0.880, 0.8802),
    "cifar10": (0.803, 0.407, 0.501, 0.688, 0.6889),
}
# Title, digits and scale, by the figure.
COLUMNS: Mapping[str, tuple[str, int, float]] = {
    "grassmann_distance": ("d_G ↓", 4, 1),
    "missing": ("K + 5 lack, % ↓", 1, 100),
    "widest_angle": ("angle, ° ↓", 0, 1),
    "eigenvalue_error": ("eigenvalues off, % ↓", 0, 100),
    "orthogonality": ("d_perp ↓", 3, 1),
    "nmi": ("NMI ↑", 3, 1),
    "accuracy": ("ACC ↑", 3, 1),
    "linear_accuracy": ("linear ↑", 3, 1),
    "spread": ("seeds differ ↓", 4, 1),
    "fit_seconds": ("fit, s", 1, 1),
    "transform_seconds": ("transform, s", 2, 1),
    "memory": ("memory, MiB", 0, 1),
    "bytes": ("model, MB", 1, 1e-6),
}
OWN = "BASiS"
# Rows of the short table.
RIVALS = ("Nyström, 10,000 points", "read-out of 1,000 Gaussian kernels", "SpectralNet")
SHORT = {
    "cifar10": (OWN, *RIVALS[:2]),
    "mnist_pixels": (OWN, *RIVALS),
}
SHORT_COLUMNS = ("grassmann_distance", "missing", "nmi", "accuracy", "fit_seconds")
SHORT_COLUMNS += ("transform_seconds", "bytes")
# Of the curves, one a method.
MARKERS = "osv^DPX<>hd*"
# Rivals that are as close count as quicker from this share of the time on.
QUICKER = 0.5


def tables(folder: Path) -> dict[str, str]:
    texts, short, limits = {}, [], []
    for name, description in POINT_SETS.items():
        path = folder / f"comparison_{name}.json"
        if not path.exists():
            continue
        record = read_record(path)
        rows = by_title(record["results"]["runs"])
        texts[f"comparison_{name}"] = section(name, rows, record["settings"])
        for title in SHORT.get(name, ()):
            if title in rows:
                cells = row(title, rows, SHORT_COLUMNS)
                short.append({"set": description.title, **cells})
        if OWN in rows:
            limits.append({"set": description.title, **where_rivals_win(rows)})
    columns = {"set": "set", "method": "method"}
    columns |= {key: COLUMNS[key][0] for key in SHORT_COLUMNS}
    texts["comparison"] = markdown_table(short, columns)
    titles = {
        "set": "set",
        "closer": "closer to the eigenvectors",
        "quicker": f"as close, fitted in less than {QUICKER:.0%} of the time",
        "clusters": "better clusters (NMI)",
    }
    texts["comparison_limits"] = markdown_table(limits, titles)
    return texts


def by_title(runs: list[Run]) -> Rows:
    """The runs that tables show, by the row they make.

    Raises:
        SystemExit: If they are of different features, which do not compare.
    """
    if len({run["parameters"].get("feature_values") for run in runs}) > 1:
        raise SystemExit(
            "runs are of features that were trained apart: do all of them again on "
            "one machine"
        )
    rows: Rows = {}
    for name, method in METHODS.items():
        for value, title in method.titles().items():
            own = [r for r in runs if (r["method"], r["value"]) == (name, value)]
            alike = [with_more(r) for r in own if r["num_more"] == 0]
            more = [1 - r["captured"] for r in own if r["num_more"] and "captured" in r]
            if alike:
                rows[title] = [{**run, "missing": fmean(more) if more else None}
                               for run in alike]  # fmt: skip
    if exact := [run for run in runs if run["method"] == EXACT]:
        rows[TITLES[EXACT]] = exact
    return rows


def with_more(run: Run) -> Run:
    return {**run, "widest_angle": max(run["angles"])} if "angles" in run else run


def section(name: str, rows: Rows, settings: dict[str, Any]) -> str:
    """The table of one set, with the paper's row."""
    num_points, num_new = settings["num_points"]
    caption = (
        f"{POINT_SETS[name].about}. {num_points:,} points, {num_new:,} new ones; "
        f"K = {settings['num_columns']}, "
        f"and eigenvalue K + 1 is {settings['gap']:.2f} times eigenvalue K."
    )
    shown = [row(title, rows, COLUMNS) for title in rows]
    if name in PAPER:
        cells = zip(MEASURES, PAPER[name], strict=True)
        published = {key: f"{value:.3f}" for key, value in cells}
        shown.append({"method": "BASiS, as published", **published})
    titles = {key: column[0] for key, column in COLUMNS.items()}
    present = [k for k in titles if any(r.get(k) is not None for r in shown)]
    text = markdown_table(shown, {"method": "method"} | {k: titles[k] for k in present})
    return f"{caption}\n\n{text}"


def row(title: str, rows: Rows, columns: Any) -> dict[str, Any]:
    runs, cells = rows[title], {"method": title}
    for key in columns:
        _, digits, scale = COLUMNS[key]
        text = over_runs(runs, key, digits, scale)
        if key == "missing" and text is not None:
            text = text.split(" ")[0]  # of one seed
        if text is not None and key in MEASURES and title not in (OWN, TITLES[EXACT]):
            text += mark(rows.get(OWN, []), runs, key)
        cells[key] = text
    return cells


def mark(own: list[Run], rival: list[Run], key: str) -> str:
    """` =` within two standard errors of BASiS, ` +` where the rival is better."""
    first, second = ([r[key] for r in runs if key in r] for runs in (own, rival))
    if len(first) < 2 or len(second) < 2:
        return ""
    if is_tie(first, second):
        return " ="
    return " +" if (fmean(second) < fmean(first)) == (key in LOW_IS_GOOD) else ""


def where_rivals_win(rows: Rows) -> dict[str, str]:
    own = rows[OWN]
    seconds = mean_of(own, "fit_seconds")
    found: dict[str, list[str]] = {"closer": [], "quicker": [], "clusters": []}
    for title, runs in rows.items():
        if title in (OWN, TITLES[EXACT]) or "grassmann_distance" not in runs[0]:
            continue
        distance = mark(own, runs, "grassmann_distance")
        taken = mean_of(runs, "fit_seconds")
        text = f"{title} ({mean_of(runs, 'grassmann_distance'):.4f}, {taken:.0f} s)"
        if distance == " +":
            found["closer"].append(text)
        elif distance == " =" and taken < QUICKER * seconds:
            found["quicker"].append(text)
        if "nmi" in runs[0] and mark(own, runs, "nmi") == " +":
            found["clusters"].append(f"{title} ({mean_of(runs, 'nmi'):.3f})")
    figures = f"{mean_of(own, 'grassmann_distance'):.4f}, {seconds:.0f} s"
    return {
        "basis": figures,
        **{key: "; ".join(names) or "none" for key, names in found.items()},
    }


def mean_of(runs: list[Run], key: str) -> float:
    return fmean(run[key] for run in runs if key in run)


def curves(folder: Path) -> Figure:
    """d_G against the seconds of a fit, a panel a set and a line a method."""
    paths = {name: folder / f"comparison_{name}.json" for name in POINT_SETS}
    paths = {name: path for name, path in paths.items() if path.exists()}
    num_columns = min(len(paths), 3 if len(paths) > 4 else 2)
    num_rows = -(-len(paths) // num_columns)
    figure = Figure(figsize=(4.6 * num_columns, 3.6 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
    lines: dict[str, Any] = {}
    for panel, (name, path) in zip(panels, paths.items(), strict=False):
        runs = read_record(path)["results"]["runs"]
        for i, method in enumerate(METHODS):
            groups = grouped(
                [r for r in runs if r["method"] == method and not r["num_more"]
                 and "grassmann_distance" in r],
                "value",
            )  # fmt: skip
            if groups:
                # From less to more effort.
                order = sorted(groups, key=lambda key: inf if key == (ALL,) else key[0])
                seconds, distances = (
                    [mean_of(groups[key], figure) for key in order]
                    for figure in ("fit_seconds", "grassmann_distance")
                )
                # The dark colors first.
                color = colormaps["tab20"](2 * i % 20 + i // 10)
                style = {"color": color, "marker": MARKERS[i]}
                if method == "basis":
                    style |= {"color": "black", "lw": 2.5}
                (lines[TITLES[method]],) = panel.plot(seconds, distances, ms=5, **style)
        panel.set(xscale="log", yscale="log", title=POINT_SETS[name].title)
        panel.set(xlabel="fit, CPU s", ylabel="d_G")
    for panel in panels[len(paths) :]:
        panel.set_axis_off()
    figure.legend(
        lines.values(),
        lines,
        loc="outside lower center",
        ncols=num_columns + 1,
        frameon=False,
    )
    return figure
