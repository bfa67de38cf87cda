"""The measures, taken the same way for every method and data set.

All are taken on the test split, against the exact eigenvectors of the test
split's own nearest-neighbor graph. That graph is used for nothing else: the
learned embedding is of each test point by itself.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from benchmarks.lib.exact import exact_space
from benchmarks.lib.timed import timed
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    linear_probe_accuracy,
    normalized_mutual_information,
    orthogonality,
)

# How a measure is named in tables, with an arrow to where it is better.
MEASURES = {
    "grassmann_distance": "d_G ↓",
    "orthogonality": "d_perp ↓",
    "nmi": "NMI ↑",
    "accuracy": "ACC ↑",
    "linear_accuracy": "linear accuracy ↑",
}
LOW_IS_GOOD = {key for key, title in MEASURES.items() if "↓" in title}
# Points that are embedded without the others, to compare their rows.
NUM_ALONE = 100


def closeness(rows: Tensor, exact: Tensor) -> dict[str, Any]:
    """The share of the exact eigenvectors in the span of the learned columns, the angle
    of each of them to it in degrees, and d_G, if there are as many on both sides."""
    learned, known = (torch.linalg.qr(y.double()).Q for y in (rows, exact))
    outside = (known - learned @ (learned.T @ known)).norm(dim=0).clamp(max=1)
    result = {
        "captured": float(1 - outside.square().mean()),
        "angles": torch.rad2deg(torch.asin(outside)).tolist(),
    }
    if rows.shape == exact.shape:
        result["grassmann_distance"] = grassmann_distance(rows, exact)
    return result


class FeatureSplit(NamedTuple):
    """Features, and labels where there are some; those of the training part are used
    for the linear layer of Eq. 20, and for anchors that are chosen by class (the
    published settings), those of the test part for measuring only."""

    x_train: Tensor
    y_train: Tensor | None
    x_test: Tensor
    y_test: Tensor | None
    # Of what the features were made of, where they were learned: runs record it.
    checksum: str = ""

    def record(self) -> dict[str, str]:
        """How the features were made, and which they are: trained in the same way on
        another machine they are others, and what was measured on both does not
        compare."""
        digest = hashlib.sha256()
        for x in (self.x_train, self.x_test):
            digest.update(x.contiguous().numpy().data)
        return {"features": self.checksum, "feature_values": digest.hexdigest()[:12]}


def exact_embedding(
    x: Tensor, num_neighbors: int = 50, num_eigenvectors: int = 10
) -> tuple[Tensor, Tensor]:
    """The first eigenvectors of the points' own graph, which embeddings are measured
    against, and their eigenvalues with one more, which shows the gap."""
    rows = exact_space(num_eigenvectors + 1, num_neighbors)(x)
    return rows.vectors[:, :num_eigenvectors], rows.values


def run_estimator(
    estimator: Any, data: FeatureSplit, exact: Tensor, seed: int
) -> tuple[dict[str, float], Tensor]:
    """Fits any transformer on the training part; returns the measures and the test
    part's embedding. Labels are passed on: only anchors of each class look at them."""
    _, fit_seconds = timed(estimator.fit, data.x_train, data.y_train)
    rows, transform_seconds = timed(estimator.transform, data.x_test)
    return {
        **distances(rows, exact),
        **score(estimator, rows, data, seed),
        "iterations": estimator.n_iter_,
        "fit_cpu_seconds": fit_seconds,
        "transform_cpu_seconds": transform_seconds,
    }, rows


def score(
    estimator: Any, rows: Tensor, data: FeatureSplit, seed: int
) -> dict[str, float]:
    """Eq. 18 to 20 of the test part's embedding; k-means and the linear layer are
    fitted on the training part's."""
    assert data.y_train is not None and data.y_test is not None
    # Nystroem's own rows of the graph's points are exact and need no extension; a
    # sample has no rows of the others.
    own = getattr(estimator, "embedding_", ())
    if len(own) < len(data.x_train):
        own = estimator.transform(data.x_train)
    kmeans = KMeans(len(data.y_test.unique()), n_init=10, random_state=seed)
    clusters = kmeans.fit(own.numpy()).predict(rows.numpy())
    return {
        **agreement(data.y_test, clusters),
        "linear_accuracy": linear_probe_accuracy(own, data.y_train, rows, data.y_test),
    }


def run_exact(data: FeatureSplit, exact: Tensor, seed: int) -> dict[str, float]:
    """The measures of the exact eigenvectors themselves. They exist for the
    test part only, so the linear layer is trained on one random half of it and
    scored on the other."""
    labels = data.y_test
    assert labels is not None
    kmeans = KMeans(len(labels.unique()), n_init=10, random_state=seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    first, second = np.array_split(order, 2)
    return {
        **distances(exact, exact),
        "grassmann_distance": 0.0,  # to itself, but for rounding
        **agreement(labels, kmeans.fit_predict(exact.numpy())),
        "linear_accuracy": linear_probe_accuracy(
            exact[first], labels[first], exact[second], labels[second]
        ),
    }


def distances(rows: Tensor, exact: Tensor) -> dict[str, float]:
    """Eq. 16 and 17."""
    return {
        "grassmann_distance": grassmann_distance(rows, exact),
        "orthogonality": round(orthogonality(rows), 8),
    }


def agreement(labels: ArrayLike, clusters: NDArray[np.int32]) -> dict[str, float]:
    """Eq. 18 and 19."""
    return {
        "nmi": normalized_mutual_information(labels, clusters),
        "accuracy": clustering_accuracy(labels, clusters),
    }


def inconsistency(estimator: Any, x: Tensor, rows: Tensor) -> float:
    """The relative difference of the first rows to those without the other points."""
    alone = estimator.transform(x[:NUM_ALONE])
    return float((rows[:NUM_ALONE] - alone).norm() / alone.norm())
