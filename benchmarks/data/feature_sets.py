"""Points for the benchmarks of speed: with known eigenfunctions, of the toy sets, and
real features where there is a data folder.
"""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from benchmarks.data.image_features import load_features
from pyg_basis.datasets import TOYS, circle, sphere

NUM_POINTS, FEW_POINTS = 60_000, 3_000


class FeatureSet(NamedTuple):
    """Points, and the settings of the embedding that they are known for."""

    x: Tensor
    num_eigenvectors: int
    num_neighbors: int


def feature_set(
    name: str, data_root: Path | None, cache_dir: Path, quick: bool = False
) -> FeatureSet:
    """The points of this name: `mnist` (siamese features of the training images,
    trained once and kept in the cache), `sphere`, `circle`, or a toy set. A smoke run
    has few."""
    num_points = FEW_POINTS if quick else NUM_POINTS
    if name == "mnist":
        return FeatureSet(load_features(name, data_root, cache_dir, quick)[0], 10, 50)
    if name == "sphere":
        return FeatureSet(sphere(num_points), 9, 50)
    if name == "circle":
        return FeatureSet(circle(num_points), 5, 20)
    x, y = TOYS[name](num_points)
    return FeatureSet(x, len(y.unique()), 10)
