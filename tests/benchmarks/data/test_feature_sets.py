import pytest
import torch

from benchmarks.data.feature_sets import NUM_POINTS, feature_set


@pytest.mark.parametrize(
    ("name", "width", "num_eigenvectors"), [("sphere", 3, 9), ("two_moons", 2, 2)]
)
def test_known_sets(name, width, num_eigenvectors, tmp_path):
    points = feature_set(name, None, tmp_path)
    assert points.x.shape == (NUM_POINTS, width)
    assert points.x.dtype == torch.float32
    assert points.num_eigenvectors == num_eigenvectors
