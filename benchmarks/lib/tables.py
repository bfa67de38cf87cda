"""Tables in Markdown, and the means over runs in their cells."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Run = Mapping[str, Any]


def mean_std(values: Iterable[float]) -> tuple[float, float]:
    """Mean and standard deviation over runs (of the sample; 0 for a single run)."""
    runs = [float(value) for value in values]
    if not runs:
        raise ValueError("values must hold at least one run, got none.")
    return statistics.fmean(runs), statistics.stdev(runs) if len(runs) > 1 else 0.0


def is_tie(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the means are within two standard errors of their difference."""
    variance = sum(mean_std(runs)[1] ** 2 / len(runs) for runs in (first, second))
    distance = statistics.fmean(first) - statistics.fmean(second)
    return abs(distance) <= 2 * variance**0.5


def format_mean_std(values: Iterable[float], digits: int = 3, scale: float = 1) -> str:
    """For example `"0.970 ± 0.002"`, or `"0.970"` of a single run.

    Args:
        values: One number a run.
        digits: Digits after the decimal point.
        scale: Factor on the numbers; 100 for percentages.
    """
    runs = [scale * float(value) for value in values]
    mean, std = mean_std(runs)
    text = f"{mean:.{digits}f}"
    return f"{text} ± {std:.{digits}f}" if len(runs) > 1 else text


def grouped(runs: Iterable[Run], *keys: str) -> dict[tuple[Any, ...], list[Run]]:
    """The runs that have the same values of the keys, in the order they come."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return groups


def over_runs(
    runs: Iterable[Run], key: str, digits: int = 3, scale: float = 1
) -> str | None:
    """One figure of some runs as text; None where no run has it."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return format_mean_std(values, digits, scale) if values else None


def row_of(
    runs: Sequence[Run], columns: Mapping[str, tuple[str, int, float]]
) -> dict[str, str | None]:
    """The figures of some runs by the titles of their columns: for each figure the
    title, the digits and the scale."""
    return {
        title: over_runs(runs, key, digits, scale)
        for key, (title, digits, scale) in columns.items()
    }


def markdown_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | Mapping[str, str]
) -> str:
    """A table in GitHub's Markdown, aligned in the source as well.

    Args:
        rows: One dictionary a row. Floats are shown with 4 significant digits; None
            and missing entries as a dash.
        columns: Keys to show, in order, or a dictionary from the keys to the titles.

    Returns:
        The lines of the table, the last one with a line break.
    """
    titles = columns if isinstance(columns, Mapping) else {key: key for key in columns}
    lines = []
    for key, title in titles.items():
        values = [row.get(key) for row in rows]
        cells = [_cell(value) for value in (title, *values)]
        width = max(3, *map(len, cells))
        # Numbers, also "0.970 ± 0.002", stand at the right.
        if any(cell[:1].isdigit() or cell[:1] == "-" for cell in cells[1:]):
            rule, cells = "-" * (width - 1) + ":", [cell.rjust(width) for cell in cells]
        else:
            rule, cells = "-" * width, [cell.ljust(width) for cell in cells]
        lines.append([cells[0], rule, *cells[1:]])
    return "".join(f"| {' | '.join(line)} |\n" for line in zip(*lines, strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", r"\|").replace("\n", " ")
