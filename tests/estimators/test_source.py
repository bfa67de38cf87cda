from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.estimators._source import (
    feature_source,
    row_blocks,
    single_precision,
)
from pyg_basis.loader import FeatureSource


class Rows(Dataset[Any]):
    def __init__(self, x: Any) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return self.x[index]


X = np.random.default_rng(0).normal(size=(10, 3))


@pytest.mark.parametrize(
    ("points", "dtype"),
    [
        (X, torch.float64),
        (X.astype(np.float32), torch.float32),
        (X.tolist(), torch.float64),
        (X.round().astype(int), torch.float64),
        (torch.from_numpy(X), torch.float64),
        (torch.from_numpy(X).float(), torch.float32),
        (torch.from_numpy(X).bfloat16(), torch.float32),
        (Rows(X), torch.float64),
        (TensorDataset(torch.from_numpy(X).float()), torch.float32),
    ],
)
def test_rows_and_width(points: Any, dtype: torch.dtype) -> None:
    basis = BASiS()
    source = feature_source(basis, points, reset=True)
    assert basis.n_features_in_ == 3
    assert len(source) == 10 and source.num_features == 3
    rows = source.__getitems__(np.array([7, 2]))
    assert rows.dtype == dtype and rows.shape == (2, 3)
    np.testing.assert_allclose(rows, X[[7, 2]], atol=0.51, rtol=0.01)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "i8", "?", ">f4"])
def test_memory_map_is_shared(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "x.npy", (10 * X).astype(dtype))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    source = feature_source(BASiS(), mapped, reset=True)
    assert np.shares_memory(source.data, mapped)
    rows = source.__getitems__(np.array([3, 4]))
    assert rows.is_floating_point()
    np.testing.assert_array_equal(rows, mapped[[3, 4]])


