import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.data.image_file import read_image_file, write_image_file
from pyg_basis.datasets import ImageSplit

RNG = np.random.default_rng(0)


def plain_arrays() -> dict[str, Any]:
    return {
        "x_train": RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8),
        "y_train": np.arange(12, dtype=np.uint8) % 10,
        "x_test": RNG.integers(0, 256, (3, 5, 4), dtype=np.uint8),
        "y_test": np.array([0, 9, 4], dtype=np.uint8),
    }


def jpeg_arrays(size: tuple[int, int] = (8, 6)) -> dict[str, Any]:
    arrays = {}
    for part in ("train", "test"):
        files = []
        for index, each in enumerate(((8, 6), (8, 6), size)):
            buffer = io.BytesIO()
            color = (60 * index, 200, 30)
            Image.new("RGB", each, color).save(buffer, "JPEG", quality=95)
            files.append(buffer.getvalue())
        arrays[f"{part}_bytes"] = np.frombuffer(b"".join(files), dtype=np.uint8)
        arrays[f"{part}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"y_{part}"] = np.arange(len(files), dtype=np.uint8)
    return arrays


def test_what_is_written_is_read_back(tmp_path):
    split = ImageSplit(*(torch.from_numpy(a) for a in plain_arrays().values()))
    write_image_file(tmp_path / "deep" / "set.npz", split)
    read = read_image_file(tmp_path / "deep" / "set.npz")
    for written, back in zip(split, read, strict=True):
        assert torch.equal(written, back)
    assert read.y_train.dtype == torch.int64


def test_jpeg_coded(tmp_path):
    np.savez(tmp_path / "set.npz", **jpeg_arrays())
    split = read_image_file(tmp_path / "set.npz")
    assert split.x_train.shape == (3, 6, 8, 3) and split.x_train.dtype == torch.uint8
    expected = torch.tensor([[0, 200, 30], [60, 200, 30], [120, 200, 30]])
    error = split.x_train.float().mean(dim=(1, 2)) - expected
    assert float(error.abs().max()) < 3


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04broken"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"set.npz is not a readable .*delete"):
        read_image_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_test": None}, "x_test"),
        ({"x_train": np.zeros((12, 5, 4))}, "x_train must be uint8 .*float64"),
        ({"y_test": np.zeros(4, np.uint8)}, "y_test must hold .* of 3 images"),
        ({"y_test": np.array([0, 1, 10])}, "y_test must hold a label from 0 to 9"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, change, message):
    arrays = {**plain_arrays(), **change}
    path = tmp_path / "set.npz"
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    with pytest.raises(ValueError, match=message):
        read_image_file(path)


def test_wrong_jpegs_are_named(tmp_path):
    path, arrays = tmp_path / "set.npz", jpeg_arrays()
    short = arrays["train_offsets"][:-1]
    for wrong in ({**arrays, "train_offsets": short}, jpeg_arrays(size=(8, 7))):
        np.savez(path, **wrong)
        with pytest.raises(ValueError, match="not a readable image set"):
            read_image_file(path)
