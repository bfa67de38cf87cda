import pytest
import torch
from feature_sets import NUM_POINTS, feature_set

from pyg_basis.datasets import TOYS


@pytest.mark.parametrize(
    ("name", "width", "num_eigenvectors"),
    [("sphere", 3, 9), ("circle", 2, 5), ("two_moons", 2, 2), ("blobs", 2, 5)],
)
def test_known_sets(name, width, num_eigenvectors, tmp_path):
    points = feature_set(name, None, tmp_path)
    assert points.x.shape == (NUM_POINTS, width)
    assert points.x.dtype == torch.float32
    assert points.num_eigenvectors == num_eigenvectors


def test_every_toy_set_is_known(tmp_path):
    for name in TOYS:
        assert feature_set(name, None, tmp_path).num_neighbors == 10


def test_unknown_set(tmp_path):
    with pytest.raises(KeyError):
        feature_set("cube", None, tmp_path)
