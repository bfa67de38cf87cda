r"""scikit-learn's handwritten digits, split once and for all."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pyg_basis.datasets._random import check_seed
from pyg_basis.datasets.image_split import ImageSplit


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
    if not 0.02 <= test_share <= 0.98:
        raise ValueError(
            f"test_share must lie in [0.02, 0.98], so that both splits hold every "
            f"digit, got {test_share}; 0.3 is the default."
        )
    check_seed(seed)
    pixels, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        pixels / 16.0,
        labels,
        test_size=test_share,
        random_state=seed,
        stratify=labels,
    )
    return ImageSplit(
        torch.from_numpy(x_train).float(),
        torch.from_numpy(y_train).long(),
        torch.from_numpy(x_test).float(),
        torch.from_numpy(y_test).long(),
    )
