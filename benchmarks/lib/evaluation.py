"""The measures, taken the same way for every method and data set.

All are taken on the test split, against the exact eigenvectors of the test
split's own nearest-neighbor graph. That graph is used for nothing else: the
learned embedding is of each test point by itself.
"""

import hashlib
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from benchmarks.lib.exact import exact_space
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    linear_probe_accuracy,
    normalized_mutual_information,
    orthogonality,
)

# How a measure is named in tables, and whether more of it is better.
MEASURES = {
    "grassmann_distance": "d_G ↓",
    "orthogonality": "d_perp ↓",
    "nmi": "NMI ↑",
    "accuracy": "ACC ↑",
    "linear_accuracy": "linear accuracy ↑",
}


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
    """Features and labels; the labels of the training part are used for the
    linear layer of Eq. 20, and for anchors that are chosen by class (the published
    settings), those of the test part for measuring only."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    # Of what the features were made of, where they were learned: runs record it.
    checksum: str = ""

    def record(self) -> dict[str, str]:
        """How the features were made, and which they are: trained in the same way on
        another machine they are others, and what was measured on both does not
        compare."""
        return record_of(self.checksum, self.x_train, self.x_test)


def record_of(checksum: str, *parts: Tensor) -> dict[str, str]:
    """What features were made of, if they were learned, and their values."""
    digest = hashlib.sha256()
    for x in parts:
        digest.update(x.contiguous().numpy().data)
    return {"features": checksum, "feature_values": digest.hexdigest()[:12]}


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
    start, start_cpu = time.perf_counter(), time.process_time()
    estimator.fit(data.x_train, data.y_train)
    fit_seconds = time.perf_counter() - start
    fit_cpu_seconds = time.process_time() - start_cpu
    # Nystroem's own rows of the graph's points are exact and need no extension; a
    # sample has no rows of the others.
    z_train = getattr(estimator, "embedding_", ())
    if len(z_train) < len(data.x_train):
        z_train = estimator.transform(data.x_train)
    start = time.perf_counter()
    z_test = estimator.transform(data.x_test)
    transform_seconds = time.perf_counter() - start
    return {
        **score(z_train, z_test, data, exact, seed),
        "iterations": estimator.n_iter_,
        "fit_seconds": fit_seconds,
        "fit_cpu_seconds": fit_cpu_seconds,  # several may run at a time
        "transform_seconds": transform_seconds,
    }, z_test


def score(
    z_train: Tensor, z_test: Tensor, data: FeatureSplit, exact: Tensor, seed: int
) -> dict[str, float]:
    """The measures of the test part's embedding; k-means and the linear layer are
    fitted on the training part's."""
    num_clusters = len(data.y_test.unique())
    kmeans = KMeans(num_clusters, n_init=10, random_state=seed).fit(z_train.numpy())
    scores = measure(z_test, exact, data.y_test, kmeans.predict(z_test.numpy()))
    scores["linear_accuracy"] = linear_probe_accuracy(
        z_train, data.y_train, z_test, data.y_test
    )
    return scores


def run_exact(data: FeatureSplit, exact: Tensor, seed: int) -> dict[str, float]:
    """The measures of the exact eigenvectors themselves. They exist for the
    test part only, so the linear layer is trained on one random half of it and
    scored on the other."""
    labels = data.y_test
    num_clusters = len(labels.unique())
    kmeans = KMeans(num_clusters, n_init=10, random_state=seed)
    scores = measure(exact, exact, labels, kmeans.fit_predict(exact.numpy()))
    scores["grassmann_distance"] = 0.0  # to itself, but for rounding
    order = np.random.default_rng(seed).permutation(len(labels))
    first, second = np.array_split(order, 2)
    scores["linear_accuracy"] = linear_probe_accuracy(
        exact[first], labels[first], exact[second], labels[second]
    )
    return scores


def measure(
    embedding: Tensor, exact: Tensor, labels: Tensor, clusters: NDArray[np.int32]
) -> dict[str, float]:
    """Eq. 16 to 19."""
    return {
        "grassmann_distance": grassmann_distance(embedding, exact),
        "orthogonality": round(orthogonality(embedding), 8),
        "nmi": normalized_mutual_information(labels, clusters),
        "accuracy": clustering_accuracy(labels, clusters),
    }
