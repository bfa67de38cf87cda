"""Image sets of OpenML, through scikit-learn."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import fetch_openml

from pyg_basis.datasets import ImageSplit


class OpenMLSource(NamedTuple):
    """Where an image set is on OpenML, and how a row becomes an image.

    Attributes:
        data_id: OpenML's number of the data set.
        num_train: The first so many rows are the official training split.
        test_counts: Images of each class in the official test split, the rest.
        row_shape: The shape in which a row's pixels are stored, `[3, h, w]` or
            `[h, w(, 3)]`.
    """

    data_id: int
    num_train: int
    test_counts: tuple[int, ...]
    row_shape: tuple[int, ...]


OPENML_SOURCES = {
    "mnist": OpenMLSource(
        554, 60_000, (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009), (28, 28)
    ),
    "fashion_mnist": OpenMLSource(40996, 60_000, (1000,) * 10, (28, 28)),
    # Rows of CIFAR-10 keep the planes of the original binary files, red first.
    "cifar10": OpenMLSource(40927, 50_000, (1000,) * 10, (3, 32, 32)),
    # Rows of SVHN are interleaved; its labels are 1 to 10, with 10 for the digit 0.
    "svhn": OpenMLSource(
        41081,
        73_257,
        (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
        (32, 32, 3),
    ),
}


def fetch_images(source: OpenMLSource, cache_dir: Path) -> ImageSplit:
    """Downloads an image set, of which scikit-learn keeps a copy in a folder, and
    splits it by its order; raises a ValueError where it is not what was expected."""
    # scikit-learn's quicker parser wants pandas, which nothing else here needs.
    bunch = fetch_openml(
        data_id=source.data_id,
        data_home=str(cache_dir),
        as_frame=False,
        parser="pandas" if find_spec("pandas") is not None else "liac-arff",
    )
    rows = np.asarray(bunch.data)
    labels = np.asarray(bunch.target).astype(np.float64).astype(np.int64)
    labels[labels == 10] = 0
    if fault := _fault(rows, labels, source):
        raise ValueError(
            f"OpenML data set {source.data_id} is not what was expected: {fault}; "
            f"delete its folder openml in {cache_dir} and fetch it again, or pass "
            f"data_root with a .npz file"
        )
    images = rows.astype(np.uint8).reshape(-1, *source.row_shape)
    if source.row_shape[0] == 3:
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    cut = source.num_train
    return ImageSplit(x[:cut], y[:cut], x[cut:], y[cut:])


def _fault(
    rows: NDArray[np.generic], labels: NDArray[np.int64], source: OpenMLSource
) -> str | None:
    num_rows = source.num_train + sum(source.test_counts)
    shape = (num_rows, int(np.prod(source.row_shape)))
    if rows.shape != shape or len(labels) != num_rows:
        return f"rows {rows.shape} and {len(labels)} labels, not {shape}"
    if not (rows.min() >= 0 and 1 < rows.max() <= 255):
        return f"pixels from {rows.min()} to {rows.max()}, not 0 to 255"
    if not set(labels) <= set(range(10)):
        return f"labels {sorted(set(labels))[:20]}, not 0 to 9"
    # OpenML does not mark the official split: only the order does, so check it.
    counts = np.bincount(labels[source.num_train :], minlength=10).tolist()
    if counts != list(source.test_counts):
        return f"{counts} images a class in the last rows, not the official test split"
    return None
