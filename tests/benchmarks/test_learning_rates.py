import json

import learning_rates
import pytest
from methods import DEFAULT_RATE, METHODS


def test_the_best_rate_is_taken(tmp_path):
    path = tmp_path / "learning_rates.json"
    assert learning_rates.best_rates(path, "mnist")["basis"] == DEFAULT_RATE
    distances = {3e-4: 0.3, 1e-3: 0.2, 3e-3: 0.1}
    runs = [
        {"dataset": "mnist", "method": "basis", "rate": rate, "grassmann_distance": d}
        for rate, d in distances.items()
    ]
    path.write_text(json.dumps({"results": {"runs": runs}}))
    rates = learning_rates.best_rates(path, "mnist")
    assert rates["basis"] == 3e-3
    assert rates["spectralnet"] == DEFAULT_RATE
    assert rates.keys() == {m for m in METHODS if METHODS[m].is_searched}
    assert learning_rates.best_rates(path, "svhn")["basis"] == DEFAULT_RATE


def test_a_search_goes_on_where_it_stopped(data_root, tmp_path, monkeypatch):
    tried = []

    def distance_of(name, method, rate, data_root, cache_dir):
        if rate == 3e-3 and not tried_before:
            raise KeyboardInterrupt
        tried.append(rate)
        return abs(rate - 1e-4)

    tried_before = []
    monkeypatch.setattr(learning_rates, "distance_of", distance_of)
    monkeypatch.setattr(learning_rates, "load_features", lambda *_, **__: None)
    arguments = ["--datasets", "mnist", "--methods", "spectralnet", "--processes", "1"]
    arguments += ["--data-root", str(data_root), "--output", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        learning_rates.main(arguments)
    assert tried == [3e-4, 1e-3]
    tried_before.append(True)
    learning_rates.main(arguments)
    # The best of the first three was the lowest: lower ones are tried until it is not.
    assert tried == [3e-4, 1e-3, 3e-3, 1e-4, 3e-5]
    rates = learning_rates.best_rates(tmp_path / learning_rates.FILE, "mnist")
    assert rates["spectralnet"] == 1e-4


def test_the_grid_has_an_end():
    runs = [
        {"dataset": "svhn", "method": "basis", "rate": r, "grassmann_distance": 1 / r}
        for r in learning_rates.RATES
    ]
    assert learning_rates.rates_to_try(runs, "svhn", "basis") == []
    assert learning_rates.rates_to_try(runs[:-1], "svhn", "basis") == [3e-2]
    assert learning_rates.rates_to_try(runs, "mnist", "basis") == [3e-4, 1e-3, 3e-3]


def test_only_a_held_out_part_of_the_training_split_is_measured(monkeypatch):
    import torch
    from evaluation import FeatureSplit

    from pyg_basis.datasets import blobs

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
    monkeypatch.setattr(METHODS["basis"].__class__, "make", lambda *_, **__: Identity())
    assert learning_rates.distance_of("mnist", "basis", 1e-3, None, None) > 0
    fitted, measured = seen
    assert len(fitted) + len(measured) == len(x)
    assert len(measured) == 80
    assert not (fitted[:, None] == measured[None]).all(dim=2).any()
