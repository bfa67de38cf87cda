import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from pyg_basis.metrics import grassmann_distance


def random_matrix(seed, num_rows=30, num_columns=4):
    return np.random.default_rng(seed).standard_normal((num_rows, num_columns))


def test_known_angles():
    eye = np.eye(6)
    angles = np.array([0.0, 0.3, 1.0])
    turned = eye[:, :3] * np.cos(angles) + eye[:, 3:] * np.sin(angles)
    expected = 3 - (np.cos(angles) ** 2).sum()
    assert grassmann_distance(turned, eye[:, :3]) == pytest.approx(expected, abs=1e-14)
    # Orthonormal columns in matching order: both variants agree.
    official = grassmann_distance(turned, eye[:, :3], variant="official")
    assert official == pytest.approx(expected, abs=1e-14)
    assert grassmann_distance(eye[:, :3], eye[:, 3:]) == 3.0


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), columns=st.integers(1, 6))
def test_agrees_with_scipy_and_ignores_the_basis(seed, columns):
    left = random_matrix(seed, 20, columns)
    right = random_matrix(seed + 1, 20, columns)
    expected = float((np.sin(subspace_angles(left, right)) ** 2).sum())
    assert grassmann_distance(left, right) == pytest.approx(expected, abs=1e-10)
    mixed = left @ (random_matrix(seed + 2, columns, columns) + 3 * np.eye(columns))
    assert grassmann_distance(mixed, left) == pytest.approx(0.0, abs=1e-8)
    assert grassmann_distance(right, left) == pytest.approx(expected, abs=1e-10)


@pytest.mark.filterwarnings("error")
def test_huge_values_of_both_signs():
    rows = 1e308 * np.tile([[1.0], [-1.0]], (6, 1)).repeat(100, axis=0)
    assert grassmann_distance(rows, rows) == pytest.approx(0.0, abs=1e-9)
    assert grassmann_distance(rows, np.sort(rows, axis=0)) == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1e-200, 1e-8, 1e8, 1e200])
def test_scale_does_not_matter(scale):
    left, right = random_matrix(0), random_matrix(1)
    scaled = left * np.array([1.0, scale, 1.0, scale])
    for variant in ("paper", "official"):
        assert grassmann_distance(scaled, right, variant) == pytest.approx(
            grassmann_distance(left, right, variant), rel=1e-9
        )


def test_missing_directions_count_as_right_angles():
    basis = np.linalg.qr(random_matrix(0))[0]
    repeated = basis[:, [0, 1, 2, 2]]
    assert grassmann_distance(repeated, basis) == pytest.approx(1.0, abs=1e-12)
    assert grassmann_distance(basis * [1, 0, 0, 1], basis) == pytest.approx(2.0)
    assert grassmann_distance(np.zeros((5, 2)), np.zeros((5, 2))) == 2.0


def test_the_official_variant_only_scales_columns():
    left = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    right = np.eye(3)[:, :2]
    # The columns (1,0,0) and (1,1,0)/sqrt 2 span the reference's space.
    assert grassmann_distance(left, right) == pytest.approx(0.0, abs=1e-15)
    expected = 2 - (1 + 0.5 + 0.5)
    assert grassmann_distance(left, right, "official") == pytest.approx(expected)
    # Against itself: 2 - (1 + 1 + 2 cos^2 45 degrees) = -1, as documented.
    assert grassmann_distance(left, left, "official") == pytest.approx(-1.0)


def test_tensors_on_the_graph_and_low_precision():
    y = torch.from_numpy(random_matrix(3)).float().requires_grad_()
    result = grassmann_distance(y, 2 * y.detach())
    assert isinstance(result, float)
    assert result == pytest.approx(0.0, abs=1e-12)
    assert math.isfinite(grassmann_distance(y.detach().half(), y))


def test_bad_input():
    y = random_matrix(0)
    with pytest.raises(ValueError, match=r"'variant' .*'paper'.* Got 'eq16'"):
        grassmann_distance(y, y, variant="eq16")
    with pytest.raises(
        ValueError, match=r"same shape .*\(30, 4\) and \(30, 3\).*embed"
    ):
        grassmann_distance(y, y[:, :3])
    with pytest.raises(ValueError, match=r"y must be a finite matrix .*1D array"):
        grassmann_distance(y[:, 0], y)
    with pytest.raises(ValueError, match=r"reference must be a finite matrix .*NaN"):
        bad = y.copy()
        bad[0, 0] = np.nan
        grassmann_distance(y, bad)
    with pytest.raises(ValueError, match="at least as many rows as columns"):
        grassmann_distance(y[:3], y[:3])
