import numpy as np
import pytest

from pyg_basis.data.projected_rows import random_projection

WIDTH = 5000


@pytest.mark.parametrize("num_nonzero", [1, 10, 100, WIDTH])
def test_how_well_distances_are_kept(num_nonzero: int) -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((400, WIDTH))
    for row in x:
        row[rng.choice(WIDTH, num_nonzero, replace=False)] = 1
    projection = random_projection(WIDTH, seed=0)
    assert projection is not None
    ratio = np.linalg.norm(x @ projection.T, axis=1) / num_nonzero**0.5
    expected = ((2 + (WIDTH**0.5 - 3) / num_nonzero) / 2048) ** 0.5 / 2
    if num_nonzero == WIDTH:  # all rows are the same one
        assert abs(ratio[0] - 1) < 4 * expected
    else:
        assert ratio.std() == pytest.approx(expected, rel=0.2)
        assert ratio.mean() == pytest.approx(1, abs=expected)
