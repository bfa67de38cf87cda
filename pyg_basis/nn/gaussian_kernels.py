from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

# The least bandwidth: the inverse of its square is finite in single precision.
NARROWEST = 1e-15
# Kernels of a smaller logarithm are zero: near the end of single precision, where
# numbers have fewer digits, processors are slow.
LEAST_EXPONENT = -80.0


def gaussian_kernels(x: Tensor, centers: Tensor, bandwidths: Tensor) -> Tensor:
    r"""The Gaussian kernels of points :obj:`x [n, d]` and centers :obj:`[c, d]`,
    :obj:`[n, c]`, each center with a bandwidth of its own, :obj:`[c]`.

    .. math::
        \exp(-\|x - z_j\|^2 / s_j^2)
    """
    # One matrix product gives the exponents, -(|x|^2 - 2 x z + |z|^2) / s^2. It loses
    # the digits of distances that are small beside those to the origin: take a near
    # one.
    x, centers = x - centers[0], centers - centers[0]
    precision = bandwidths.square().reciprocal()
    rows = torch.cat([2 * x, -x.square().sum(dim=1, keepdim=True)], dim=1)
    columns = torch.cat([centers, torch.ones_like(centers[:, :1])], dim=1)
    offset = -precision * centers.square().sum(dim=1)
    exponent = torch.addmm(offset, rows, (columns * precision.unsqueeze(1)).T)
    return F.threshold(exponent.clamp(max=0), LEAST_EXPONENT, -inf).exp()


def neighbor_bandwidths(centers: Tensor, neighbor: int) -> Tensor:
    r"""The distance of each center :obj:`[c, d]` to this nearest other one, or to the
    farthest where there are fewer, :obj:`[c]`."""
    neighbor = min(neighbor, len(centers) - 1)
    # From a near origin, as in the kernel.
    near = centers - centers[0]
    distance = torch.cdist(near, near).kthvalue(neighbor + 1, dim=1).values
    # Duplicated centers would have no width; any positive one is finite.
    floor = (distance.mean() * 1e-3).clamp(min=NARROWEST)
    return distance.maximum(floor)