def test_arrays_are_not_copied() -> None:
    assert np.shares_memory(feature_source(BASiS(), X, reset=True).data, X)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.bool]
)
def test_tensors_are_not_copied(dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(10 * X).to(dtype)
    source = feature_source(BASiS(), tensor, reset=True)
    assert source.data.data_ptr() == tensor.data_ptr()
    assert source.data.dtype == dtype


def npy_file(folder: Path, x: Any) -> Path:
    np.save(folder / "x.npy", x)
    return folder / "x.npy"


def pt_file(folder: Path, x: Any) -> str:
    torch.save(Data(x=torch.as_tensor(x)), folder / "x.pt")
    return str(folder / "x.pt")


ON_DISK: dict[str, Any] = {
    "npy": npy_file,
    "pt": pt_file,
    "memory map": lambda folder, x: np.load(npy_file(folder, x), mmap_mode="r"),
    "Data": lambda _, x: Data(x=torch.as_tensor(x)),
}


@pytest.mark.parametrize("kind", ON_DISK)
def test_files_and_data_are_checked_as_arrays_are(tmp_path: Path, kind: str) -> None:
    basis = BASiS()
    source = feature_source(basis, ON_DISK[kind](tmp_path, X), reset=True)
    assert basis.n_features_in_ == 3
    np.testing.assert_array_equal(source.__getitems__([7, 2]), X[[7, 2]])
    bad = X.copy()
    bad[9, 2] = np.nan
    for points, reset in ((bad, True), (X[:1], True), (X[:0], True), (X[:, :2], False)):
        with pytest.raises(ValueError) as expected:
            feature_source(basis, points, reset=reset)
        with pytest.raises(ValueError) as error:
            feature_source(basis, ON_DISK[kind](tmp_path, points), reset=reset)
        assert str(error.value) == str(expected.value)


@pytest.mark.parametrize("kind", ON_DISK)
def test_fit_and_transform_files_and_data(tmp_path: Path, kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    settings: dict[str, Any] = {
        "n_anchors": 30, "batch_size": 80, "n_neighbors": 10, "max_iter": 3,
        "random_state": 0,
    }  # fmt: skip
    points = ON_DISK[kind](tmp_path, x)
    embedding = BASiS(**settings).fit_transform(points)
    np.testing.assert_array_equal(embedding, BASiS(**settings).fit_transform(x))


def test_gradients_end_at_the_features() -> None:
    x = torch.from_numpy(X).requires_grad_()
    for points in (x, Data(x=x)):
        assert not feature_source(BASiS(), points, reset=True)[0].requires_grad


def test_half_precision_beyond_the_sum_of_halves_is_finite(tmp_path: Path) -> None:
    x = np.full((100, 3), 6e4, np.float16)
    for kind in ON_DISK.values():
        assert len(feature_source(BASiS(), kind(tmp_path, x), reset=True)) == 100


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        BASiS().fit(tmp_path / "none.npy")


def test_memory_maps_of_other_shapes_are_arrays(tmp_path: Path) -> None:
    mapped = np.load(npy_file(tmp_path, X[0]), mmap_mode="r")
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        feature_source(BASiS(), mapped, reset=True)
    with pytest.raises(ValueError, match=r"Complex data not supported"):
        feature_source(
            BASiS(), np.load(npy_file(tmp_path, X * 1j), mmap_mode="r"), reset=True
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad: float) -> None:
    x = X.copy()
    x[9, 2] = bad
    for points in (x, torch.from_numpy(x), x.astype(np.float32), x.tolist()):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            feature_source(BASiS(), points, reset=True)


def test_other_shapes() -> None:
    for points in (X[0], X[None], torch.from_numpy(X[0]), X[:0], X[:, :0], X[:1]):
        with pytest.raises(ValueError, match=r"(?i)array|sample|feature"):
            feature_source(BASiS(), points, reset=True)
    with pytest.raises(ValueError, match="n_samples = 1: at least 2"):
        feature_source(BASiS(), Rows(X[:1]), reset=True)
    with pytest.raises(ValueError, match=r"feature vectors \[d\].*\(1, 3\)"):
        feature_source(BASiS(), Rows(X[:, None]), reset=True)


def test_one_point_can_be_transformed() -> None:
    basis = BASiS()
    feature_source(basis, X, reset=True)
    for points in (X[:1], Rows(X[:1])):
        assert len(feature_source(basis, points, reset=False)) == 1


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, Rows])
def test_width_is_compared(kind: Any) -> None:
    basis = BASiS()
    feature_source(basis, X, reset=True)
    with pytest.raises(ValueError, match="X has 2 features, but BASiS is expecting 3"):
        feature_source(basis, kind(X[:, :2]), reset=False)
    assert basis.n_features_in_ == 3


def test_row_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyg_basis.estimators._source.BLOCK_ROWS", 4)
    blocks = list(row_blocks(FeatureSource(X)))
    assert [len(rows) for _, rows in blocks] == [4, 4, 2]
    for where, rows in blocks:
        np.testing.assert_array_equal(rows, X[where])
    bad = X.copy()
    bad[9, 2] = np.inf
    with pytest.raises(ValueError, match="infinite values among points 8 to 9"):
        list(row_blocks(FeatureSource(Rows(bad))))


@pytest.mark.parametrize(
    "rows",
    [
        torch.randn(50, 2, dtype=torch.float64) + 1e9,
        torch.randn(50, 2, dtype=torch.float64) * 1e200,
        torch.randn(50, 2) * 1e20,
    ],
)
def test_features_beyond_single_precision_are_refused(rows) -> None:
    with pytest.raises(ValueError, match=r"X has values up to .* centre and rescale"):
        single_precision(rows)


def test_constant_features_lose_nothing_in_single_precision() -> None:
    rows = torch.full((50, 2), 0.1, dtype=torch.float64)
    rows[:, 1] = torch.linspace(1000, 1001, 50, dtype=torch.float64)
    assert single_precision(rows).dtype == torch.float32
