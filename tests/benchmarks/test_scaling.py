import mmap
import sys
import time

import numpy as np
import pytest
import scaling
import torch
from PIL import Image

from pyg_basis.datasets import sphere, sphere_eigenfunctions

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's word")

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


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


@on_linux
def test_own_memory_counts_what_is_allocated_and_no_file(tmp_path):
    path = tmp_path / "file.npy"
    np.save(path, np.zeros(8 << 20))  # 64 MiB
    with scaling.OwnMemory() as memory:
        before = scaling.anonymous_memory()
        mapped = np.load(path, mmap_mode="r")
        assert mapped.sum() == 0
    assert memory.peak - before < 32
    with scaling.OwnMemory() as memory:
        # From the system itself: an allocator may hand out what it has kept.
        block = np.frombuffer(mmap.mmap(-1, 64 << 20, flags=PRIVATE), dtype=np.float64)
        block[:] = 1
        assert scaling.anonymous_memory() - before > 60
        deadline = time.monotonic() + 300
        while memory.peak - before <= 60 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert memory.peak - before > 60
    assert len(block) == 8 << 20


def test_a_run_that_takes_too_long_or_fails_says_so(tmp_path):
    options = scaling.parse(["--quick", "--limit", "0.01"])
    options.limit = 0.01
    run = scaling.in_process("exact", 10, 0, tmp_path / "no.npy", options)
    assert run["gave_up"] == "not done in 0.01 s"
    options.limit = 300
    run = scaling.in_process("exact", 10, 0, tmp_path / "no.npy", options)
    assert "No such file" in run["gave_up"]


@pytest.mark.slow
@on_linux
def test_command_writes_figures(tmp_path):
    scaling.main(["--quick", "--output", str(tmp_path), "--scratch", str(tmp_path)])
    lines = (tmp_path / "scaling.md").read_text().splitlines()
    assert len(lines) == 2 + 2 * len(scaling.SEEDS)
    with Image.open(tmp_path / "scaling.png") as image:
        assert np.asarray(image.convert("L")).std() > 5  # not blank
