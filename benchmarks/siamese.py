r"""The siamese features of Eq. 21, the input of the image benchmarks.

`BASiS (Streicher, Cohen, Gilboa, CVPR 2023) <https://arxiv.org/abs/2211.16960>`_
embeds images by way of 16 features that a siamese network learns: images of one class
near each other, images of two classes at least a margin apart. Only the labels of the
training split are used.
"""

import hashlib
import math
import os
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from siamese_augmentation import augmented, distorted
from siamese_network import OUT_CHANNELS, SiameseNetwork
from siamese_recipes import RECIPES, Recipe
from torch import Tensor
from tqdm import tqdm

from pyg_basis.datasets import ImageSplit

MARGIN = 1.0
# Adam's step size at its highest, a third of the way through the training.
LEARNING_RATE = 3e-3
# Part of the cache's checksum: raise it with every change of what is trained and how.
VERSION = 1


def contrastive_loss(
    features: Tensor, labels: Tensor, margin: float = MARGIN
) -> Tensor:
    r"""Eq. 21 over all pairs of a mini-batch.

    .. math::
        \operatorname{mean}_{y_i = y_j} d_{ij}^2
        + \operatorname{mean}_{y_i \ne y_j} \max(0, \text{margin} - d_{ij})^2

    Each kind of pair is averaged on its own: with ten classes, nine pairs in ten are
    of two classes and would else drown the others.

    Args:
        features: `[m, K]`.
        labels: Classes `[m]`.
        margin: Distance from which two classes are far enough apart.
    """
    first, second = torch.triu_indices(len(features), len(features), 1)
    same = labels[first] == labels[second]
    # Unlike a plain square root, pdist has a gradient (zero) where points coincide.
    distance = torch.pdist(features)
    attraction = distance[same].square().sum() / same.sum().clamp(min=1)
    repulsion = (margin - distance[~same]).relu().square().sum()
    return attraction + repulsion / (~same).sum().clamp(min=1)


class SiameseFeatures(NamedTuple):
    r"""Features of the training and the test images.

    Args:
        z_train: `[n, 16]`, float32.
        z_test: `[m, 16]`, float32.
        checksum: Of the data, the settings and the seed that they were made of. The
            features are others on another machine all the same: products differ there
            in the last digit, and the training makes much of it. So what is compared
            must be measured on features of one training.
    """

    z_train: Tensor
    z_test: Tensor
    checksum: str


def siamese_features(
    split: ImageSplit,
    name: str,
    cache_dir: str | os.PathLike[str],
    epochs: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> SiameseFeatures:
    r"""Features of the training and the test images, trained once and then cached.

    Args:
        split: Images: grey `[n, h, w]`, colour `[n, h, w, 3]`, or flat rows
            `[n, h * h]` of square grey images. The test labels are not looked at.
        name: The set's name: a part of the cache file's name, and the key to its
            recipe in `RECIPES`.
        cache_dir: Folder for `siamese_<name>_<checksum>.npz`. The checksum covers the
            data, the settings and the seed.
        epochs: Rounds through the training split, instead of the recipe's.
        seed: Seed of the starting weights, the order and the augmentation.
        progress: Whether to show a progress bar.
    """
    recipe = RECIPES.get(name, Recipe())
    if epochs is not None:
        recipe = recipe._replace(epochs=epochs)
    if recipe.epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}.")
    x_train, x_test = _channels_first(split.x_train), _channels_first(split.x_test)
    rounds, batch_size, warp, mirror, bfloat16, *later = recipe
    settings = (VERSION, OUT_CHANNELS, MARGIN, batch_size, LEARNING_RATE, rounds, seed)
    # Without any extras nothing is added: the files from before there were any hold.
    for extras in ((warp, mirror, bfloat16), tuple(later)):
        settings += extras if any(extras) else ()
    checksum = hashlib.sha256(repr((name, settings)).encode())
    for array in (x_train, split.y_train, x_test):
        checksum.update(repr((array.dtype, array.shape)).encode())
        checksum.update(array.contiguous().numpy().data)
    digest = checksum.hexdigest()[:12]
    path = Path(cache_dir) / f"siamese_{name}_{digest}.npz"
    features = _read(path, len(x_train), len(x_test))
    if features is None:
        network = train_siamese_network(x_train, split.y_train, recipe, seed, progress)
        z_train, z_test = (_embed(network, x, recipe.mirror) for x in (x_train, x_test))
        features = z_train, z_test
        _write(path, *features)
    return SiameseFeatures(*features, digest)


