import math

import numpy as np
import pytest
import torch

from benchmarks.experiments import turntable
from benchmarks.lib.record import read_results
from benchmarks.registry import RESULTS


@pytest.mark.usefixtures("untouched_global_generators")
def test_command_writes_figures_of_every_method(quick, tmp_path):
    runs = quick("turntable", "--scratch", tmp_path)["results"]["runs"]
    assert [run["method"] for run in runs] == [
        "BASiS",
        "exact, all frames",
        "principal components",
        "exact of training frames, Nyström",
        "exact of training frames, kernel ridge",
    ]
    for run in runs:
        for part in ("train", "test"):
            assert 0 < run[f"distance_{part}"] < 2
            assert 0 < run[f"correlation_{part}"] <= 1
    assert runs[0]["distance_test"] < 0.1 and runs[0]["correlation_test"] > 0.98
    assert 10_000 < (tmp_path / "output" / "turntable.png").stat().st_size < 1_000_000


def test_principal_coordinates_have_the_same_distances(monkeypatch):
    monkeypatch.setattr(turntable, "BLOCK_COLUMNS", 7)
    x = np.random.default_rng(0).normal(5, size=(20, 50)).astype(np.float32)
    found = turntable.principal_coordinates(x)
    assert found.shape == (20, 20)
    expected, distances = (torch.cdist(*2 * [torch.tensor(y)]) for y in (x, found))
    assert torch.allclose(distances.float(), expected, atol=1e-4)


def test_circular_correlation_is_one_up_to_rotation_and_reflection():
    generator = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.arange(100).double() / 100
    other = 2 * math.pi * torch.rand(100, generator=generator, dtype=torch.float64)
    for same in (angle + 1, -angle + 2):
        assert turntable.circular_correlation(angle, same) == pytest.approx(1)
    assert turntable.circular_correlation(angle, other) < 0.3


def test_published_figures_reach_what_was_asked_for():
    for run in read_results(RESULTS / "turntable", "turntable")["runs"]:
        if run["method"] == "BASiS":
            assert run["distance_test"] <= 0.02 and run["correlation_test"] >= 0.999
            assert run["fit_seconds"] + run["transform_seconds"] <= 600
            assert run["resident_memory"] <= 6 * 1024
