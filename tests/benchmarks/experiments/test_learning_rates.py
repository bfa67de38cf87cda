import json
import math

import pytest
import torch

from benchmarks.experiments import learning_rates
from benchmarks.experiments.learning_rates import best_rates
from benchmarks.lib.evaluation import FeatureSplit
from benchmarks.lib.methods import METHODS, MOST_POINTS, Method, parameters_of
from benchmarks.registry import EXPERIMENTS
from pyg_basis.datasets import blobs


def searched(distances, method="spectralnet"):
    return [
        {
            "dataset": "mnist",
            "method": method,
            "rate": rate,
            "grassmann_distance": distance,
            "parameters": parameters_of(
                METHODS[method].make(0, rate), {"features": "abc"}
            ),
        }
        for rate, distance in distances.items()
    ]


def test_the_best_rate_is_taken(tmp_path):
    path = tmp_path / "learning_rates.json"
    runs = searched({1e-4: 0.4, 3e-4: 0.3, 1e-3: 0.35, 3e-3: None})
    path.write_text(json.dumps({"results": {"runs": runs}}))
    arguments = path, "mnist", ["spectralnet", "nystroem", "exact"], "abc", False
    assert best_rates(*arguments) == {"spectralnet": 3e-4}
    # Of other features, or a method that is made in another way now, nothing is known.
    with pytest.raises(SystemExit, match="no finished search for spectralnet"):
        best_rates(*arguments[:3], "abd", False)
    runs[0]["parameters"]["batch_size"] = 1
    path.write_text(json.dumps({"results": {"runs": runs}}))
    with pytest.raises(SystemExit, match="no finished search for spectralnet"):
        best_rates(*arguments)
    assert best_rates(*arguments[:4], True) == {"spectralnet": 1e-3}


def test_a_search_goes_on_where_it_stopped(data_root, tmp_path, monkeypatch):
    tried = []

    def distance_of(name, method, rate, *where):
        if rate == 3e-3 and not tried_before:
            raise KeyboardInterrupt
        tried.append(rate)
        return abs(rate - 1e-4)

    tried_before = []
    monkeypatch.setattr(learning_rates, "distance_of", distance_of)
    points, labels = torch.zeros(MOST_POINTS + 1, 1), torch.zeros(MOST_POINTS + 1)
    data = FeatureSplit(points, labels, points, labels)
    monkeypatch.setattr(learning_rates, "load_features", lambda *_, **__: data)
    # The second is for smaller sets.
    methods = ["spectralnet", "regression"]
    arguments = ["--datasets", "mnist", "--methods", *methods, "--processes", "1"]
    arguments += ["--data-root", str(data_root), "--output", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        EXPERIMENTS["learning_rates"].run(arguments)
    assert tried == [3e-4, 1e-3]
    tried_before.append(True)
    EXPERIMENTS["learning_rates"].run(arguments)
    # The best of the first three was the lowest: lower ones are tried until it is not.
    assert tried == [3e-4, 1e-3, 3e-3, 1e-4, 3e-5]
    path = tmp_path / "learning_rates.json"
    rates = best_rates(path, "mnist", ["spectralnet"], data.checksum, False)
    assert rates == {"spectralnet": 1e-4}


def test_the_grid_has_an_end():
    falling = {rate: 1 / rate for rate in learning_rates.RATES}
    assert learning_rates.rates_to_try(falling) == []
    del falling[3e-2]
    assert learning_rates.rates_to_try(falling) == [3e-2]
    assert learning_rates.rates_to_try({}) == [3e-4, 1e-3, 3e-3]
    # What diverged is worse than anything.
    assert learning_rates.rates_to_try({3e-4: 0.1, 1e-3: 0.2, 3e-3: math.inf}) == [1e-4]


def test_only_a_held_out_part_of_the_training_split_is_measured(monkeypatch):
    x, y = blobs(800, seed=0)
    seen = []

    class Identity:
        def fit(self, points):
            seen.append(points)

        def transform(self, points):
            seen.append(points)
            return torch.ones(len(points), 10)

    broken = torch.full_like(x, torch.nan)
    split = FeatureSplit(x, y, broken, y)
    monkeypatch.setattr(learning_rates, "load_features", lambda *_, **__: split)
    monkeypatch.setattr(Method, "make", lambda *_, **__: Identity())
    assert (
        learning_rates.distance_of("mnist", "spectralnet", 1e-3, None, None, False) > 0
    )
    fitted, measured = seen
    assert len(fitted) + len(measured) == len(x)
    assert len(measured) == 80
    assert not (fitted[:, None] == measured[None]).all(dim=2).any()
