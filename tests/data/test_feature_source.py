import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array, csc_matrix, csr_array
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torch_geometric.data import Data, HeteroData, OnDiskDataset

from pyg_basis.data import FeatureSource

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


class Many(Items):
    """Items that come many at a time only."""

    def __getitem__(self, index):
        raise AssertionError("items are fetched one by one")

    def __getitems__(self, indices):
        assert all(type(index) is int for index in indices)
        return [self.items[index] for index in indices]


class Database(OnDiskDataset):
    """Nodes as Data objects in an SQLite file."""

    def __init__(self, folder, transform=None) -> None:
        super().__init__(str(folder), transform, log=False)
        self.extend([Data(x=torch.from_numpy(row)[None]) for row in ROWS])


def npy_file(folder) -> Path:
    np.save(folder / "rows.npy", ROWS)
    return folder / "rows.npy"


def pt_file(folder) -> str:
    torch.save(Data(x=torch.from_numpy(ROWS)), folder / "rows.pt")
    return str(folder / "rows.pt")


def memory_map(folder) -> np.ndarray:
    return np.load(npy_file(folder), mmap_mode="r")


SOURCES = {
    "npy": npy_file,
    "pt": pt_file,
    "Data": lambda _: Data(x=torch.from_numpy(ROWS), edge_index=torch.zeros(2, 0)),
    "Data items": lambda _: Items(*(Data(x=torch.from_numpy(row)) for row in ROWS)),
    "many at a time": lambda _: Many(*ROWS),
    "OnDiskDataset": Database,
    "part of an OnDiskDataset": lambda folder: Subset(Database(folder), range(4)),
    "tensor": lambda _: torch.from_numpy(ROWS),
    "array": lambda _: ROWS,
    "Fortran order": lambda _: np.asfortranarray(ROWS),
    "memory map": memory_map,
    "CSR": lambda _: csr_array(ROWS),
    "CSC": lambda _: csc_matrix(ROWS),
    "COO": lambda _: coo_array(ROWS),
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
    "dtype", [np.uint8, np.int16, np.int64, np.bool_, np.float16, ">f4", ">i2", "f8"]
)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, lambda x: Items(*x)])
def test_other_dtypes_become_float32_and_double_is_kept(kind, dtype) -> None:
    data = ROWS.astype(dtype)
    if kind is torch.from_numpy:  # knows the byte order of the machine only
        data = data.astype(data.dtype.newbyteorder("="))
    rows = FeatureSource(kind(data)).__getitems__([0, 3])
    assert rows.dtype == (torch.float64 if dtype == "f8" else torch.float32)
    assert rows.tolist() == data[[0, 3]].astype(np.float64).tolist()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.uint16])
@pytest.mark.parametrize("kind", [lambda x: x, lambda x: Items(*x)])
def test_dtypes_that_numpy_does_not_have(kind, dtype) -> None:
    rows = FeatureSource(kind(torch.from_numpy(ROWS).to(dtype))).__getitems__([0, 3])
    assert torch.equal(rows, torch.from_numpy(ROWS[[0, 3]]))  # small integers


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("as_items", [False, True])
def test_read_only_memory_maps_do_not_warn_and_are_not_changed(
    as_items, tmp_path
) -> None:
    data = memory_map(tmp_path)
    source = FeatureSource(Items(*data) if as_items else data)
    row, rows = source[1], source.__getitems__([1, 2])
    row += 1
    rows += 1
    assert np.array_equal(np.load(tmp_path / "rows.npy"), ROWS)


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


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.ones(3)


@pytest.mark.parametrize(
    "data", [Stream(), iter([1]), 3, None, {"x": ROWS}, DataLoader(Items(*ROWS))]
)
def test_no_map_style_dataset(data) -> None:
    match = f"data must be a tensor.* map-style .* got {type(data).__name__}"
    with pytest.raises(ValueError, match=match):
        FeatureSource(data)


@pytest.mark.parametrize(
    "item",
    [
        torch.zeros(2, 3),
        torch.tensor(1.0),
        np.float32(1),
        [1.0, 2.0],
        "text",
        None,
        {"x": torch.zeros(3)},
        np.array(["a"]),
        np.array([{}]),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3).to_sparse(),
    ],
)
def test_items_that_are_no_vectors(item) -> None:
    match = "items of data must be feature vectors .*: flatten them in the dataset"
    with pytest.raises(ValueError, match=match):
        FeatureSource(Items(item))


# SciPy before 1.13 makes a matrix of a vector.
VECTORS = [data for data in [coo_array(ROWS[0])] if data.ndim == 1]


