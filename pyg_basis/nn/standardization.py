import torch
from torch import Tensor, nn


class Standardization(nn.Module):
    r"""Subtracts the mean of a sample from the features and divides by its
    standard deviation; the identity until fitted.

    Args:
        in_channels (int): Width of the features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("scale", torch.ones(in_channels))

    def reset_parameters(self) -> None:
        r"""Back to the identity."""
        self.mean.zero_()
        self.scale.fill_(1)

    def fit(self, x: Tensor) -> None:
        r"""Takes mean and standard deviation of the rows :obj:`x [n, d]`."""
        self.mean.copy_(x.mean(dim=0))
        scale = x.std(dim=0, correction=0)
        # What rounding makes of a constant feature is no scale of it.
        constant = scale <= x.abs().amax(dim=0) * 10 * torch.finfo(x.dtype).eps
        self.scale.copy_(torch.where(constant, 1.0, scale))

    def forward(self, x: Tensor) -> Tensor:
        r"""Rows :obj:`[n, d]` of mean 0 and standard deviation 1."""
        return (x - self.mean) / self.scale

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.mean.numel()})"
