import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from pyg_basis.datasets._image_file import read_image_file, write_image_file
from pyg_basis.datasets.image_split import ImageSplit

RNG = np.random.default_rng(0)


def plain_arrays():
    return {
        "x_train": RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8),
        "y_train": np.arange(12, dtype=np.uint8) % 10,
        "x_test": RNG.integers(0, 256, (3, 5, 4), dtype=np.uint8),
        "y_test": np.array([0, 9, 4], dtype=np.uint8),
    }


def jpeg_arrays(sizes=((8, 6), (8, 6), (8, 6)), mode="RGB"):
    arrays, images = {}, {}
    for part in ("train", "test"):
        files = []
        for index, size in enumerate(sizes):
            buffer = io.BytesIO()
            colour = 60 * index if mode == "L" else (60 * index, 200, 30)
            Image.new(mode, size, colour).save(buffer, "JPEG", quality=95)
            files.append(buffer.getvalue())
        arrays[f"{part}_bytes"] = np.frombuffer(b"".join(files), dtype=np.uint8)
        arrays[f"{part}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"y_{part}"] = np.arange(len(files), dtype=np.uint8)
        images[part] = files
    return arrays


def test_write_then_read(tmp_path):
    arrays = plain_arrays()
    split = ImageSplit(
        torch.from_numpy(arrays["x_train"]),
        torch.from_numpy(arrays["y_train"]).long(),
        torch.from_numpy(arrays["x_test"]),
        torch.from_numpy(arrays["y_test"]).long(),
    )
    path = tmp_path / "deep" / "set.npz"
    write_image_file(path, split)
    read = read_image_file(path)
    for written, back in zip(split, read, strict=True):
        assert written.dtype == back.dtype and torch.equal(written, back)
    assert [file.name for file in path.parent.iterdir()] == ["set.npz"]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(file, **arrays):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    split = ImageSplit(*[torch.zeros(1, dtype=torch.uint8)] * 4)
    with pytest.raises(OSError, match="disk full"):
        write_image_file(tmp_path / "set.npz", split)
    assert list(tmp_path.iterdir()) == []


def test_jpeg_coded(tmp_path):
    np.savez(tmp_path / "set.npz", **jpeg_arrays())
    split = read_image_file(tmp_path / "set.npz")
    assert split.x_train.shape == (3, 6, 8, 3) and split.x_train.dtype == torch.uint8
    expected = torch.tensor([[0, 200, 30], [60, 200, 30], [120, 200, 30]])
    error = split.x_train.float().mean(dim=(1, 2)) - expected
    assert float(error.abs().max()) < 3
    assert split.y_test.tolist() == [0, 1, 2]


def test_grey_jpegs_become_rgb(tmp_path):
    np.savez(tmp_path / "set.npz", **jpeg_arrays(mode="L"))
    assert read_image_file(tmp_path / "set.npz").x_test.shape == (3, 6, 8, 3)


def test_pillow_missing(tmp_path, monkeypatch):
    np.savez(tmp_path / "set.npz", **jpeg_arrays())
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        read_image_file(tmp_path / "set.npz")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04broken"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"set.npz is not a readable .*delete"):
        read_image_file(path)


def test_a_cut_or_damaged_file_is_named(tmp_path):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **plain_arrays())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not a readable"):
        read_image_file(path)
    damaged = bytearray(whole)
    damaged[60:160] = b"\xff" * 100
    path.write_bytes(bytes(damaged))
    with pytest.raises(ValueError, match="is not a readable"):
        read_image_file(path)


def test_a_single_array_or_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="is not a readable"):
        read_image_file(path)
    np.savez(path, x_train=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="is not a readable"):
        read_image_file(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x_test": None}, r"must hold x_test \(or test_bytes and test_offsets\)"),
        ({"y_train": None}, "must hold x_train .* and y_train"),
        ({"x_train": np.zeros((12, 5, 4))}, "x_train must be uint8 .*float64"),
        ({"x_train": np.zeros((12, 5), np.uint8)}, r"x_train must be .*\(12, 5\)"),
        ({"x_test": np.zeros((3, 5, 4, 2), np.uint8)}, r"x_test must be uint8 of"),
        ({"y_test": np.zeros(4, np.uint8)}, "y_test must hold one integer .* 3 images"),
        ({"y_test": np.zeros(3)}, "y_test must hold one integer .*float64"),
        ({"y_test": np.array([0, 1, 10])}, r"y_test must hold labels 0 to 9, got .*10"),
        ({"y_test": np.array([0, 1, -1])}, "y_test must hold labels 0 to 9"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, change, message):
    arrays = {
        name: array
        for name, array in {**plain_arrays(), **change}.items()
        if array is not None
    }
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message) as error:
        read_image_file(path)
    assert "delete the file" in str(error.value)


def test_wrong_jpegs_are_named(tmp_path):
    path = tmp_path / "set.npz"
    arrays = jpeg_arrays()
    np.savez(path, **{**arrays, "train_offsets": arrays["train_offsets"][:-1]})
    with pytest.raises(ValueError, match="train_offsets must rise from 0"):
        read_image_file(path)
    np.savez(path, **{**arrays, "train_offsets": arrays["train_offsets"][[0, 2, 1, 3]]})
    with pytest.raises(ValueError, match="train_offsets must rise from 0"):
        read_image_file(path)
    broken = arrays["test_bytes"].copy()
    broken[: arrays["test_offsets"][1]] = 0
    np.savez(path, **{**arrays, "test_bytes": broken})
    with pytest.raises(ValueError, match="test image 0 is not a readable JPEG"):
        read_image_file(path)
    np.savez(path, **jpeg_arrays(sizes=((8, 6), (8, 7))))
    with pytest.raises(ValueError, match="train images must all have one size"):
        read_image_file(path)
