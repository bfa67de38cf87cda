from pathlib import Path
from typing import NamedTuple

import torch
from sklearn.cluster import KMeans

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.cli._existing_file import existing_file
from pyg_basis.estimators._checkpoint import FORMAT
from pyg_basis.estimators._estimator_file import read_file, write_file

SUFFIX = ".pt"
CENTERS = "cluster_centers"


class Model(NamedTuple):
    """What a file of ``fit`` or ``cluster`` holds: an embedding, and the clusters in
    it where some were saved."""

    basis: BASiS
    clustering: BASiSClustering | None


def is_model(path: Path) -> bool:
    """Whether a fitted estimator was saved to this file."""
    if path.suffix.lower() != SUFFIX or not path.is_file():
        return False
    try:
        saved = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception:  # a Data, or a damaged file: who reads it as points, tells
        return False
    return isinstance(saved, dict) and "pyg_basis" in saved


def read_model(path: Path) -> Model:
    """The embedding in a file, and its clusters.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind or version.
    """
    saved = read_file(BASiS, existing_file(path, [SUFFIX]), FORMAT)
    basis = BASiS.load(path)
    if CENTERS not in saved:
        return Model(basis, None)
    centers = saved[CENTERS].numpy()
    # Centres are their own clusters; fitting them sets up all that predict needs.
    kmeans = KMeans(len(centers), init=centers, n_init=1).fit(centers)
    kmeans.cluster_centers_ = centers  # as they were: the fit rounds them
    return Model(basis, fitted_clustering(basis, kmeans))


def write_clustering(clustering: BASiSClustering, path: Path) -> None:
    """Writes the embedding as :meth:`BASiS.save` does, with the centres beside it, so
    that what reads an embedding reads this file too."""
    clustering.basis_.save(path)
    centers = torch.from_numpy(clustering.kmeans_.cluster_centers_)
    write_file({**read_file(BASiS, path, FORMAT), CENTERS: centers}, path)


def fitted_clustering(basis: BASiS, kmeans: KMeans) -> BASiSClustering:
    """The clustering of an embedding and of clusters that were found in it."""
    clustering = BASiSClustering(kmeans.n_clusters)
    clustering.basis_, clustering.kmeans_ = basis, kmeans
    clustering.n_features_in_ = basis.n_features_in_
    return clustering
