import copy

import pytest

from benchmarks.data.feature_sets import feature_set
from benchmarks.experiments import gpu_steps
from benchmarks.lib.exact import NORMALIZED
from pyg_basis import BASiSLayer


def test_targets_that_differ_are_reported() -> None:
    points = feature_set("sphere", None, None).x[:3000]
    layer = BASiSLayer(3, 4, gpu_steps.NUM_ANCHORS, num_neighbors=20, **NORMALIZED)
    layer.init_reference(points, reference_size=400)
    other = copy.deepcopy(layer)
    assert gpu_steps.agreement(points, 400, layer, other, 2)["largest_difference"] == 0
    other.rows[:, 1] *= -1
    found = gpu_steps.agreement(points, 400, layer, other, 2)
    # One of four columns of mean square 1 has the other sign.
    assert found["largest_difference"] == pytest.approx(1, rel=0.05)
