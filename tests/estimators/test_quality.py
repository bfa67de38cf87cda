"""What the method is for, from end to end: the figures of the benchmarks."""

import pytest
import torch

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import (
    TOYS,
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    normalized_mutual_information,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(TOYS))
def test_clusters_of_new_points_are_perfect(name):
    x, y = TOYS[name](seed=0)
    num_clusters = len(y.unique())
    basis = BASiS(
        num_clusters, n_anchors=100, batch_size=256, n_neighbors=10, random_state=0
    )
    clustering = BASiSClustering(num_clusters, basis=basis, random_state=0)
    predicted = clustering.fit(x[:6000]).predict(x[6000:])
    assert clustering_accuracy(y[6000:], predicted) == 1
    assert normalized_mutual_information(y[6000:], predicted) == pytest.approx(1)


@pytest.mark.parametrize(
    ("points", "eigenfunctions", "num_neighbors", "bound"),
    [
        (circle, lambda x: circle_eigenfunctions(x, 5), 20, 0.01),
        (sphere, lambda x: sphere_eigenfunctions(x, 2), 50, 0.10),
    ],
)
def test_closed_form_eigenfunctions_are_learned(
    points, eigenfunctions, num_neighbors, bound
):
    new = points(10_000, seed=1)
    expected = eigenfunctions(new)
    basis = BASiS(
        expected.shape[1],
        n_neighbors=num_neighbors,
        laplacian="rw",
        random_state=0,
    )
    embedding = basis.fit(points(60_000, seed=0)).transform(new)
    assert torch.isfinite(embedding).all()
    assert grassmann_distance(embedding, expected) <= bound
