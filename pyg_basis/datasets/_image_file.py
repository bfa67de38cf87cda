r"""Reading and writing the `.npz` files that hold an image set."""

import io
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pyg_basis._atomic_file import atomic_file
from pyg_basis.datasets.image_split import ImageSplit

Array: TypeAlias = npt.NDArray[np.generic]

# A .npy in the place of a .npz is no context manager: an AttributeError in Python
# 3.10, a TypeError later.
_BROKEN = (OSError, ValueError, AttributeError, TypeError)


def read_image_file(path: Path) -> ImageSplit:
    r"""Read an image set from a `.npz` file.

    The file holds `x_train, y_train, x_test, y_test`, or, JPEG-coded, `train_bytes`
    (all files one after another, uint8) and `train_offsets` (n + 1 positions) in the
    place of `x_train`, and the same for the test split.

    Args:
        path: The file.

    Returns:
        Images (uint8, `[n, h, w]` or `[n, h, w, 3]`) and labels (int64, 0 to 9).

    Raises:
        ValueError: If the file is broken or its arrays do not fit together.
        ImportError: If it is JPEG-coded and Pillow is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Array] = {name: file[name] for name in file.files}
    except (*_BROKEN, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is not a readable .npz file of plain arrays ({error}); "
            f"delete it and fetch or copy it again."
        ) from error
    return ImageSplit(
        *_read_split(arrays, "train", path), *_read_split(arrays, "test", path)
    )


def write_image_file(path: Path, split: ImageSplit) -> None:
    r"""Write an image set so that `path` is either whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        np.savez_compressed(
            temporary,
            x_train=split.x_train.numpy(),
            y_train=split.y_train.numpy().astype(np.uint8),
            x_test=split.x_test.numpy(),
            y_test=split.y_test.numpy().astype(np.uint8),
        )


def _read_split(
    arrays: dict[str, Array], part: str, path: Path
) -> tuple[Tensor, Tensor]:
    r"""Images and labels of one split, `"train"` or `"test"`."""
    remedy = "; delete the file and fetch or copy it again."
    pixels, labels = arrays.get(f"x_{part}"), arrays.get(f"y_{part}")
    coded, offsets = arrays.get(f"{part}_bytes"), arrays.get(f"{part}_offsets")
    if pixels is None and coded is not None and offsets is not None:
        pixels = _decode_jpegs(coded, offsets, part, path)
    if pixels is None or labels is None:
        raise ValueError(
            f"{path} must hold x_{part} (or {part}_bytes and {part}_offsets) and "
            f"y_{part}, got {sorted(arrays)}{remedy}"
        )
    if pixels.dtype != np.uint8 or not (
        pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)
    ):
        raise ValueError(
            f"{path}: x_{part} must be uint8 of shape [n, h, w] or [n, h, w, 3], got "
            f"{pixels.dtype} of shape {pixels.shape}{remedy}"
        )
    if labels.shape != pixels.shape[:1] or labels.dtype.kind not in "ui":
        raise ValueError(
            f"{path}: y_{part} must hold one integer label for each of "
            f"{len(pixels)} images, got {labels.dtype} of shape {labels.shape}{remedy}"
        )
    classes = labels.astype(np.int64)
    if classes.size == 0 or classes.min() < 0 or classes.max() > 9:
        raise ValueError(
            f"{path}: y_{part} must hold labels 0 to 9, got "
            f"{np.unique(classes).tolist()[:20]}{remedy}"
        )
    return torch.from_numpy(pixels), torch.from_numpy(classes)


def _decode_jpegs(coded: Array, offsets: Array, part: str, path: Path) -> Array:
    r"""Decode JPEG files that lie one after another into RGB `[n, h, w, 3]`."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"{path} is JPEG-coded, which needs Pillow; install it with "
            f"`pip install pillow`."
        ) from error
    data = coded.astype(np.uint8).tobytes()
    bounds = offsets.astype(np.int64)
    if (
        bounds.ndim != 1
        or len(bounds) < 2
        or bounds[0] != 0
        or bounds[-1] != len(data)
        or (np.diff(bounds) <= 0).any()
    ):
        raise ValueError(
            f"{path}: {part}_offsets must rise from 0 to the length of {part}_bytes, "
            f"{len(data)}; delete the file and fetch or copy it again."
        )
    images: list[Array] = []
    for index, (start, stop) in enumerate(pairwise(bounds.tolist())):
        try:
            with Image.open(io.BytesIO(data[start:stop])) as image:
                images.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path}: {part} image {index} is not a readable JPEG ({error}); "
                f"delete the file and fetch or copy it again."
            ) from error
    shapes = sorted({image.shape for image in images})
    if len(shapes) != 1:
        raise ValueError(
            f"{path}: the {part} images must all have one size, got {shapes[:5]}; "
            f"resize them before coding."
        )
    return np.stack(images)
