from typing import Any

import pytest

from benchmarks.data.image_features import DATASETS
from benchmarks.experiments import table1_tables
from benchmarks.lib.evaluation import MEASURES


def test_every_measure_has_a_direction_and_a_published_value():
    assert set(table1_tables.LOW_IS_GOOD) < set(MEASURES)
    for name in DATASETS:
        assert len(table1_tables.PAPER[name]) == len(MEASURES)
        assert name in table1_tables.NAMES


def runs_with(method: str, *distances: float) -> list[dict[str, Any]]:
    return [
        {"method": method, "grassmann_distance": distance} for distance in distances
    ]


def test_rivals_are_better_worse_or_within_two_standard_errors():
    grouped = {
        "basis": runs_with("basis", 0.20, 0.24),
        "spectralnet": runs_with("spectralnet", 0.10, 0.11),
        "nystroem_sample": runs_with("nystroem_sample", 0.21, 0.21),
        "regression": runs_with("regression", 0.40, 0.42),
    }
    assert table1_tables.verdict(grouped, "grassmann_distance") == (
        "- d_G: BASiS has 0.2200. Better: SpectralNet (0.1050). "
        "Within two standard errors: Nyström, 10,000 points (0.2100)."
    )


def test_high_accuracy_is_good():
    grouped = {
        "basis": [{"accuracy": 0.8}, {"accuracy": 0.81}],
        "regression": [{"accuracy": 0.9}, {"accuracy": 0.91}],
    }
    line = table1_tables.verdict(grouped, "accuracy")
    assert "Better: exact plus regression (0.9050, whole graph)." in line


def test_runs_on_features_that_were_trained_apart_do_not_compare():
    runs = [{"method": "basis", "parameters": {"feature_values": v}} for v in "ab"]
    with pytest.raises(SystemExit, match="trained apart"):
        table1_tables.by_method(runs)
