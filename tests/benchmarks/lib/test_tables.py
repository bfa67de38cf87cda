import numpy as np
import pytest

from benchmarks.lib import tables


def test_mean_and_standard_deviation():
    assert tables.mean_std([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert tables.mean_std(np.array([0.5])) == (0.5, 0.0)
    assert tables.format_mean_std([0.97, 0.98]) == "0.975 ± 0.007"
    assert tables.format_mean_std([0.97]) == "0.970"
    assert tables.format_mean_std([0.97, 0.99], digits=1, scale=100) == "98.0 ± 1.4"
    with pytest.raises(ValueError, match="at least one run"):
        tables.mean_std([])


def test_markdown_table():
    rows = [
        {"method": "BASiS", "nmi": "0.97 ± 0.01", "seconds": 1.23456, "seed": 0},
        {"method": "a|b", "nmi": None, "seconds": 100},
    ]
    columns = {"method": "Method", "nmi": "NMI", "seconds": "s"}
    assert tables.markdown_table(rows, columns) == (
        "| Method |         NMI |     s |\n"
        "| ------ | ----------: | ----: |\n"
        "| BASiS  | 0.97 ± 0.01 | 1.235 |\n"
        "| a\\|b   |           – |   100 |\n"
    )
    assert tables.markdown_table([], ["nmi"]) == "| nmi |\n| --- |\n"


def test_runs_are_grouped_and_their_figures_shown_together():
    runs = [
        {"set": "b", "seed": 0, "nmi": 0.5},
        {"set": "a", "seed": 0, "nmi": None},
        {"set": "b", "seed": 1, "nmi": 1.0},
    ]
    groups = tables.grouped(runs, "set")
    assert groups == {("b",): [runs[0], runs[2]], ("a",): [runs[1]]}
    assert tables.over_runs(groups[("b",)], "nmi", 1, 100) == "75.0 ± 35.4"
    assert tables.over_runs(groups[("a",)], "nmi") is None
    assert tables.over_runs(runs, "accuracy") is None
