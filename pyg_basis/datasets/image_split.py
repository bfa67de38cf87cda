r"""A data set with its train/test split."""

from typing import NamedTuple

from torch import Tensor


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
