import io
import os
import pickle
import stat
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.serialization import skip_data
from torch_geometric.data import Data, HeteroData

from pyg_basis.data._open_features import feature_matrix, open_features, reopening

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def npy_file(folder: Path, rows: np.ndarray = ROWS) -> Path:
    np.save(folder / "rows.npy", rows)
    return folder / "rows.npy"


def pt_file(folder: Path, content: object) -> Path:
    torch.save(content, folder / "rows.pt")
    return folder / "rows.pt"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "?", ">f4"])
def test_npy(tmp_path: Path, dtype: str, order: str) -> None:
    rows = ROWS.astype(dtype, order=order)
    path = npy_file(tmp_path, rows)
    capital = tmp_path / "ROWS.NPY"
    capital.hardlink_to(path)
    for given in (path, str(path), capital):
        opened = open_features(given)
        assert isinstance(opened, np.memmap) and not opened.flags.writeable
        assert opened.dtype == rows.dtype
        assert np.array_equal(opened, rows)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_pt(tmp_path: Path, dtype: torch.dtype) -> None:
    x = torch.from_numpy(ROWS).to(dtype)
    edge_index = torch.tensor([[0, 1], [1, 0]])
    data = Data(x=x, edge_index=edge_index, y=torch.zeros(4), name="four nodes")
    for content in (x, x.T.contiguous().T, data):
        opened = open_features(pt_file(tmp_path, content))
        assert opened.dtype == dtype
        assert torch.equal(opened, x)


@pytest.mark.parametrize("content", [torch.Tensor, lambda x: Data(x=x)])
def test_what_a_pt_file_holds_is_mapped(tmp_path: Path, content) -> None:
    path = pt_file(tmp_path, content(torch.from_numpy(ROWS.copy())))
    opened = open_features(path)
    # A shared map shows what is written to the file later; a copy would not.
    with open(path, "r+b") as file:
        file.seek(path.read_bytes().index(ROWS.tobytes()))
        file.write(np.float32(7).tobytes())
    assert opened[0, 0] == 7


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_a_pt_file_without_permission_to_write_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pt_file(tmp_path, torch.from_numpy(ROWS))
    path.chmod(stat.S_IREAD)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anything
    opened = open_features(path)
    assert torch.equal(opened, torch.from_numpy(ROWS))
    assert str(path) in Path("/proc/self/maps").read_text()


@pytest.mark.skipif(os.name != "posix", reason="needs files with holes")
def test_a_pt_file_larger_than_memory(tmp_path: Path) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    shape = 2 * memory // 1000, 1000
    hole = torch.from_file(
        str(tmp_path / "hole"), shared=True, size=shape[0] * 1000, dtype=torch.uint8
    )
    with skip_data():
        path = pt_file(tmp_path, Data(x=hole.view(shape)))
    opened = open_features(path)
    assert opened.shape == shape
    assert not opened[[0, -1]].any()


def test_opening_runs_no_code_of_the_file(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    with pytest.raises(ValueError, match="cannot be mapped"):
        open_features(pt_file(tmp_path, Trap()))
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("name", ["none.npy", "none.pt"])
def test_no_such_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=name):
        open_features(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npz", "x.pkl", "x", "x.csv"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    match = rf"data='.*{name}' has the suffix .* only \.npy and \.pt .* numpy\.save"
    with pytest.raises(ValueError, match=match):
        open_features(tmp_path / name)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(ROWS))


def write_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, ROWS)


def write_objects(path: Path) -> None:
    np.save(path, np.array([[{}, {}]], dtype=object), allow_pickle=True)


def write_hetero_data(path: Path) -> None:
    data = HeteroData()
    data["paper"].x = torch.from_numpy(ROWS)
    torch.save(data, path)


def write_part(path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, ROWS)
    else:
        torch.save(torch.from_numpy(ROWS), path)
    path.write_bytes(path.read_bytes()[:-20])


def write_compressed(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(torch.from_numpy(ROWS), buffer)
    with (
        zipfile.ZipFile(buffer) as whole,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as smaller,
    ):
        for name in whole.namelist():
            smaller.writestr(name, whole.read(name))


write_old_format = partial(
    torch.save, torch.from_numpy(ROWS), _use_new_zipfile_serialization=False
)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".npy", write_pickle),
        (".npy", write_npz),
        (".npy", write_objects),
        (".npy", write_part),
        (".npy", Path.touch),
        (".pt", write_pickle),
        (".pt", write_npz),
        (".pt", write_hetero_data),
        (".pt", write_old_format),
        (".pt", write_part),
        (".pt", write_compressed),
        (".pt", Path.touch),
    ],
)
def test_files_of_another_kind(tmp_path: Path, suffix: str, write) -> None:
    path = tmp_path / f"x{suffix}"
    write(path)
    match = rf"data='.*x\{suffix}' cannot be mapped .*numpy\.save wrote.*torch\.save"
    with pytest.raises(ValueError, match=match):
        open_features(path)


def test_files_without_a_matrix(tmp_path: Path) -> None:
    for rows in (ROWS[0], ROWS[None]):
        for path in (npy_file(tmp_path, rows), pt_file(tmp_path, torch.tensor(rows))):
            with pytest.raises(ValueError, match=rf"data='.*{path.name}' must .*shape"):
                open_features(path)
    for content in ({"x": torch.ones(2, 2)}, Data(y=torch.ones(2)), [1.0]):
        with pytest.raises(ValueError, match=r"data='.*rows\.pt' must be .* or a Data"):
            open_features(pt_file(tmp_path, content))


def test_feature_matrix_is_a_constant_and_no_copy() -> None:
    x = torch.from_numpy(ROWS).clone().requires_grad_()
    for data in (x, Data(x=x)):
        matrix = feature_matrix(data, "x")
        assert matrix.data_ptr() == x.data_ptr()
        assert not matrix.requires_grad
    assert feature_matrix(ROWS, "x") is ROWS
    assert feature_matrix(Data(x=ROWS), "x") is ROWS


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (Data(y=torch.zeros(4)), r"here must be .* got Data\(y=\[4\]\): set x"),
        (HeteroData(), r"here must be .* got HeteroData\(\): set x"),
        ([[1.0]], "here must be .* got list"),
        (torch.eye(3).to_sparse(), r"here must be a dense .* to_dense\(\)"),
        (torch.ones(2, 2) * 1j, "here must be .* real numbers, got dtype torch.compl"),
        (np.array([["a"]]), "here must be .* real numbers, got dtype <U1"),
        (np.zeros((2, 2), np.complex64), "here must be .* real numbers"),
        (torch.ones(3), r"here must be .* shape \(3,\): reshape"),
        (np.ones((3, 2, 1)), r"shape \(3, 2, 1\): .*data\.reshape\(len\(data\), -1\)"),
    ],
)
def test_no_feature_matrix(x, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        feature_matrix(x, "here")


def test_reopening(tmp_path: Path) -> None:
    rows = open_features(npy_file(tmp_path))
    for part in (rows, rows[1:, ::-2], rows.T, rows[::-1], rows[:0]):
        again = reopening(part)()
        assert np.array_equal(again, part) and again.dtype == part.dtype
        assert not again.flags.writeable and not again.flags.owndata


def test_what_no_file_holds_is_not_reopened(tmp_path: Path) -> None:
    path = npy_file(tmp_path)
    rows, private = open_features(path), np.load(path, mmap_mode="c")
    for in_memory in (ROWS, ROWS[1:], rows + 1, rows[[1, 2]], rows.copy(), private):
        assert reopening(in_memory) is None
