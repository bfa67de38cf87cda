"""K-means in the columns of an embedding."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

Rows = NDArray[np.floating]


def leading_clusters(
    kmeans: KMeans, rows: Rows, num_leading: int, weight: ArrayLike | None = None
) -> KMeans:
    """Clusters the first columns; the centers have all columns.

    As many eigenvectors as clusters separate these (von Luxburg, "A Tutorial on
    Spectral Clustering", 2007). Later eigenvectors vary within clusters, each as much
    as the first ones do overall, and k-means would split clusters along them.
    """
    kmeans.fit(rows[:, :num_leading], sample_weight=weight)
    if num_leading >= rows.shape[1]:
        return kmeans
    return _with_all_columns(kmeans, rows, weight)


def grown_clusters(
    leading: Rows,
    rows: Rows,
    leading_earlier: Rows,
    labels: NDArray[np.int32],
    leading_centers: Rows,
    n_clusters: int,
    n_init: int,
    seed: int,
) -> KMeans:
    """Clusters rows to which clusters have been added. The known clusters come first:
    each known label is assigned to a different new cluster, so that as many earlier
    rows as possible keep their labels."""
    known = len(leading_centers)
    if n_clusters == known:
        # Starting at the known centers keeps their order.
        start = leading_centers.copy()
        for i in np.unique(labels):
            start[i] = leading_earlier[labels == i].mean(axis=0)
    else:
        kmeans = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(leading)
        counts = np.zeros((known, n_clusters))
        np.add.at(counts, (labels, kmeans.predict(leading_earlier)), 1)
        place = linear_sum_assignment(counts, maximize=True)[1]
        others = np.setdiff1d(np.arange(n_clusters), place)
        start = kmeans.cluster_centers_[np.concatenate([place, others])]
    kmeans = KMeans(n_clusters, init=start, n_init=1).fit(leading)
    return _with_all_columns(kmeans, rows, None)


def kmeans_at(centers: Rows) -> KMeans:
    """Returns a fitted k-means with these centers."""
    # Fitting the centers to themselves sets up all that predict needs.
    kmeans = KMeans(len(centers), init=centers, n_init=1, random_state=0)
    kmeans.fit(centers).cluster_centers_ = centers  # restore: the fit rounds
    return kmeans


def _with_all_columns(kmeans: KMeans, rows: Rows, weight: ArrayLike | None) -> KMeans:
    counts = np.ones(len(rows)) if weight is None else np.asarray(weight, np.float64)
    centers = np.zeros((kmeans.n_clusters, rows.shape[1]))
    np.add.at(centers, kmeans.labels_, counts[:, None] * rows)
    total = np.bincount(kmeans.labels_, counts, kmeans.n_clusters)
    centers /= np.maximum(total, np.finfo(np.float64).tiny)[:, None]
    found = kmeans_at(centers.astype(rows.dtype))
    found.labels_ = found.predict(rows)
    return found
