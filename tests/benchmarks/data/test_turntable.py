import math

import numpy as np
import pytest
import torch

from benchmarks.data.turntable import Turntable, turntable
from pyg_basis.data import FeatureSource

SMALL = {"height": 48, "width": 80}


def test_by_default_of_the_size_in_the_paper():
    frames = turntable()
    assert len(frames) == 2000 and frames.angles.shape == (2000,)
    frame = frames[0]
    assert frame.shape == (288_000,) and frames.num_features == 288_000
    assert frame.dtype == torch.float32 and frame.is_contiguous()
    assert 0 <= float(frame.min()) < 0.1 and 0.9 < float(frame.max()) <= 1


def test_angles_are_one_in_each_arc_in_random_order():
    angles = turntable(1000, seed=1).angles
    arcs = (angles / (2 * math.pi) * 1000).floor().long()
    assert torch.equal(arcs.sort().values, torch.arange(1000))
    assert not torch.equal(arcs, torch.arange(1000))


@pytest.mark.usefixtures("untouched_global_generators")
def test_the_seed_decides():
    one, again, other = (turntable(3, **SMALL, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.angles, again.angles)
    assert not torch.equal(one.angles, other.angles)
    assert all(torch.equal(one[i], again[i]) for i in range(3))
    assert not torch.equal(one[0], other[0])


def test_a_full_turn_changes_nothing():
    frames = Turntable([0, 2 * math.pi, -2 * math.pi, 0.1, 0.1 + 2 * math.pi], **SMALL)
    assert torch.equal(frames[0], frames[1]) and torch.equal(frames[0], frames[2])
    assert torch.allclose(frames[3], frames[4], atol=1e-5)


def test_no_two_angles_look_alike():
    frames = Turntable(torch.arange(120) * 2 * math.pi / 120, **SMALL)
    x = torch.stack(list(frames))
    distance = torch.cdist(x, x)
    # The most alike are those before and after it, all around.
    nearest = distance.topk(3, largest=False).indices.sort(dim=1).values
    around = torch.arange(120)[:, None] + torch.tensor([-1, 0, 1])
    assert torch.equal(nearest, (around % 120).sort(dim=1).values)


def test_a_small_turn_is_seen_and_changes_little():
    frames = Turntable([1.0, 1.0 + 1e-3], **SMALL)
    change = (frames[0] - frames[1]).abs()
    assert 0 < float(change.max()) < 0.3 and float(change.mean()) < 1e-3


def test_larger_pictures_show_the_same():
    large, small = (Turntable([2.0], 48 * k, 80 * k)[0] for k in (4, 1))
    averaged = large.view(48, 4, 80, 4, 3).mean(dim=(1, 3))
    assert float((averaged - small.view(48, 80, 3)).abs().mean()) < 0.01


def test_the_file_holds_the_frames(tmp_path):
    frames = turntable(5, **SMALL)
    frames.save(tmp_path / "frames.npy")
    x = np.load(tmp_path / "frames.npy", mmap_mode="r")
    assert x.shape == (5, 48 * 80 * 3) and x.dtype == np.float32
    for source in (FeatureSource(frames), FeatureSource(tmp_path / "frames.npy")):
        assert torch.equal(source.__getitems__(range(5)), torch.from_numpy(x.copy()))
