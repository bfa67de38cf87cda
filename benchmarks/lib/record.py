"""What the benchmarks write down: results as JSON, with all that is needed to obtain
them again."""

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import cpu_count

import pyg_basis
from benchmarks.lib.files import replacing

PACKAGES = ("torch", "torch_geometric", "numpy", "scipy", "scikit-learn")
ROOT = Path(__file__).parents[2]
# A record names no folder of the machine: this word replaces a path.
HIDDEN_PATH = "DIR"
PATH_OPTION = re.compile(r"-(.*[-_])?(dir|root|path|folder|out|output|cache)$")


def save(
    options: argparse.Namespace,
    settings: Mapping[str, Any],
    results: Any,
    seeds: Iterable[int] | None = None,
) -> dict[str, Any]:
    """Writes the record of an experiment, `<output>/<name>.json`, and returns its
    results as they are written: rounded once, for tables and pictures too."""
    path = options.output / f"{options.experiment}.json"
    settings = {**settings, "quick": options.quick}
    seeds = range(options.seeds) if seeds is None else seeds
    return write_record(path, settings, results, seeds)["results"]


def write_record(
    path: Path, settings: Mapping[str, Any], results: Any, seeds: Iterable[int]
) -> dict[str, Any]:
    """Writes results with the command, the machine and the versions; returns the
    record, as :func:`read_record` reads it back. An older file is replaced at once or
    not at all. See :func:`plain` for what settings and results may hold."""
    record = {
        "command": command_line(sys.argv),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "machine": machine(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "seeds": [int(seed) for seed in seeds],
        "settings": plain(settings, "settings"),
        "results": plain(results, "results"),
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return record


def read_record(path: Path) -> dict[str, Any]:
    """The record that :func:`write_record` wrote."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def read_results(folder: Path, name: str) -> Any:
    """The results of the record `<folder>/<name>.json`."""
    return read_record(folder / f"{name}.json")["results"]


def command_line(arguments: Sequence[str]) -> str:
    """The command as typed at the root of the repository, its paths hidden."""
    name = Path(arguments[0]).name
    program = "-m benchmarks" if name == "__main__.py" else f"benchmarks/{name}"
    words = ["python", program]
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
    """Cores that this process may use, processor, memory and platform."""
    cpu_info = Path("/proc/cpuinfo")
    text = cpu_info.read_text(encoding="utf-8") if cpu_info.exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    record: dict[str, Any] = {
        "cores": cpu_count(),
        "cpu": match[1] if match else platform.processor() or platform.machine(),
        "memory": f"{num_bytes / 2**30:.0f} GiB",
        "platform": f"{platform.system()} {platform.machine()}",
    }
    if torch.cuda.is_available():
        record["gpu"] = torch.cuda.get_device_name()
    return record


def versions() -> dict[str, str]:
    """Versions of Python, of the packages the figures depend on, and of this one."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "pyg_basis": pyg_basis.__version__,
    }


def commit_of(root: Path) -> str:
    """The commit that is checked out in a folder, with "-dirty" where files differ from
    it."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()


def is_older(path: Path, tag: str) -> bool:
    """Whether a record, or one of its runs, was made by code from before a tag or
    commit, or by code that was not committed."""
    record = read_record(path)
    results = record["results"]
    runs = results.get("runs", []) if isinstance(results, dict) else []
    commits = {run.get("commit", record.get("commit", "")) for run in runs}
    commits = commits or {record.get("commit", "")}
    command = ["git", "-C", str(ROOT), "merge-base", "--is-ancestor", tag]
    return any(
        not commit
        or commit.endswith("-dirty")
        or subprocess.run([*command, commit], stderr=subprocess.DEVNULL).returncode != 0
        for commit in commits
    )


def plain(value: Any, name: str = "value") -> Any:
    """The value in JSON's own types: floats have 6 significant digits, NaN and infinity
    become `null`, with a warning, and paths are hidden."""
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
