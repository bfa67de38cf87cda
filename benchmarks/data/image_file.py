"""The `.npz` files that hold an image set."""

import io
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.lib.files import replacing
from pyg_basis.datasets import ImageSplit

Arrays = dict[str, NDArray[np.generic]]

BROKEN = (
    *(OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error),
    # A .npy in the place of a .npz is no context manager: the first in Python 3.10.
    *(AttributeError, TypeError),
)


def read_image_file(path: Path) -> ImageSplit:
    """Reads an image set: `x_train, y_train, x_test, y_test`, or, JPEG-coded,
    `train_bytes` (all files one after another) and `train_offsets` (n + 1 positions) in
    the place of `x_train`, and the same for the test split.

    Returns:
        Images (uint8, `[n, h, w]` or `[n, h, w, 3]`) and labels (int64, 0 to 9).

    Raises:
        ValueError: If the file is broken or its arrays do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
        return ImageSplit(*_part(arrays, "train"), *_part(arrays, "test"))
    except BROKEN as error:
        raise ValueError(
            f"{path} is not a readable image set ({type(error).__name__}: {error}); "
            f"delete the file and fetch or copy it again"
        ) from error


def write_image_file(path: Path, split: ImageSplit) -> None:
    """Writes an image set."""
    arrays = {name: part.numpy() for name, part in split._asdict().items()}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def _part(arrays: Arrays, part: str) -> tuple[Tensor, Tensor]:
    """Images and labels of one split, `"train"` or `"test"`."""
    if f"{part}_bytes" in arrays:
        pixels = _decoded(arrays[f"{part}_bytes"], arrays[f"{part}_offsets"])
    else:
        pixels = arrays[f"x_{part}"]
    labels = arrays[f"y_{part}"]
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise ValueError(
            f"x_{part} must be uint8 of shape [n, h, w] or [n, h, w, 3], got "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    if labels.shape != pixels.shape[:1] or not set(labels.tolist()) <= set(range(10)):
        raise ValueError(
            f"y_{part} must hold a label from 0 to 9 for each of {len(pixels)} images"
        )
    return torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64))


def _decoded(
    coded: NDArray[np.generic], offsets: NDArray[np.generic]
) -> NDArray[np.uint8]:
    """JPEG files that come one after another, as RGB `[n, h, w, 3]`."""
    from PIL import Image

    data = coded.tobytes()
    bounds = [*offsets.tolist()]
    if bounds != sorted(set(bounds)) or (bounds[0], bounds[-1]) != (0, len(data)):
        raise ValueError(f"offsets must rise from 0 to {len(data)}")
    images = []
    for start, stop in pairwise(bounds):
        with Image.open(io.BytesIO(data[start:stop])) as image:
            images.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
    return np.stack(images)
