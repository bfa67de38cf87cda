import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_basis.metrics import orthogonality


def orthonormal(seed, num_rows=40, num_columns=3):
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.standard_normal((num_rows, num_columns)))[0]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), columns=st.integers(1, 6))
def test_zero_for_this_packages_eigenvectors(seed, columns):
    y = np.sqrt(40) * orthonormal(seed, 40, columns)
    assert orthogonality(y) == pytest.approx(0.0, abs=1e-20)
    assert orthogonality(7 * y, variant="official") == pytest.approx(0.0, abs=1e-12)


def test_exact_values():
    # Gram matrix [[1, c], [c, 1]] with c = cos 60 degrees: |off-diagonal|^2 = 2 c^2.
    y = np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)], [0.0, 0.0], [0.0, 0.0]])
    assert orthogonality(2 * y) == pytest.approx(0.5)
    assert orthogonality(2 * y, "official") == pytest.approx(np.sqrt(0.5))
    # Twice too long: diagonal entries 4 - 1 = 3; only the paper's variant sees it.
    q = np.sqrt(40) * orthonormal(0)
    assert orthogonality(2 * q) == pytest.approx(27.0)
    assert orthogonality(2 * q, "official") == pytest.approx(0.0, abs=1e-12)


def test_zero_columns_are_finite():
    y = torch.zeros(10, 3)
    assert orthogonality(y) == pytest.approx(3.0)
    assert orthogonality(y, "official") == pytest.approx(np.sqrt(3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-200, 1e50, 1e100, 1e200, 1.7e308])
def test_any_scale_has_a_meaning(scale):
    y = scale * np.array([[1.0, 1.0], [-1.0, 1.0]])
    scale = np.longdouble(scale)
    # The Gram matrix of Y / sqrt 2 is scale^2 times the identity.
    with np.errstate(over="ignore"):
        assert orthogonality(y) == pytest.approx(float(2 * (scale**2 - 1) ** 2))
    assert orthogonality(y, "official") == pytest.approx(0.0, abs=1e-15)


def test_bad_input():
    with pytest.raises(ValueError, match=r"'variant' .* Got 'other'"):
        orthogonality(np.eye(2), variant="other")
    with pytest.raises(ValueError, match=r"y must be .*\(0, 2\)"):
        orthogonality(np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"y must be a finite matrix .*infinity"):
        orthogonality(torch.full((3, 2), float("inf")))
