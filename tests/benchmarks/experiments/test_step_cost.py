import math

import pytest
import torch

from benchmarks.data.feature_sets import FeatureSet
from benchmarks.experiments import step_cost
from pyg_basis.datasets import sphere


def test_subspace_error_is_the_sine_of_the_largest_angle():
    exact = torch.eye(4).double()[:, :2]
    angle = 0.3
    found = exact.clone()
    found[1, 1], found[2, 1] = math.cos(angle), math.sin(angle)
    assert step_cost.subspace_error(found, exact) == pytest.approx(math.sin(angle))
    assert step_cost.subspace_error(exact.flip(1), exact) < 1e-15


def test_check_finds_what_is_not_the_eigenspace(monkeypatch):
    points = FeatureSet(sphere(2_000), 4, 12)
    sound = step_cost.check(points, 300, 3)
    assert sound["largest_error"] < 1e-6
    assert sound["unconverged"] == 0

    class Wrong:
        def solve(self, operator, k, x0=None, tol=1e-6, seed=0):
            return operator.measure(torch.linalg.qr(x0[:, :k]).Q, 1.0, 0, "wrong")

    monkeypatch.setattr(step_cost.Batches, "warm", lambda self: Wrong())
    wrong = step_cost.check(points, 300, 3)
    assert wrong["largest_error"] > 0.01
    assert wrong["solvers"] == {"wrong": 3}


@pytest.mark.slow
def test_command_writes_figures_for_every_set(monkeypatch, quick, tmp_path):
    monkeypatch.setattr(step_cost, "CHECKED", ("sphere", "two_moons"))
    results = quick("step_cost")["results"]
    assert [row["set"] for row in results["against_dense"]] == ["sphere", "two_moons"]
    assert [row["m"] for row in results["parts"]] == [300, 600, 700]
    for row in results["parts"]:
        for key in ("graph", "warm", "cold", "scipy_lobpcg", "dense", "whole_step"):
            assert row[key] > 0
        assert row["residual"] < 1e-6
    assert (tmp_path / "output" / "step_cost.png").stat().st_size > 10_000
