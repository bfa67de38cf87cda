import sys

import numpy as np
import pytest
import torch

from benchmarks.experiments import scaling
from pyg_basis.datasets import sphere, sphere_eigenfunctions

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's word")


def test_points_are_the_sphere_turned(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "BLOCK", 30)
    scaling.write_points(tmp_path / "points.npy", 70)
    points = np.load(tmp_path / "points.npy", mmap_mode="r")
    assert points.shape == (70, scaling.DIMENSION)
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    assert np.linalg.matrix_rank(points, tol=1e-4) == 3
    assert len(np.unique(points.round(5), axis=0)) == 70  # blocks differ
    expected = sphere_eigenfunctions(sphere(30, seed=0), 2)
    found = scaling.harmonics_of(points[:30])
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.slow
@on_linux
def test_command_writes_figures(quick, tmp_path):
    runs = quick("scaling", "--scratch", tmp_path)["results"]["runs"]
    assert len(runs) == len(scaling.SEEDS)
    for run in runs:
        assert run["gave_up"] is None and run["distance"] < 0.5
        assert run["own_memory"] >= run["own_memory_before"] > 0
    assert (tmp_path / "output" / "scaling.png").stat().st_size > 10_000
