import torch
from torch import Tensor, nn

# Number of standard deviations within which the map is linear.
LINEAR_RANGE = 10.0


class Standardization(nn.Module):
    r"""Subtracts the mean of a sample from the features, divides by its standard
    deviation, and compresses outliers; before the fit, mean 0 and deviation 1:

    .. math::
        z = \frac{x - \mu}{\sigma}, \qquad
        y = z \, \frac{r}{|z|} \Bigl(1 + \ln \frac{|z|}{r}\Bigr)
        \quad \text{where } |z| > r, \text{ else } z

    The range :math:`r` is 10.

    If a feature is zero at all but a few nodes of the sample, as after a ReLU layer,
    its scale is meaningless for other nodes: they, and the network's outputs, would be
    thousands of standard deviations away. The logarithm preserves their order and keeps
    distinct values distinct.

    If the graph is built from distances of the features, all features share one
    :math:`\sigma`, the root mean square of their standard deviations. So the network
    sees the same distances as the graph: with individual scales, each border pixel of
    an image, which hardly varies, would count like any other. The range of a feature
    then is ten times its own standard deviation if that is larger than :math:`\sigma`.

    Args:
        in_channels (int): Width of the features.
    """

    mean: Tensor
    scale: Tensor
    linear_range: Tensor

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(in_channels))
        self.register_buffer("scale", torch.ones(in_channels))
        self.register_buffer("linear_range", torch.full((in_channels,), LINEAR_RANGE))

    def reset_parameters(self) -> None:
        r"""Resets to mean 0 and standard deviation 1."""
        self.mean.zero_()
        self.scale.fill_(1)
        self.linear_range.fill_(LINEAR_RANGE)

    def fit(self, x: Tensor, keep_distances: bool = False) -> None:
        r"""Fits mean and standard deviation of the rows :obj:`x [n, d]`; with
        :obj:`keep_distances`, a single scale for all features."""
        # Dividing by powers of two keeps squares within the range of numbers.
        largest = x.abs().amax(dim=0)
        unit = torch.ldexp(torch.ones_like(largest), largest.frexp().exponent - 1)
        unit = unit.clamp(min=torch.finfo(x.dtype).tiny)
        rows = x / unit
        self.mean.copy_(unit * rows.mean(dim=0))
        own = rows.std(dim=0, correction=0)
        # The rounding of a constant feature is not its scale.
        constant = own <= largest / unit * 10 * torch.finfo(x.dtype).eps
        scale = own = torch.where(constant, 0.0, unit * own)
        if keep_distances and bool(own.any()):
            share = (own / own.max()).square().mean().sqrt()
            scale = (own.max() * share).expand_as(own)
        self.scale.copy_(torch.where(scale > 0, scale, 1.0))
        self.linear_range.copy_(LINEAR_RANGE * (own / self.scale).clamp(min=1))

    def forward(self, x: Tensor) -> Tensor:
        r"""Returns rows :obj:`[n, d]` of mean 0 and mean square 1 over the sample, up
        to outliers."""
        largest = torch.finfo(x.dtype).max
        rows = ((x - self.mean) / self.scale).clamp(-largest, largest)
        excess = self._excess(rows)
        return rows / excess * (1 + excess.log())

    def _excess(self, rows: Tensor) -> Tensor:
        """Ratio of each entry to the end of the linear range; exactly 1 within it, so
        that the factors are exactly 1, too."""
        return rows.abs().maximum(self.linear_range) / self.linear_range

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.mean.numel()})"
