"""The network that maps images to siamese features."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

OUT_CHANNELS = 16


class SiameseNetwork(nn.Module):
    r"""Three blocks of convolution and pooling, and two linear layers; or, deep, one
    layer of convolution, three blocks of two each with pooling, the largest value of
    each channel, and one linear layer.

    Args:
        images: Training images `[n, channels, height, width]`, of at least 8 x 8
            pixels; they give the input's size and the scale of the pixels.
        out_channels: Number of features.
        deep: Which of the two.
    """

    def __init__(
        self, images: Tensor, out_channels: int = OUT_CHANNELS, deep: bool = False
    ) -> None:
        super().__init__()
        sample = images[:: max(1, len(images) // 10_000)].float()
        mean = sample.mean(dim=(0, 2, 3), keepdim=True)
        std = sample.std(dim=(0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(std > 0, std, 1.0))
        layers = _deep_layers if deep else _plain_layers
        self.layers = nn.Sequential(*layers(*images.shape[1:], out_channels))

    def forward(self, images: Tensor) -> Tensor:
        r"""Features `[m, out_channels]` of images `[m, channels, height, width]`."""
        return self.layers((images.float() - self.mean) / self.std)


def _plain_layers(
    in_channels: int, height: int, width: int, out_channels: int
) -> Iterator[nn.Module]:
    for out in (32, 64, 128):
        yield nn.Conv2d(in_channels, out, kernel_size=3, padding=1)
        yield from (nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2))
        in_channels, height, width = out, height // 2, width // 2
    yield from (nn.Flatten(), nn.Linear(in_channels * height * width, 256))
    yield from (nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, out_channels))


def _deep_layers(
    in_channels: int, height: int, width: int, out_channels: int
) -> Iterator[nn.Module]:
    def convolution(into: int, out: int) -> nn.Conv2d:
        return nn.Conv2d(into, out, kernel_size=3, padding=1, bias=False)

    yield from (convolution(in_channels, 32), nn.BatchNorm2d(32), nn.ReLU())
    in_channels = 32
    for out in (64, 128, 256):
        yield from (convolution(in_channels, out), nn.MaxPool2d(2))
        yield from (nn.BatchNorm2d(out), nn.ReLU())
        yield from (convolution(out, out), nn.BatchNorm2d(out), nn.ReLU())
        in_channels = out
    yield from (nn.AdaptiveMaxPool2d(1), nn.Flatten())
    yield nn.Linear(in_channels, out_channels)
