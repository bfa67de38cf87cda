"""A JSON file of runs that grows: what was broken off goes on, what has changed is done
again, and two processes that write to one file lose nothing.
"""

import argparse
import fcntl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lib.record import (
    ROOT,
    command_line,
    commit_of,
    plain,
    read_record,
    write_record,
)

Run = dict[str, Any]

# What parameters of BASiS were called in earlier records, and what those that a record
# does not name had been.
RENAMED = {
    "anchors": "anchor_method",
    "drop_trivial": "drop_first",
    "n_workers": "num_workers",
}
FORMER_DEFAULTS = {
    "laplacian": "sym",
    "drop_first": False,
    "eigen_solver": "auto",
    "graph_targets": "auto",
    "alpha": 0.0,
    "diffusion_time": None,
    "updatable": False,
    "metric": "euclidean",
}


class RunFile:
    """Runs by their keys, such as method and seed. Each also records the parameters it
    was made with: with others it counts as not done, and is replaced."""

    def __init__(
        self, path: Path, keys: tuple[str, ...], settings: Mapping[str, Any]
    ) -> None:
        self.path, self.keys, self.settings = path, keys, settings

    @classmethod
    def of(
        cls, options: argparse.Namespace, keys: tuple[str, ...], **settings: Any
    ) -> "RunFile":
        """That of an experiment, `<output>/<name>.json`."""
        path = options.output / f"{options.experiment}.json"
        return cls(path, keys, {**settings, "quick": options.quick})

    def runs(self) -> list[Run]:
        if not self.path.exists():
            return []
        runs: list[Run] = read_record(self.path)["results"]["runs"]
        return runs

    def has(self, key: tuple[Any, ...], parameters: Mapping[str, Any]) -> bool:
        return any(
            self._key(run) == key and was_made_with(run, parameters)
            for run in self.runs()
        )

    def add(
        self,
        key: tuple[Any, ...],
        parameters: Mapping[str, Any],
        figures: Mapping[str, Any],
    ) -> None:
        run = dict(zip(self.keys, key, strict=True)) | dict(figures)
        # Runs of one file may be of several commands.
        run |= {"commit": commit_of(ROOT), "command": command_line(sys.argv)}
        with self._alone():
            others = [run for run in self.runs() if self._key(run) != key]
            runs = [*others, {**run, "parameters": dict(parameters)}]
            runs.sort(key=self._key)  # whatever the order they were done in
            seeds = sorted({run.get("seed", 0) for run in runs})
            write_record(self.path, self.settings, {"runs": runs}, seeds)

    def _key(self, run: Run) -> tuple[Any, ...]:
        return tuple(run[name] for name in self.keys)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def was_made_with(run: Run, parameters: Mapping[str, Any]) -> bool:
    """Whether a run records all of these parameters, by their present or former names.
    What it records beyond them are options that a method had in the past, and only ever
    at their default."""
    recorded = run.get("parameters", {})
    former = {new: recorded[old] for old, new in RENAMED.items() if old in recorded}
    recorded = {**FORMER_DEFAULTS, **former, **recorded}
    wanted: dict[str, Any] = plain(parameters)
    return all(name in recorded and recorded[name] == wanted[name] for name in wanted)
