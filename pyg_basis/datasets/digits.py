r"""scikit-learn's handwritten digits, split once and for all."""

from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval
from torch import Tensor

from pyg_basis._constraints import SEED, check_arguments

# Both splits hold every digit.
CONSTRAINTS = {
    "test_share": [Interval(Real, 0.02, 0.98, closed="both")],
    "seed": [SEED],
}


class ImageSplit(NamedTuple):
    r"""Images or features with their labels, split for training and testing.

    Attributes:
        x_train: Training images: `[n, h, w]` grey or `[n, h, w, 3]` RGB in uint8, or
            flat float32 features `[n, d]`.
        y_train: Training labels `[n]`, int64, from 0.
        x_test: Test images or features, shaped like `x_train`.
        y_test: Test labels, int64, from 0.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def digits(test_share: float = 0.3, seed: int = 0) -> ImageSplit:
    r"""The 1797 handwritten 8 x 8 digits that come with scikit-learn.

    Args:
        test_share: Share of the images in the test split, in (0, 1).
        seed: Seed of the stratified split.

    Returns:
        Flat pixels `[n, 64]` (float32 in [0, 1]) and labels 0 to 9 (int64).

    Raises:
        ValueError: If `test_share` or `seed` is out of range.
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
