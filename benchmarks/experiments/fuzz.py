"""Thousands of calls with inputs of all kinds, good and odd: each gives a clean answer
or a clear refusal, by the rule of tests/fuzz/judge.py. What breaks it is in the record,
with the shortest call that does.

    python -m benchmarks run fuzz
"""

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import markdown_table
from benchmarks.lib.tasks import run_tasks
from tests.fuzz.families import FAMILIES
from tests.fuzz.judge import Case, Finding, judge, place

# Examples of one task: small enough to keep all processes busy to the end.
AT_ONCE = 100
QUICK = 3
OUTCOMES = {
    "answer": "answers",
    "refused": "refusals",
    "RawError": "raw errors",
    "WrongAnswer": "wrong answers",
    "Hang": "hangs",
}
LONGEST = 1_000  # characters of a call


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--families", nargs="+", choices=FAMILIES, default=[*FAMILIES])
    add("--first-seed", type=int, default=0, help="other examples with another one")


def main(options: argparse.Namespace) -> str | None:
    sizes = {
        name: QUICK if options.quick else FAMILIES[name].in_all
        for name in options.families
    }
    tasks = [
        (name, min(AT_ONCE, size - start), options.first_seed + start // AT_ONCE)
        for name, size in sizes.items()
        for start in range(0, size, AT_ONCE)
    ]
    done = run_tasks(run_family, tasks, options.processes, "fuzz")
    results: dict[str, Any] = {
        name: {**dict.fromkeys(("examples", *OUTCOMES.values(), "seconds"), 0)}
        for name in sizes
    }
    findings: dict[tuple[str, ...], dict[str, str]] = {}
    for (name, *_), (counts, seconds, found) in done:
        for outcome, count in counts.items():
            results[name][OUTCOMES[outcome]] += count
            results[name]["examples"] += count
        results[name]["seconds"] += seconds
        for key, call in found.items():
            row = {"family": name, "kind": key[0], "place": key[2], "call": call}
            rows = row, findings.get((name, *key), row)
            findings[(name, *key)] = min(rows, key=lambda row: len(row["call"]))
    save(
        options,
        {},
        {"families": results, "findings": [findings[key] for key in sorted(findings)]},
        sorted({task[2] for task in tasks}),
    )
    return f"{len(findings)} findings" if findings else None


def run_family(
    name: str, num_examples: int, first: int
) -> tuple[Counter[str], float, dict[tuple[str, str, str], str]]:
    """How some examples of a family ended, the seconds they took, and the shortest call
    for each kind of finding and place."""
    counts: Counter[str] = Counter()
    found: dict[tuple[str, str, str], str] = {}

    @seed(first)
    @settings(
        max_examples=num_examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(FAMILIES[name].cases)
    def run(case: Case) -> None:
        try:
            counts[judge(case)] += 1
        except Finding as finding:
            kind, cause = type(finding).__name__, finding.__cause__
            counts[kind] += 1
            where = place(cause) if cause and cause.__traceback__ else ""
            key = kind, case.function.__name__, where
            call = str(finding)[:LONGEST]
            found[key] = min(found.get(key, call), call, key=len)

    started = time.perf_counter()
    run()
    return counts, time.perf_counter() - started, found


def tables(folder: Path) -> dict[str, str]:
    families = read_results(folder, "fuzz")["families"]
    rows = [{"family": name, **counts} for name, counts in families.items()]
    keys = ("examples", *OUTCOMES.values(), "seconds")
    rows.append({"family": "all", **{key: sum(r[key] for r in rows) for key in keys}})
    for row in rows:
        row["seconds"] = round(row["seconds"])
    return {"fuzz": markdown_table(rows, ("family", *keys))}
