import torch
from torch import Tensor, nn

# Standard deviations within which features are passed on as they are.
LINEAR_RANGE = 10.0


class Standardization(nn.Module):
    r"""Subtracts the mean of a sample from the features and divides by its
    standard deviation; the identity until fitted, up to what lies far out:

    .. math::
        z = \frac{x - \mu}{\sigma}, \qquad
        y = z \, \frac{r}{|z|} \Bigl(1 + \ln \frac{|z|}{r}\Bigr)
        \quad \text{where } |z| > r, \text{ else } z

    The range :math:`r` is 10.

    A feature that is zero for all but a few nodes of the sample, as those of a layer
    with ReLU are, has a scale that means nothing for other nodes: they would lie
    thousands of standard deviations out, and so would the network's outputs. The
    logarithm keeps their order, and distinct values distinct.

    Where a graph is made of the features' distances, :math:`\sigma` is one for all
    features, the root mean square of their standard deviations. So the network sees
    distances as the graph does: with a scale of its own, each border pixel of an image,
    which hardly varies, counts like all others. The range of a feature is ten of its
    own standard deviations then, where these are larger than :math:`\sigma`.

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
        r"""Back to the identity."""
        self.mean.zero_()
        self.scale.fill_(1)
        self.linear_range.fill_(LINEAR_RANGE)

    def fit(self, x: Tensor, keep_distances: bool = False) -> None:
        r"""Takes mean and standard deviation of the rows :obj:`x [n, d]`; with
        :obj:`keep_distances`, one scale for all features."""
        # In units of powers of two, as squares may be beyond the range of numbers.
        largest = x.abs().amax(dim=0)
        unit = torch.ldexp(torch.ones_like(largest), largest.frexp().exponent - 1)
        unit = unit.clamp(min=torch.finfo(x.dtype).tiny)
        rows = x / unit
        self.mean.copy_(unit * rows.mean(dim=0))
        own = rows.std(dim=0, correction=0)
        # What rounding makes of a constant feature is no scale of it.
        constant = own <= largest / unit * 10 * torch.finfo(x.dtype).eps
        scale = own = torch.where(constant, 0.0, unit * own)
        if keep_distances and bool(own.any()):
            share = (own / own.max()).square().mean().sqrt()
            scale = (own.max() * share).expand_as(own)
        self.scale.copy_(torch.where(scale > 0, scale, 1.0))
        self.linear_range.copy_(LINEAR_RANGE * (own / self.scale).clamp(min=1))

    def forward(self, x: Tensor) -> Tensor:
        r"""Rows :obj:`[n, d]` of mean 0 and mean square 1 over the sample, but for what
        lies far out."""
        largest = torch.finfo(x.dtype).max
        rows = ((x - self.mean) / self.scale).clamp(-largest, largest)
        excess = self._excess(rows)
        return rows / excess * (1 + excess.log())

    def _excess(self, rows: Tensor) -> Tensor:
        """How many times as far out as the linear range ends; exactly 1 within it, and
        so are the factors that come of it."""
        return rows.abs().maximum(self.linear_range) / self.linear_range

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.mean.numel()})"
