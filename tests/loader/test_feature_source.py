import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from pyg_basis.loader import FeatureSource

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


class Items(Dataset):
    """A map-style dataset of whatever items it is given."""

    def __init__(self, *items) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):
        assert type(index) is int
        return self.items[index]


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.ones(3)


def memory_map(folder) -> np.ndarray:
    np.save(folder / "rows.npy", ROWS)
    return np.load(folder / "rows.npy", mmap_mode="r")


SOURCES = {
    "tensor": lambda _: torch.from_numpy(ROWS),
    "array": lambda _: ROWS,
    "Fortran order": lambda _: np.asfortranarray(ROWS),
    "memory map": memory_map,
    "tuples": lambda _: TensorDataset(torch.from_numpy(ROWS), torch.arange(4)),
    "lists": lambda _: Items(*([row, 0] for row in ROWS)),
    "arrays": lambda _: Items(*ROWS),
    "source": lambda _: FeatureSource(ROWS),
}


@pytest.mark.parametrize("name", SOURCES)
def test_all_kinds_give_the_same_rows(name, tmp_path) -> None:
    source = FeatureSource(SOURCES[name](tmp_path))
    assert len(source) == 4
    assert source.num_features == 3
    assert torch.equal(source[1], torch.tensor([3.0, 4.0, 5.0]))
    for indices in ([2, 0, 2], np.array([2, 0, 2])):
        rows = source.__getitems__(indices)
        assert torch.equal(rows, torch.from_numpy(ROWS[[2, 0, 2]]))
        assert rows.dtype == torch.float32
    assert repr(source) == "FeatureSource(4, 3)"


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.int64, np.bool_, np.float16, np.float32]
)
@pytest.mark.parametrize("kind", ["array", "tensor", "dataset"])
def test_other_dtypes_become_float32(kind, dtype) -> None:
    data = ROWS.astype(dtype)
    if kind == "tensor":
        data = torch.from_numpy(data)
    elif kind == "dataset":
        data = Items(*data)
    rows = FeatureSource(data).__getitems__([0, 3])
    assert rows.dtype == torch.float32
    assert torch.equal(rows, torch.from_numpy(ROWS.astype(dtype)[[0, 3]]).float())


def test_bfloat16_becomes_float32() -> None:
    assert FeatureSource(torch.ones(2, 3).bfloat16())[0].dtype == torch.float32


@pytest.mark.parametrize("kind", ["array", "tensor", "dataset"])
def test_double_precision_is_kept(kind) -> None:
    data = ROWS.astype(np.float64) + 1e-12
    if kind == "tensor":
        data = torch.from_numpy(data)
    elif kind == "dataset":
        data = Items(*data)
    rows = FeatureSource(data).__getitems__([1])
    assert rows.dtype == torch.float64
    assert rows[0, 0] == 3 + 1e-12


def test_read_only_memory_maps_do_not_warn_and_are_not_changed(tmp_path) -> None:
    data = memory_map(tmp_path)
    assert not data.flags.writeable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = FeatureSource(data)
        row, rows = source[1], source.__getitems__([1, 2])
    row += 1
    rows += 1
    assert np.array_equal(np.load(tmp_path / "rows.npy"), ROWS)


def test_items_of_a_read_only_memory_map_do_not_warn(tmp_path) -> None:
    data = memory_map(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = FeatureSource(Items(*data))[1]
    assert row.tolist() == [3, 4, 5]


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">i2"])
def test_byte_order_of_another_machine(dtype) -> None:
    for data in (ROWS.astype(dtype), Items(*ROWS.astype(dtype))):
        assert FeatureSource(data)[1].tolist() == [3, 4, 5]


def test_memory_maps_are_read_by_row(tmp_path) -> None:
    # 4 GB on paper; the file is sparse.
    shape = (10**7, 100)
    data = np.memmap(tmp_path / "large", np.float32, mode="w+", shape=shape)
    data[-1, 0] = 7
    source = FeatureSource(data)
    assert len(source) == 10**7
    assert source.__getitems__([10**7 - 1, 0])[:, 0].tolist() == [7, 0]


def test_rows_are_not_views_of_an_array() -> None:
    data = ROWS.copy()
    row = FeatureSource(data)[1]
    row += 1
    assert np.array_equal(data, ROWS)


def test_index_out_of_range_ends_an_iteration() -> None:
    assert len(list(FeatureSource(ROWS))) == 4
    with pytest.raises(IndexError):
        FeatureSource(torch.from_numpy(ROWS))[4]


@pytest.mark.parametrize("data", [np.zeros((0, 3)), torch.zeros(0, 3), Items()])
def test_no_points(data) -> None:
    source = FeatureSource(data)
    assert (len(source), source.num_features) == (0, 0)


@pytest.mark.parametrize("shape", [(4,), (4, 3, 3), ()])
@pytest.mark.parametrize("kind", [np.zeros, torch.zeros])
def test_no_matrix(kind, shape) -> None:
    match = r"data must be a matrix \[points, features\].*data\.reshape\(len\(data\), "
    with pytest.raises(ValueError, match=match):
        FeatureSource(kind(shape))


@pytest.mark.parametrize("data", [Stream(), iter([1]), 3, None])
def test_no_map_style_dataset(data) -> None:
    match = f"data must be a tensor.* map-style .* got {type(data).__name__}"
    with pytest.raises(ValueError, match=match):
        FeatureSource(data)


@pytest.mark.parametrize("item", [torch.zeros(2, 3), torch.tensor(1.0), [1.0, 2.0]])
def test_items_that_are_no_vectors(item) -> None:
    match = "items of data must be feature vectors .*: flatten them in the dataset"
    with pytest.raises(ValueError, match=match):
        FeatureSource(Items(item))
