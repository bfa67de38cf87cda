"""All that is fuzzed, and with how many examples."""

from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

from tests.fuzz import (
    alignment,
    command_line,
    estimators,
    files,
    graphs,
    layer,
    metrics,
    plot,
    points,
)
from tests.fuzz.judge import Case


class Family(NamedTuple):
    """Calls of one part of the package.

    Args:
        cases: What is called.
        in_tests: Examples of each run of the tests.
        in_all: Examples of `make fuzz`; those of all families are 10,000.
    """

    cases: SearchStrategy[Case]
    in_tests: int
    in_all: int


FAMILIES = {
    "points": Family(points.cases(), 300, 1_500),
    "graphs": Family(graphs.cases(), 400, 1_900),
    "alignment": Family(alignment.cases(), 300, 1_400),
    "metrics": Family(metrics.cases(), 300, 1_200),
    "plot": Family(plot.cases(), 60, 500),
    "estimators": Family(estimators.cases(), 60, 1_000),
    "layer": Family(layer.cases(), 100, 1_000),
    "files": Family(files.cases(), 150, 900),
    "command line": Family(command_line.cases(), 80, 600),
}