@pytest.mark.parametrize("data", [csr_array(ROWS * 1j), *VECTORS])
def test_sparse_data_that_is_no_matrix_of_real_numbers(data) -> None:
    with pytest.raises(ValueError, match=r"data must be a matrix of real numbers, got"):
        FeatureSource(data)


def test_items_of_several_lengths() -> None:
    source = FeatureSource(Items(ROWS[0], ROWS[1, :2]))
    with pytest.raises(ValueError, match=r"of one length, got the lengths \[2, 3\]: "):
        source.__getitems__([0, 1])


@pytest.mark.parametrize(
    "item", [Data(), Data(x=torch.zeros(2, 3)), Data(x=torch.tensor(1)), HeteroData()]
)
def test_items_without_the_features_of_one_point(item) -> None:
    match = (
        r"the features of one point as x.*got (Hetero)?Data\((?s:.*)by itself.*Batch"
    )
    with pytest.raises(ValueError, match=match):
        FeatureSource(Items(item))


def test_rows_of_a_part_of_an_on_disk_dataset(tmp_path) -> None:
    data = Database(tmp_path, transform=lambda item: Data(x=item.x + 1))
    source = FeatureSource(data[2:])
    assert len(source) == 2
    assert torch.equal(source.__getitems__([1, 0]), torch.from_numpy(ROWS[[3, 2]] + 1))
    with pytest.raises(IndexError):
        source[2]


def test_items_that_get_lost() -> None:
    class Lossy(Many):
        def __getitems__(self, indices):
            return super().__getitems__(indices[:1])

    source = FeatureSource(Lossy(*ROWS))
    with pytest.raises(ValueError, match=r"1 items for 2 indices: its __getitems__ "):
        source.__getitems__([0, 1])


# --- pickling, as processes do that are spawned

LARGE = (10**5, 100)  # 40 MB on paper


def sparse_file(folder) -> Path:
    data = np.lib.format.open_memmap(
        folder / "large.npy", mode="w+", dtype=np.float32, shape=LARGE
    )
    data[-3:] = np.arange(300).reshape(3, 100)
    return folder / "large.npy"


def large_pt_file(folder) -> Path:
    torch.save(torch.from_numpy(np.load(sparse_file(folder))), folder / "large.pt")
    return folder / "large.pt"


def large_map(folder, mode="r") -> np.ndarray:
    return np.load(sparse_file(folder), mmap_mode=mode)


LARGE_SOURCES = {
    "npy": sparse_file,
    "pt": large_pt_file,
    "writable": lambda folder: large_map(folder, "r+"),
    "rows of a memory map": lambda folder: large_map(folder)[10:],
    "columns of a memory map": lambda folder: large_map(folder)[:, 5:50:3],
    "reversed": lambda folder: large_map(folder)[::-1],
    "array of a memory map": lambda folder: np.asarray(large_map(folder)),
    "transposed": lambda folder: large_map(folder).reshape(LARGE[::-1], order="A").T,
    "other bytes": lambda folder: large_map(folder).view(">i2"),
    "source": lambda folder: FeatureSource(sparse_file(folder)),
}


@pytest.mark.parametrize("name", LARGE_SOURCES)
def test_what_is_on_disk_is_not_pickled(name, tmp_path) -> None:
    source = FeatureSource(LARGE_SOURCES[name](tmp_path))
    for _ in range(2):
        pickled = pickle.dumps(source)
        assert len(pickled) < 2000
        again = pickle.loads(pickled)
        assert repr(again) == repr(source)
        drawn = [*range(5), *range(len(source) - 5, len(source))]
        rows = source.__getitems__(drawn)
        assert torch.equal(again.__getitems__(drawn), rows)
        assert rows.any()
        source = again


@pytest.mark.parametrize("name", ["tensor", "array", "lists", "Data"])
def test_what_is_in_memory_is_pickled(name) -> None:
    source = pickle.loads(pickle.dumps(FeatureSource(SOURCES[name](None))))
    assert torch.equal(source.__getitems__([3, 1]), torch.from_numpy(ROWS[[3, 1]]))


def test_changes_that_no_file_has_are_pickled(tmp_path) -> None:
    data = np.load(npy_file(tmp_path), mmap_mode="c")
    data[1] = 7
    source = pickle.loads(pickle.dumps(FeatureSource(data)))
    assert source[1].tolist() == [7, 7, 7]


def test_relative_paths_are_opened_from_elsewhere(tmp_path, monkeypatch) -> None:
    npy_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(FeatureSource("rows.npy"))
    monkeypatch.chdir("/")
    assert len(pickle.loads(pickled)) == 4
