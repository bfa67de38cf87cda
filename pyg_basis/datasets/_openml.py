r"""Fetching an image set from OpenML through scikit-learn."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import fetch_openml

from pyg_basis.datasets.image_split import ImageSplit


@dataclass(frozen=True)
class OpenMLSource:
    r"""Where an image set lies on OpenML, and how a row becomes an image.

    Attributes:
        data_id: OpenML's number of the data set.
        title: OpenML's name of it, for messages.
        num_train: The first so many rows are the official training split.
        test_counts: Images of each class in the official test split, the rest.
        row_shape: The shape in which a row's pixels are stored.
        channels_first: Whether that is `[3, h, w]` rather than `[h, w(, 3)]`.
    """

    data_id: int
    title: str
    num_train: int
    test_counts: tuple[int, ...]
    row_shape: tuple[int, ...]
    channels_first: bool = False


OPENML_SOURCES = {
    "mnist": OpenMLSource(
        data_id=554,
        title="mnist_784",
        num_train=60_000,
        test_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
        row_shape=(28, 28),
    ),
    "fashion_mnist": OpenMLSource(
        data_id=40996,
        title="Fashion-MNIST",
        num_train=60_000,
        test_counts=(1000,) * 10,
        row_shape=(28, 28),
    ),
    # Rows of CIFAR-10 keep the planes of the original binary files, red first.
    "cifar10": OpenMLSource(
        data_id=40927,
        title="CIFAR_10",
        num_train=50_000,
        test_counts=(1000,) * 10,
        row_shape=(3, 32, 32),
        channels_first=True,
    ),
    # Rows of SVHN are interleaved; its labels are 1 to 10, with 10 for the digit 0.
    "svhn": OpenMLSource(
        data_id=41081,
        title="SVHN",
        num_train=73_257,
        test_counts=(1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
        row_shape=(32, 32, 3),
    ),
}


def fetch_images(source: OpenMLSource, cache_dir: Path) -> ImageSplit:
    r"""Download an image set from OpenML and split it by its order.

    Args:
        source: Where it lies.
        cache_dir: Folder for scikit-learn's own copy of the download.

    Returns:
        Images (uint8) and labels (int64, 0 to 9).

    Raises:
        OSError: If the download fails.
        ValueError: If what came is not the data set expected.
    """
    # scikit-learn's quicker parser wants pandas, which nothing else here needs.
    parser = "pandas" if find_spec("pandas") is not None else "liac-arff"
    try:
        bunch = fetch_openml(
            data_id=source.data_id,
            data_home=str(cache_dir),
            as_frame=False,
            parser=parser,
        )
    except OSError as error:
        raise OSError(
            f"could not download {source.title} (OpenML data set {source.data_id}): "
            f"{error}. Check the network, or pass data_root, a folder that holds the "
            f"set as a .npz file."
        ) from error
    rows = np.asarray(bunch.data)
    expected = (
        source.num_train + sum(source.test_counts),
        int(np.prod(source.row_shape)),
    )
    if rows.shape != expected or len(bunch.target) != expected[0]:
        raise ValueError(
            f"OpenML data set {source.data_id} must be {source.title} with rows "
            f"{expected}, got {rows.shape} and {len(bunch.target)} labels; delete its "
            f"folder openml in {cache_dir} and fetch it again."
        )
    if not (np.isfinite(rows).all() and rows.min() >= 0 and 1 < rows.max() <= 255):
        raise ValueError(
            f"OpenML data set {source.data_id} must hold pixels from 0 to 255, got "
            f"{rows.min()} to {rows.max()}; pass data_root with a .npz file instead."
        )
    images = rows.astype(np.uint8).reshape(-1, *source.row_shape)
    if source.channels_first:
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    labels = np.asarray(bunch.target).astype(np.float64).astype(np.int64)
    labels[labels == 10] = 0
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(
            f"OpenML data set {source.data_id} must have the labels 0 to 9, got "
            f"{np.unique(labels).tolist()[:20]}; pass data_root with a .npz file "
            f"instead."
        )
    # OpenML does not mark the official split: only the order does, so check it.
    counts = np.bincount(labels[source.num_train :], minlength=10)
    if not np.array_equal(counts, source.test_counts):
        raise ValueError(
            f"OpenML data set {source.data_id} must hold the official test split of "
            f"{source.title} in its last rows, with {list(source.test_counts)} images "
            f"a class, got {counts.tolist()}; pass data_root with a .npz file instead."
        )
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    cut = source.num_train
    return ImageSplit(x[:cut], y[:cut], x[cut:], y[cut:])
