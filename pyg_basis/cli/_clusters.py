from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.cli._blocks import as_array
from pyg_basis.cli._model_file import fitted_clustering
from pyg_basis.cli._points import Points
from pyg_basis.estimators._graph_training import given_edges
from pyg_basis.estimators._parameters import RULES, check_values


def new_clustering(
    points: Points,
    basis: BASiS | None,
    n_clusters: int,
    random_state: int | None,
    quiet: bool,
    **parameters: Any,
) -> BASiSClustering:
    """The clustering of points, with their labels: in the embedding of a basis that is
    fitted already, or else in one that is learned with these parameters.

    Raises:
        ValueError: If a parameter or the points cannot be used.
    """
    if basis is not None:
        return _cluster(points, basis, n_clusters, random_state, quiet)
    # The basis that BASiSClustering takes by itself.
    basis = BASiS(n_clusters, reference_size=None, verbose=not quiet, **parameters)
    # Told before the rows are read: a bad parameter, or edges that are missing.
    check_values(basis, {name: RULES[name] for name in parameters})
    given_edges(basis, points.source)
    points.check_finite()
    clustering = BASiSClustering(n_clusters, basis=basis, random_state=random_state)
    clustering.fit(points.source)
    clustering.basis_.set_params(verbose=False)
    points.name_features_of(clustering.basis_)
    return clustering


def _cluster(
    points: Points,
    basis: BASiS,
    n_clusters: int,
    random_state: int | None,
    quiet: bool,
) -> BASiSClustering:
    embedding = [
        as_array(basis.transform(block))
        for block in points.finite_blocks("transform", quiet)
    ]
    n_init = BASiSClustering().n_init
    kmeans = KMeans(n_clusters, n_init=n_init, random_state=random_state)
    labels = kmeans.fit_predict(np.concatenate(embedding))
    clustering = fitted_clustering(basis, kmeans)
    clustering.labels_ = labels
    return clustering
