r"""What the benchmarks write down: results as JSON, tables as Markdown."""

import argparse
import json
import math
import os
import platform
import re
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pyg_basis

PACKAGES = ("torch", "torch_geometric", "numpy", "scipy", "scikit-learn")
# No folder of the machine is told: a path stands in the record as this word.
HIDDEN_PATH = "DIR"
PATH_OPTION = re.compile(r"-(.*[-_])?(dir|root|path|folder|out|output|cache)$")


def make_output_folder(options: argparse.Namespace) -> None:
    """Makes the folder that is asked for, or the usual one; smoke runs have their own,
    lest they replace results."""
    if options.output is None:
        options.output = Path("runs/quick" if options.quick else "benchmarks/results")
    options.output.mkdir(parents=True, exist_ok=True)


def write_results(
    path: str | os.PathLike[str],
    settings: Mapping[str, Any],
    results: Any,
    seeds: Sequence[int],
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    r"""Write results with all that is needed to obtain them again.

    Args:
        path: The JSON file; an older one is replaced at once or not at all.
        settings: What was run. Paths in it are hidden.
        results: Figures in lists and dictionaries: numbers, NumPy arrays and tensors.
            Floats keep 6 significant digits; NaN and infinity become `null`, with a
            warning.
        seeds: The seeds used.
        command: The program and its arguments; by default those of this process.

    Returns:
        The record, as :func:`read_results` reads it back.
    """
    record = {
        "command": command_line(sys.argv if command is None else command),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "seeds": [int(seed) for seed in seeds],
        "settings": plain(settings, "settings"),
        "results": plain(results, "results"),
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    return record


def read_results(path: str | os.PathLike[str]) -> dict[str, Any]:
    r"""The record that :func:`write_results` wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def command_line(arguments: Sequence[str]) -> str:
    r"""The command as typed at the root of the repository, its paths hidden."""
    words = ["python", f"benchmarks/{Path(arguments[0]).name}"]
    after_path_option = False
    for argument in arguments[1:]:
        option, equals, value = argument.rpartition("=")
        named_path = after_path_option or bool(equals and PATH_OPTION.match(option))
        # Several folders may follow one option, until the next option.
        after_path_option = bool(PATH_OPTION.match(argument)) or (
            after_path_option and not argument.startswith("-")
        )
        if argument.startswith("-") and not equals:
            words.append(argument)
        elif named_path or _looks_like_a_path(value):
            words.append(f"{option}{equals}{HIDDEN_PATH}")
        else:
            words.append(argument)
    return " ".join(words)


def _looks_like_a_path(value: str) -> bool:
    return value in (".", "..") or "/" in value or "\\" in value or value[:1] == "~"


def machine() -> dict[str, Any]:
    r"""Cores that this process may use, processor, memory and platform."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    record: dict[str, Any] = {
        "cores": cores,
        "cpu": _processor_name(),
        "memory": _memory(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    if torch.cuda.is_available():
        record["gpu"] = torch.cuda.get_device_name()
    return record


def _processor_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def _memory() -> str | None:
    try:
        num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system tells
        return None
    return f"{num_bytes / 2**30:.0f} GiB"


def versions() -> dict[str, str]:
    r"""Versions of Python, of the packages the figures hang on, and of this one."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "pyg_basis": pyg_basis.__version__,
    }


def plain(value: Any, name: str = "value") -> Any:
    r"""The value in JSON's own types, floats with 6 significant digits."""
    if isinstance(value, Mapping):
        return {str(key): plain(value[key], f"{name}.{key}") for key in value}
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return plain(value.tolist(), name)
    if isinstance(value, list | tuple | set | range):
        return [plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float):
        if math.isfinite(value):
            return float(f"{value:.6g}")
        warnings.warn(f"{name} is {value}; it is written as null.", stacklevel=2)
        return None
    if isinstance(value, os.PathLike):
        return HIDDEN_PATH
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{name} cannot be written as JSON, its type is {type(value)}.")


def mean_std(values: Iterable[float]) -> tuple[float, float]:
    r"""Mean and standard deviation over runs (of the sample; 0 for a single run)."""
    runs = [float(value) for value in values]
    if not runs:
        raise ValueError("values must hold at least one run, got none.")
    return statistics.fmean(runs), statistics.stdev(runs) if len(runs) > 1 else 0.0


def format_mean_std(values: Iterable[float], digits: int = 3, scale: float = 1) -> str:
    r"""For example `"0.970 ± 0.002"`, or `"0.970"` of a single run.

    Args:
        values: One number a run.
        digits: Digits after the decimal point.
        scale: Factor on the numbers; 100 for percentages.
    """
    runs = [scale * float(value) for value in values]
    mean, std = mean_std(runs)
    text = f"{mean:.{digits}f}"
    return f"{text} ± {std:.{digits}f}" if len(runs) > 1 else text


def markdown_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | Mapping[str, str]
) -> str:
    r"""A table in GitHub's Markdown, aligned in the source as well.

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
