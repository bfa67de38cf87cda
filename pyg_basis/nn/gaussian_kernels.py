from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_basis.graph import knn_graph

# Kernels with a smaller logarithm are set to zero: arithmetic on subnormal numbers of
# single precision is slow.
LEAST_EXPONENT = -80.0
# Maximum squared distance of centers to the origin, in units of their bandwidths, for
# kernels by matrix products to be accurate to 1e-5 in single, or double, precision.
MOST_SINGLE, MOST_DOUBLE = 16.0, 1e9
# Maximum coordinate, in units of the bandwidths: beyond it, squares may overflow, and
# all kernels are zero.
FARTHEST = 1e15


def gaussian_kernels(x: Tensor, centers: Tensor, bandwidths: Tensor) -> Tensor:
    r"""Returns the Gaussian kernels between points :obj:`x [n, d]` and centers
    :obj:`[c, d]`, :obj:`[n, c]`. Each center has its own bandwidth, :obj:`[c]`.

    .. math::
        \exp(-\|x - z_j\|^2 / s_j^2)
    """
    # Rounding may make exponents positive.
    exponents = _exponents(x, centers, bandwidths).clamp(max=0).to(x.dtype)
    return F.threshold(exponents, LEAST_EXPONENT, -inf).exp()


def _exponents(x: Tensor, centers: Tensor, bandwidths: Tensor) -> Tensor:
    # One matrix product gives -(|x|^2 - 2 x z + |z|^2) / s^2. Its cancellation error is
    # large for distances that are small relative to the distance to the origin. If the
    # terms of the centers are small, so are those of all points with a positive kernel,
    # and single precision suffices. Traced code cannot depend on values.
    origin = centers.mean(dim=0, dtype=torch.float64).to(centers.dtype)
    is_traced = torch.compiler.is_compiling() or x.is_meta
    dtype = torch.float64 if is_traced else x.dtype
    columns, constants = _center_terms(centers.to(dtype) - origin, bandwidths)
    if not is_traced and not bool((constants >= -MOST_SINGLE).all()):
        dtype = torch.float64
        columns, constants = _center_terms(centers.to(dtype) - origin, bandwidths)
        if bool((constants < -MOST_DOUBLE).any()):
            mode = "donot_use_mm_for_euclid_dist"
            distances = torch.cdist(x.to(dtype), centers.to(dtype), compute_mode=mode)
            return -(distances / bandwidths).square()
    points = _in_units(x.to(dtype) - origin, bandwidths)
    rows = torch.cat([points, points.square().sum(dim=1, keepdim=True)], dim=1)
    return torch.addmm(constants, rows, columns.T)


def _center_terms(centers: Tensor, bandwidths: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of points and their squares, [c, d + 1], and constants [c]."""
    centers = _in_units(centers, bandwidths)
    precision = (bandwidths.max() / bandwidths.to(centers)).square()
    columns = torch.cat([2 * centers, -torch.ones_like(centers[:, :1])], dim=1)
    constants = -precision * centers.square().sum(dim=1)
    return columns * precision.unsqueeze(1), constants


def _in_units(rows: Tensor, bandwidths: Tensor) -> Tensor:
    """Rows in units of the largest bandwidth, to avoid overflow and underflow."""
    return (rows / bandwidths.max()).clamp(-FARTHEST, FARTHEST)


def neighbor_bandwidths(centers: Tensor, neighbor: int) -> Tensor:
    r"""Returns the distance of each center :obj:`[c, d]` to its nearest other one of
    rank :obj:`neighbor`, or to the farthest if there are fewer, :obj:`[c]`."""
    neighbor = min(neighbor, len(centers) - 1)
    if neighbor == 0:
        return torch.ones_like(centers[:, 0])
    distance = knn_graph(centers, neighbor).edge_distance.view(-1, neighbor)[:, -1]
    # The bandwidth of duplicated centers would be zero.
    floor = 1e-3 * distance.double().mean().to(distance)
    return distance.maximum(torch.where(floor > 0, floor, 1.0))
