import sys

import pytest
import torch

from benchmarks.experiments import scaling
from pyg_basis.datasets import sphere, sphere_eigenfunctions

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's word")


def test_harmonics_are_found_at_turned_points():
    expected = sphere_eigenfunctions(sphere(30, seed=0), 2)
    found = scaling.harmonics_of(scaling.drawn(30, seed=0).numpy())
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
