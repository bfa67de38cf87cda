from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_basis.graph import knn_graph

# Kernels of a smaller logarithm are zero: near the end of single precision, where
# numbers have fewer digits, processors are slow.
LEAST_EXPONENT = -80.0
# Squared distances of centers to the origin, in units of their bandwidths, up to which
# kernels of matrix products are right to 1e-5 in single precision, and in double.
MOST_SINGLE, MOST_DOUBLE = 16.0, 1e9
# Coordinates beyond this, in units of the bandwidths, are cut: their squares are
# finite, and all kernels zero.
FARTHEST = 1e15


def gaussian_kernels(x: Tensor, centers: Tensor, bandwidths: Tensor) -> Tensor:
    r"""The Gaussian kernels of points :obj:`x [n, d]` and centers :obj:`[c, d]`,
    :obj:`[n, c]`, each center with a bandwidth of its own, :obj:`[c]`.

    .. math::
        \exp(-\|x - z_j\|^2 / s_j^2)
    """
    # Rounding may leave what is above zero.
    exponents = _exponents(x, centers, bandwidths).clamp(max=0).to(x.dtype)
    return F.threshold(exponents, LEAST_EXPONENT, -inf).exp()


def _exponents(x: Tensor, centers: Tensor, bandwidths: Tensor) -> Tensor:
    # One matrix product gives them, -(|x|^2 - 2 x z + |z|^2) / s^2. It loses the digits
    # of distances that are small beside those to the origin. Where the terms of the
    # centers are small, so are those of all points with a positive kernel, and single
    # precision will do. Traced code cannot depend on values.
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
    """The factors of points and their squares, [c, d + 1], and the constants, [c]."""
    centers = _in_units(centers, bandwidths)
    precision = (bandwidths.max() / bandwidths.to(centers)).square()
    columns = torch.cat([2 * centers, -torch.ones_like(centers[:, :1])], dim=1)
    constants = -precision * centers.square().sum(dim=1)
    return columns * precision.unsqueeze(1), constants


def _in_units(rows: Tensor, bandwidths: Tensor) -> Tensor:
    """Rows in units of a bandwidth, where squares neither overflow nor vanish."""
    return (rows / bandwidths.max()).clamp(-FARTHEST, FARTHEST)


def neighbor_bandwidths(centers: Tensor, neighbor: int) -> Tensor:
    r"""The distance of each center :obj:`[c, d]` to this nearest other one, or to the
    farthest where there are fewer, :obj:`[c]`."""
    neighbor = min(neighbor, len(centers) - 1)
    if neighbor == 0:
        return torch.ones_like(centers[:, 0])
    distance = knn_graph(centers, neighbor).edge_distance.view(-1, neighbor)[:, -1]
    # Duplicated centers would have no width.
    floor = 1e-3 * distance.double().mean().to(distance)
    return distance.maximum(torch.where(floor > 0, floor, 1.0))
