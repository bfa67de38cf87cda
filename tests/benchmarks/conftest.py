import numpy as np
import pytest


@pytest.fixture
def data_root(tmp_path):
    """Images of ten classes: a bright bar in a row of its own, and noise."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, size in (("train", 700), ("test", 300)):
        labels = np.arange(size) % 10
        images = rng.integers(0, 60, (size, 28, 28))
        images[np.arange(size), 2 * labels + 4] += 180
        arrays[f"x_{part}"] = images.astype(np.uint8)
        arrays[f"y_{part}"] = labels.astype(np.uint8)
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path
