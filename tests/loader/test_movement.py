import pytest
import torch
from torch import Tensor

from pyg_basis.loader import ExactEmbedding
from tests.loader.test_moving_reference import SPACES, TRIANGLE, blobs, make, normal


def test_eigenvalues_and_the_gap_behind_them() -> None:
    x = blobs(TRIANGLE)
    for embedding in SPACES:
        moving = make(x, embedding)
        _, movement = moving.updated(x)
        wider = embedding.widened(1)(x[moving.nodes]).values
        torch.testing.assert_close(movement.eigenvalues, wider[:3], atol=1e-5, rtol=0)
        gap = wider[3] - wider[2]
        torch.testing.assert_close(movement.eigengap, gap, atol=1e-5, rtol=0)


def centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(dim=0)


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_change_and_cosines_are_those_of_the_rows(noise: float) -> None:
    x = blobs(TRIANGLE)
    embedding = ExactEmbedding(3, 15, laplacian="rw")
    first = make(x, embedding)
    after = x + noise * normal(*x.shape, seed=1)
    moved, movement = first.updated(after)
    expected = (moved.rows - first.rows).norm() / first.rows.norm()
    torch.testing.assert_close(movement.change, expected, rtol=1e-5, atol=0)
    # Canonical correlations are the cosines of the angles between the two spans.
    found = embedding(after[first.nodes]).vectors
    now, before = (
        torch.linalg.qr(centred(rows)[:, 1:]).Q for rows in (found, first.rows)
    )
    cosines = torch.linalg.svdvals(now.t() @ before)
    torch.testing.assert_close(movement.cosines, cosines, rtol=0, atol=1e-4)
    assert 0 < float(movement.change) < 1