def train_siamese_network(
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    seed: int = 0,
    progress: bool = True,
) -> SiameseNetwork:
    r"""Train on `images [n, c, h, w]`; torch's global generator is left as it was."""
    if len(images) < 2 or min(images.shape[2:]) < 8:
        raise ValueError(
            f"images must be at least two, of at least 8 x 8 pixels, got the shape "
            f"{tuple(images.shape)}."
        )
    with torch.random.fork_rng(devices=[]):
        # Layers draw their starting weights from the global generator alone.
        torch.default_generator.manual_seed(seed)
        network = SiameseNetwork(images, deep=recipe.deep)
    # Without such arithmetic in the processor, bfloat16 takes seven times as long.
    bfloat16 = recipe.bfloat16 and "AVX512" in torch.backends.cpu.get_cpu_capability()
    if bfloat16:
        network = network.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    # Small sets get smaller batches, so that a round still makes some steps.
    batch_size = min(recipe.batch_size, max(2, len(images) // 16))
    num_batches = len(images) // batch_size
    total_batches = recipe.epochs * num_batches
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=total_batches
    )
    bar = tqdm(total=total_batches, desc="siamese", disable=not progress, mininterval=1)
    for epoch in range(recipe.epochs):
        total = 0.0
        order = torch.randperm(len(images), generator=generator)
        # The remainder, too small for a batch, is another one in every round.
        for batch in order.split(batch_size)[:num_batches]:
            x = augmented(images[batch], recipe, generator)
            if recipe.distort:
                x = distorted(x, network.mean, network.std, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                features = network(x)
            loss = contrastive_loss(features.float(), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            bar.update()
        bar.set_postfix(epoch=epoch + 1, loss=f"{total / num_batches:.4f}")
    bar.close()
    return network.eval()


@torch.no_grad()
def _embed(network: SiameseNetwork, images: Tensor, mirror: bool) -> Tensor:
    def features(block: Tensor) -> Tensor:
        z = network(block)
        return (z + network(block.flip(3))) / 2 if mirror else z

    # Blocks whose activations stay in the cache: 2,000 images take twice the time each.
    return torch.cat([features(block) for block in images.split(100)])


def _channels_first(images: Tensor) -> Tensor:
    if images.ndim == 4:  # [n, h, w, 3]
        return images.permute(0, 3, 1, 2).contiguous()
    if images.ndim == 2:
        side = math.isqrt(images.shape[1])
        if side**2 != images.shape[1]:
            raise ValueError(
                f"Flat images must be square, got rows of {images.shape[1]} pixels; "
                f"pass images [n, h, w]."
            )
        images = images.view(-1, side, side)
    return images.unsqueeze(1)


def _read(path: Path, num_train: int, num_test: int) -> tuple[Tensor, Tensor] | None:
    r"""The cached features, or None where there are none that can be used."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            z_train, z_test = file["z_train"], file["z_test"]
        for z, num_rows in ((z_train, num_train), (z_test, num_test)):
            if z.dtype != np.float32 or z.shape != (num_rows, OUT_CHANNELS):
                raise ValueError(f"unexpected array {z.dtype} {z.shape}")
            if not np.isfinite(z).all():
                raise ValueError("features that are not finite")
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        warnings.warn(
            f"The cached features {path} cannot be read ({error}): they are trained "
            f"anew.",
            stacklevel=3,
        )
        return None
    return torch.from_numpy(z_train), torch.from_numpy(z_test)


def _write(path: Path, z_train: Tensor, z_test: Tensor) -> None:
    r"""Write under another name first: a broken-off run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        np.savez(temporary, z_train=z_train.numpy(), z_test=z_test.numpy())
        os.replace(temporary, path)
