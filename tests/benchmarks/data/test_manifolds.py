import numpy as np
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


def test_eigenfunctions_of_the_torus_are_orthonormal():
    x = manifolds.torus(50_000, seed=0)
    assert torch.allclose(x[:, :4].square() + x[:, 4:].square(), torch.ones(1))
    columns = manifolds.torus_eigenfunctions(x)
    assert columns.shape == (50_000, 1 + 8 + 24)
    gram = columns.T @ columns / len(x)
    assert torch.allclose(gram, torch.eye(33), atol=0.03)
