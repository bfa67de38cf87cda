"""The images that the siamese network is trained on: other ones in every round."""

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.data.siamese_recipes import Recipe


def augmented(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    r"""Images moved, and where the recipe says so mirrored, at random."""
    if recipe.warp:
        # Each image is enlarged, turned, slanted and shifted a little in its own way.
        noise = torch.rand(len(images), 2, 3, generator=generator) * 2 - 1
        maps = torch.eye(2, 3) + recipe.warp * noise
        grid = F.affine_grid(maps, list(images.shape), align_corners=False)
        images = F.grid_sample(
            images.float(), grid, padding_mode="border", align_corners=False
        )
    else:
        # The same shift for a whole batch: cheap, and as good over many batches.
        shift = images.shape[-1] // 14
        shifts = torch.randint(-shift, shift + 1, (2,), generator=generator)
        images = torch.roll(images, shifts.tolist(), dims=(2, 3))
    if recipe.mirror:
        mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if recipe.bfloat16:
        images = images.contiguous(memory_format=torch.channels_last)
    return images


def distorted(
    images: Tensor, mean: Tensor, std: Tensor, generator: torch.Generator
) -> Tensor:
    r"""Half of the images inverted, all of them with another contrast and another
    brightness of each channel, and a square of three eighths of the side covered, as
    far as it lies within."""

    def noise(*shape: int) -> Tensor:
        return torch.rand(len(images), *shape, generator=generator) * 2 - 1

    contrast = torch.where(noise(1, 1, 1) < 0, -1, 1) * (1 + 0.3 * noise(1, 1, 1))
    brightness = 0.75 * noise(images.shape[1], 1, 1)
    images = mean + contrast * (images - mean) + std * brightness
    side = 3 / 8 * images.shape[-1]
    away = [
        (torch.linspace(-1, 1, size) - noise(1)).abs() * size < side
        for size in images.shape[2:]
    ]
    is_covered = away[0][:, :, None] & away[1][:, None, :]
    return torch.where(is_covered[:, None], mean, images)
