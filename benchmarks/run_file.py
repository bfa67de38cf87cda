"""A JSON file of runs that grows: what was broken off goes on, what has changed is done
again, and two processes that write to one file lose nothing.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from results import plain, read_results, write_results

Run = dict[str, Any]


class RunFile:
    """Runs by their keys, such as method and seed. Each also records the parameters it
    was made with: with others it counts as not done, and is replaced."""

    def __init__(
        self, path: Path, keys: tuple[str, ...], settings: Mapping[str, Any]
    ) -> None:
        self.path, self.keys, self.settings = path, keys, settings

    def runs(self) -> list[Run]:
        if not self.path.exists():
            return []
        runs: list[Run] = read_results(self.path)["results"]["runs"]
        return runs

    def has(self, key: tuple[Any, ...], parameters: Mapping[str, Any]) -> bool:
        wanted = plain(parameters)
        return any(
            self._key(run) == key and run.get("parameters") == wanted
            for run in self.runs()
        )

    def add(
        self,
        key: tuple[Any, ...],
        parameters: Mapping[str, Any],
        figures: Mapping[str, Any],
    ) -> None:
        run = dict(zip(self.keys, key, strict=True)) | dict(figures)
        with self._alone():
            others = [run for run in self.runs() if self._key(run) != key]
            runs = [*others, {**run, "parameters": dict(parameters)}]
            runs.sort(key=self._key)  # whatever the order they were done in
            seeds = sorted({run.get("seed", 0) for run in runs})
            write_results(self.path, self.settings, {"runs": runs}, seeds)

    def _key(self, run: Run) -> tuple[Any, ...]:
        return tuple(run[name] for name in self.keys)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
