"""The image sets of Table 1 as every method sees them: siamese features (Eq. 21),
trained once on the training split and cached.
"""

from functools import lru_cache
from pathlib import Path

import torch

from benchmarks.data.load_images import load_images
from benchmarks.data.siamese import siamese_features
from benchmarks.lib.evaluation import FeatureSplit
from pyg_basis.datasets import ImageSplit

DATASETS = ("mnist", "fashion_mnist", "svhn", "cifar10")
# Of a smoke run.
FEW_TRAIN, FEW_TEST = 2000, 1000
VALIDATION_SHARE = 0.1


@lru_cache(maxsize=1)
def load_features(
    name: str, data_root: Path | None, cache_dir: Path, quick: bool
) -> FeatureSplit:
    """Features of the training and the test images. A smoke run has few images, and
    features of a single epoch."""
    split = load_images(name, data_root, cache_dir)
    epochs = None
    if quick:
        split = ImageSplit(
            split.x_train[:FEW_TRAIN],
            split.y_train[:FEW_TRAIN],
            split.x_test[:FEW_TEST],
            split.y_test[:FEW_TEST],
        )
        epochs = 1
    z_train, z_test, checksum = siamese_features(split, name, cache_dir, epochs)
    return FeatureSplit(z_train, split.y_train, z_test, split.y_test, checksum)


def validation_split(data: FeatureSplit, seed: int = 0) -> FeatureSplit:
    """The training part alone, a tenth of it in the place of the test part."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.x_train), generator=generator)
    held_out = order[: int(VALIDATION_SHARE * len(order))]
    others = order[len(held_out) :]
    return FeatureSplit(
        data.x_train[others],
        data.y_train[others],
        data.x_train[held_out],
        data.y_train[held_out],
    )
