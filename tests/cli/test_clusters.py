from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.cli._clusters import new_clustering
from pyg_basis.cli._points import Points, read_points


def test_in_a_fitted_embedding(fitted: BASiS, points: Path, blobs: np.ndarray) -> None:
    clustering = new_clustering(read_points(points), fitted, 3, 0, quiet=True)
    kmeans = KMeans(3, n_init=10, random_state=0).fit(fitted.transform(blobs))
    assert np.array_equal(clustering.labels_, kmeans.labels_)
    assert clustering.basis_ is fitted
    assert np.array_equal(clustering.predict(blobs), clustering.labels_)
    with pytest.raises(ValueError, match="n_clusters"):
        new_clustering(read_points(points), fitted, 0, 0, quiet=True)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.usefixtures("small_defaults")
def test_the_default_is_that_of_the_estimator(blobs: np.ndarray) -> None:
    points = Points(Path("table.csv"), blobs, ["x", "y", "z"])
    clustering = new_clustering(points, None, 3, 5, quiet=True, device="cpu")
    expected = BASiSClustering(3, random_state=5).fit(blobs)
    assert np.array_equal(clustering.labels_, expected.labels_)
    assert np.array_equal(
        clustering.basis_.transform(blobs), expected.basis_.transform(blobs)
    )
    assert clustering.basis_.feature_names_in_.tolist() == ["x", "y", "z"]


@pytest.mark.usefixtures("small_defaults")
def test_no_trace_of_the_progress_bar(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = read_points(points)
    loud, quiet = (
        new_clustering(read, None, 3, 0, quiet=quiet) for quiet in (False, True)
    )
    assert "5/5" in capsys.readouterr().err
    assert loud.basis_.get_params() == quiet.basis_.get_params()


@pytest.mark.parametrize(
    ("name", "parameters", "match"),
    [
        ("points.npy", {"graph": "whole"}, "graph='whole' needs edges"),
        ("points.npy", {"graph": "none"}, "graph='none' cannot be used"),
        ("points.npy", {"device": "none"}, "device='none' cannot be used"),
        ("adj_t.pt", {}, "X has its edges as adj_t"),
    ],
)
def test_checked_before_the_points_are_read(
    points: Path,
    ring: Data,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    parameters: dict[str, str],
    match: str,
) -> None:
    torch.save(Data(x=ring.x, adj_t=ring.edge_index), points.parent / "adj_t.pt")
    read = read_points(points.parent / name)
    monkeypatch.setattr("pyg_basis.cli._points.blocks", None)
    with pytest.raises(ValueError, match=match):
        new_clustering(read, None, 3, 0, quiet=True, **parameters)


@pytest.mark.parametrize("has_basis", [True, False])
def test_not_finite(fitted: BASiS, blobs: np.ndarray, has_basis: bool) -> None:
    rows = blobs.copy()
    rows[7, 1] = np.nan
    points = Points(Path("a.npz"), rows)
    with pytest.raises(ValueError, match=r"'a\.npz', row 7, column 1.* is nan"):
        new_clustering(points, fitted if has_basis else None, 3, 0, quiet=True)
