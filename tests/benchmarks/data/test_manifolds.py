import numpy as np
import pytest
import torch

from benchmarks.data import manifolds
from pyg_basis.datasets import sphere


def test_a_file_has_every_block(tmp_path, monkeypatch):
    monkeypatch.setattr(manifolds, "BLOCK", 30)
    path = tmp_path / "points.npy"
    manifolds.write_points(path, 70, lambda n, seed: manifolds.turned(sphere(n, seed)))
    points = np.load(path, mmap_mode="r")
    assert points.shape == (70, manifolds.DIMENSION)
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    assert np.linalg.matrix_rank(points, tol=1e-4) == 3
    assert len(np.unique(points.round(5), axis=0)) == 70  # blocks differ


@pytest.mark.parametrize(
    ("name", "level", "num"),
    [("sphere", 2, 9), ("sphere", 9, 100), ("torus", 2, 1 + 8 + 24), ("torus", 4, 89)],
)
def test_eigenfunctions_at_turned_points_are_orthonormal(name, level, num):
    manifold = manifolds.MANIFOLDS[name]
    columns = manifold.eigenfunctions(manifold.points(200_000, seed=0), level)
    assert columns.shape == (200_000, num)
    gram = columns.T @ columns / len(columns)
    assert torch.allclose(gram, torch.eye(num), atol=0.03)
    few = manifold.points(30, seed=0)
    expected = manifold.functions(manifold.draw(30, seed=0), level)
    assert torch.allclose(manifold.eigenfunctions(few, level), expected, atol=1e-4)


def test_the_torus_is_a_product_of_circles():
    x = manifolds.torus(100, seed=0)
    assert torch.allclose(x[:, :4].square() + x[:, 4:].square(), torch.ones(1))
