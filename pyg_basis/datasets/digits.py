r"""scikit-learn's handwritten digits, with a fixed split."""

from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval
from torch import Tensor

from pyg_basis._constraints import SEED, check_arguments

# Range for which both splits contain every digit.
CONSTRAINTS = {
    "test_share": [Interval(Real, 0.02, 0.98, closed="both")],
    "seed": [SEED],
}


class ImageSplit(NamedTuple):
    r"""Images or features with labels, split into training and test set.

    Attributes:
        x_train (Tensor): Training images, :obj:`[n, h, w]` (gray) or
            :obj:`[n, h, w, 3]` (RGB) in uint8, or flat float32 features :obj:`[n, d]`.
        y_train (Tensor): Training labels, :obj:`[n]` int64, from 0.
        x_test (Tensor): Test images or features, in the shape of :obj:`x_train`.
        y_test (Tensor): Test labels, int64, from 0.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def digits(test_share: float = 0.3, seed: int = 0) -> ImageSplit:
    r"""The 1797 handwritten 8 x 8 digits of scikit-learn.

    Args:
        test_share (float, optional): Share of test images, in (0, 1).
            (default: :obj:`0.3`)
        seed (int, optional): Seed of the stratified split. (default: :obj:`0`)

    Returns:
        ImageSplit: Flat pixels :obj:`[n, 64]` (float32 in [0, 1]) and labels 0 to 9
        (int64).

    Raises:
        ValueError: If :obj:`test_share` or :obj:`seed` is out of range.
    """
    check_arguments(CONSTRAINTS, "digits", test_share=test_share, seed=seed)
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        (pixels / 16).astype(np.float32),
        labels.astype(np.int64),
        test_size=test_share,
        random_state=seed,
        stratify=labels,
    )
    x_train, x_test, y_train, y_test = map(torch.from_numpy, parts)
    return ImageSplit(x_train, y_train, x_test, y_test)
