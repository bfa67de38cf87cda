from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.cli._model_file import (
    fitted_clustering,
    is_model,
    read_model,
    write_clustering,
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clusters_there_and_back(
    folder: Path, fitted: BASiS, blobs: np.ndarray, dtype: type
) -> None:
    embedding = fitted.transform(blobs).astype(dtype)
    kmeans = KMeans(7, n_init=1, random_state=0).fit(embedding)
    clustering = fitted_clustering(fitted, kmeans)
    path = folder / "clusters.pt"
    write_clustering(clustering, path)
    assert [file.name for file in folder.iterdir()] == ["clusters.pt"]
    basis, again = read_model(path)
    assert again is not None and again.basis_ is basis and again.n_clusters == 7
    centers = again.kmeans_.cluster_centers_
    assert np.array_equal(centers, kmeans.cluster_centers_)
    assert centers.dtype == kmeans.cluster_centers_.dtype
    # Not kmeans.labels_, which are of centered rows: seven clusters of three blobs have
    # borders where rounding decides.
    assert np.array_equal(again.predict(blobs), kmeans.predict(embedding))
    new = blobs[::-1] + np.float32(0.25)
    assert np.array_equal(again.predict(new), clustering.predict(new))
    # What reads an embedding reads this file too.
    assert np.array_equal(BASiS.load(path).transform(blobs), fitted.transform(blobs))


def test_an_embedding_has_no_clusters(model: Path, fitted: BASiS) -> None:
    basis, clustering = read_model(model)
    assert clustering is None
    assert basis.get_params() == fitted.get_params()


def test_is_model(model: Path, points: Path, folder: Path) -> None:
    torch.save(torch.zeros(3, 2), "tensor.pt")
    torch.save(Data(x=torch.zeros(3, 2)), "data.pt")
    torch.save({"rows": torch.zeros(3, 2)}, "dict.pt")
    Path("bad.pt").write_bytes(b"garbage")
    assert is_model(model)
    for name in ("tensor.pt", "data.pt", "dict.pt", "bad.pt", "none.pt", points):
        assert not is_model(Path(name)), name


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("none.pt", "is no file"),
        ("points.npy", r"has the suffix '\.npy': use \.pt"),
        ("bad.pt", "no readable checkpoint"),
        ("tensor.pt", "holds checkpoint version None"),
    ],
)
def test_no_model(points: Path, name: str, match: str) -> None:
    torch.save(torch.zeros(3, 2), "tensor.pt")
    Path("bad.pt").write_bytes(b"garbage")
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        read_model(Path(name))
