"""Features of more columns than the network and the samples could hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.data import projected_rows
from pyg_basis.datasets import circle
from pyg_basis.metrics import clustering_accuracy, grassmann_distance
from pyg_basis.transforms import AddBASiSPE
from tests.estimators.inputs import Rows, blocks, quick, same, three_blobs

pytestmark = pytest.mark.usefixtures("narrow_network")

WIDTH = 4097


def widened(x: NDArray[Any]) -> NDArray[np.float32]:
    """The same distances in 4,097 columns."""
    columns = np.random.default_rng(1).normal(size=(WIDTH, x.shape[1]))
    wide: NDArray[np.float32] = (x @ np.linalg.qr(columns)[0].T).astype(np.float32)
    return wide


X = widened(three_blobs())


@pytest.fixture(scope="module")
def basis() -> BASiS:
    return quick().fit(X)


def test_widths_from_4097_on_are_projected(basis: BASiS) -> None:
    assert basis.projection_ is not None and basis.projection_.shape == (2048, WIDTH)
    assert basis.layer_.in_channels == 2048 and basis.n_features_in_ == WIDTH
    narrow = quick(max_iter=2).fit(X[:, :4096])
    assert narrow.projection_ is None and narrow.layer_.in_channels == 4096
    assert basis.fit(X) is basis and basis.projection_ is not None


def test_the_embedding_is_that_of_the_same_points_in_few_columns() -> None:
    x = circle(300).double().numpy()
    narrow, wide = quick().fit(x), quick().fit(widened(x))
    rows = wide.transform(widened(x))
    assert grassmann_distance(rows, narrow.transform(x)) < 0.02
    assert wide.score(widened(x)) > 0.98


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_depends_on_no_other(basis: BASiS, dtype: Any) -> None:
    x = X.astype(dtype)
    rows = basis.transform(x)
    alone = np.concatenate([basis.transform(x[i : i + 1]) for i in range(3)])
    assert rows.dtype == dtype
    assert np.allclose(alone, rows[:3], rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_the_layer_takes_projected_rows(basis: BASiS) -> None:
    assert basis.projection_ is not None
    x = torch.from_numpy(X @ basis.projection_.T).float()
    with torch.no_grad():
        rows = basis.layer_(x)
    assert np.allclose(rows.numpy(), basis.transform(X), atol=1e-5)


def test_every_door_is_the_same(basis: BASiS, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    torch.save(torch.from_numpy(X), tmp_path / "x.pt")
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    x = torch.from_numpy(X)
    for points in (x, mapped, tmp_path / "x.npy", tmp_path / "x.pt", Rows(x)):
        assert same(quick().fit(points), basis, X)
        assert np.array_equal(basis.transform(points), basis.transform(X))


def test_sets_too_large_to_keep_are_projected_as_they_are_read(
    basis: BASiS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projected_rows, "MOST_KEPT", 100)
    monkeypatch.setattr(projected_rows, "BLOCK_NUMBERS", 7 * WIDTH)
    assert same(quick().fit(X), basis, X)


@pytest.mark.parametrize("most_kept", [0, 1000])
def test_workers_change_nothing(
    basis: BASiS, monkeypatch: pytest.MonkeyPatch, most_kept: int
) -> None:
    monkeypatch.setattr(projected_rows, "MOST_KEPT", most_kept)
    assert same(quick(num_workers=2).fit(X), basis, X)


def test_there_and_back(basis: BASiS, tmp_path: Path) -> None:
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.n_features_in_ == WIDTH and same(loaded, basis, X)
    assert loaded.score(X) == basis.score(X)
    assert loaded.projection_ is not None and basis.projection_ is not None
    assert (loaded.projection_ != basis.projection_).nnz == 0


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_a_matrix_that_fits_no_features_is_not_loaded(
    basis: BASiS, tmp_path: Path, part: str
) -> None:
    assert basis.projection_ is not None
    other = BASiS.load(_saved(basis, tmp_path))
    values = getattr(other.projection_, part)
    values[-1] = {"data": np.nan, "indices": WIDTH, "indptr": 0}[part]
    with pytest.raises(ValueError, match="is not written"):
        other.save(tmp_path / "other.pt")


def _saved(basis: BASiS, folder: Path) -> Path:
    basis.save(folder / "basis.pt")
    return folder / "basis.pt"


def test_clusters(tmp_path: Path) -> None:
    clustering = BASiSClustering(3, basis=quick(), random_state=0).fit(X)
    assert clustering_accuracy(np.arange(300) % 3, clustering.labels_) > 0.95
    clustering.save(tmp_path / "clusters.pt")
    loaded = BASiSClustering.load(tmp_path / "clusters.pt")
    assert np.array_equal(loaded.predict(X), clustering.labels_)


def test_nodes_of_a_given_graph() -> None:
    data = blocks()
    narrow = quick().fit(data).transform(data.x)
    wide = Data(
        x=torch.from_numpy(widened(data.x.numpy())),
        edge_index=data.edge_index,
        edge_weight=data.edge_weight,
    )
    basis = quick().fit(wide)
    rows = basis.transform(wide.x)
    assert grassmann_distance(rows, narrow) < 0.1
    for given in (wide, Data(x=wide.x)):
        assert torch.allclose(AddBASiSPE(basis)(given).basis_pe, rows, atol=1e-5)


def test_bad_input(basis: BASiS) -> None:
    x = torch.from_numpy(X.copy())
    x[7, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite values, as in row 7 "):
        basis.transform(Rows(x))
    with pytest.raises(ValueError, match="NaN or infinite"):
        quick().fit(Rows(x))
    with pytest.raises(ValueError, match="NaN or infinite values, as in row 7 "):
        AddBASiSPE(basis)(Data(x=x))
    with pytest.raises(ValueError, match="4096 features"):
        basis.transform(X[:, 1:])
    with pytest.raises(ValueError, match=r"have 4096 features.*fitted to 4097"):
        AddBASiSPE(basis)(Data(x=x[:, 1:]))


def test_far_rows_stay_finite(basis: BASiS) -> None:
    assert np.isfinite(basis.transform(1e37 * np.sign(X[:2]))).all()
