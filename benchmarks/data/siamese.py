r"""The siamese features of Eq. 21, the input of the image benchmarks.

`BASiS (Streicher, Cohen, Gilboa, CVPR 2023) <https://arxiv.org/abs/2211.16960>`_
embeds images by way of 16 features that a siamese network learns: images of one class
near each other, images of two classes at least a margin apart. Only the labels of the
training split are used.
"""

import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.data.siamese_augmentation import augmented, distorted
from benchmarks.data.siamese_network import OUT_CHANNELS, SiameseNetwork
from benchmarks.data.siamese_recipes import RECIPES, Recipe
from benchmarks.lib.files import replacing
from pyg_basis.datasets import ImageSplit

MARGIN = 1.0
# Adam's step size at its highest, a third of the way through the training.
LEARNING_RATE = 3e-3
# Part of the cache's checksum: raise it with every change of what is trained and how.
VERSION = 1


def contrastive_loss(features: Tensor, labels: Tensor) -> Tensor:
    r"""Eq. 21 over all pairs of a mini-batch.

    .. math::
        \operatorname{mean}_{y_i = y_j} d_{ij}^2
        + \operatorname{mean}_{y_i \ne y_j} \max(0, 1 - d_{ij})^2

    Each kind of pair is averaged on its own: with ten classes, nine pairs in ten are
    of two classes and would else drown the others.
    """
    first, second = torch.triu_indices(len(features), len(features), 1)
    same = labels[first] == labels[second]
    # Unlike a plain square root, pdist has a gradient (zero) where points coincide.
    distance = torch.pdist(features)
    attraction = distance[same].square().sum() / same.sum().clamp(min=1)
    repulsion = (MARGIN - distance[~same]).relu().square().sum()
    return attraction + repulsion / (~same).sum().clamp(min=1)


def siamese_features(
    split: ImageSplit,
    name: str,
    cache_dir: Path,
    epochs: int | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor, str]:
    r"""Features `[n, 16]` of the training and the test images, trained once and then
    cached; and the checksum of what they were made of.

    Args:
        split: Images `[n, h, w]`, `[n, h, w, 3]`, or flat square ones `[n, h * h]`.
            The test labels are not looked at.
        name: The set's name: a part of the cache file's name, and the key to its
            recipe in `RECIPES`.
        cache_dir: Folder for `siamese_<name>_<checksum>.npz`. The checksum covers the
            data, the settings and the seed.
        epochs: Rounds through the training split, instead of the recipe's.
        seed: Seed of the starting weights, the order and the augmentation.
    """
    recipe = RECIPES.get(name, Recipe())
    if epochs is not None:
        recipe = recipe._replace(epochs=epochs)
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
    path = cache_dir / f"siamese_{name}_{digest}.npz"
    if not path.exists():
        network = train_siamese_network(x_train, split.y_train, recipe, seed)
        z_train, z_test = (_embed(network, x, recipe.mirror) for x in (x_train, x_test))
        with replacing(path) as temporary:
            np.savez(temporary, z_train=z_train.numpy(), z_test=z_test.numpy())
    with np.load(path) as file:
        z_train, z_test = (torch.from_numpy(file[name]) for name in file.files)
    return z_train, z_test, digest


def train_siamese_network(
    images: Tensor, labels: Tensor, recipe: Recipe, seed: int = 0
) -> SiameseNetwork:
    r"""Train on `images [n, c, h, w]`; torch's global generator is left as it was."""
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
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=recipe.epochs * num_batches
    )
    for _ in tqdm(range(recipe.epochs), "siamese", disable=None):
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
        images = images.view(-1, side, side)
    return images.unsqueeze(1)
