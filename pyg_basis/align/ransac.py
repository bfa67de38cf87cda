from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pyg_basis._constraints import POSITIVE, SEED, between, check_arguments
from pyg_basis.align.alignment import Alignment, full_dtype, spread
from pyg_basis.align.least_squares import LeastSquares

# Each refit changes the set of inliers; the last one hardly.
NUM_REFITS = 3
# Inliers beyond this multiple of their median distance are dropped: 2.7 standard
# deviations of normal errors in one column, and hardly ever reached in several.
OUTLYING = 4
# All hypotheses are in memory at once.
CONSTRAINTS = {
    "num_trials": [between(1, 10**6)],
    "tolerance": [POSITIVE],
    "seed": [SEED],
}


@dataclass(frozen=True)
class RANSAC:
    r"""The affine map that most anchors agree on: `"Random sample consensus"
    <https://doi.org/10.1145/358669.358692>`_, Fischler and Bolles 1981.

    Each hypothesis is the exact affine map through :math:`K + 1` random anchors; all
    are solved in one batch. The least-squares map of all anchors is added, which is
    less sensitive to noise if there are no outliers. The hypothesis with most inliers
    is refitted by least squares to its inliers a few times. Each refit changes the set
    of inliers, and drops those more than four times as far from their targets as the
    median inlier.

    Args:
        num_trials (int, optional): Number of hypotheses, at most a million. With a
            share :math:`p` of good anchors, at least one is free of outliers with
            probability :math:`1 - (1 - p^{K+1})^{num\_trials}`.
            (default: :obj:`512`)
        tolerance (float, optional): Maximum distance of an inlier to its target,
            relative to the root mean square distance of the targets to their mean.
            (default: :obj:`0.25`)
        seed (int, optional): Seed of the sampling. (default: :obj:`0`)

    Raises:
        ValueError: If :obj:`num_trials` is not an integer from 1 to a million,
            :obj:`tolerance` not a positive number, or :obj:`seed` not an integer in
            [0, 2**63).
    """

    num_trials: int = 512
    tolerance: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        check_arguments(CONSTRAINTS, "RANSAC", **vars(self))

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits to :obj:`source [l, K_source]`, :obj:`target [l, K_target]`. If no
        anchor agrees with a hypothesis that it was not fitted to, falls back to least
        squares, with :obj:`consensus=False`."""
        num_anchors, num_sampled = source.size(0), source.size(1) + 1
        radius = float(self.tolerance) * spread(target.double()) / num_anchors**0.5
        # Smaller distances are rounding in single precision.
        rounding = 1e-5 * radius
        rows = source.to(full_dtype(source))
        inliers = self._consensus(source.double(), target.double(), radius)
        for _ in range(NUM_REFITS):
            if int(inliers.sum()) <= num_sampled:
                return replace(LeastSquares().fit(source, target), consensus=False)
            fitted = LeastSquares().fit(source[inliers], target[inliers])
            fitted = replace(fitted, method="ransac", inliers=inliers)
            distance = (fitted.apply(rows).double() - target.double()).norm(dim=1)
            # Gross outliers increase the spread, and thus the radius, within which some
            # may lie by chance. The median inlier decreases it.
            typical = distance[inliers].median().clamp(min=rounding)
            radius = torch.minimum(radius, OUTLYING * typical)
            inliers = distance <= radius
        return fitted

    def _consensus(self, source: Tensor, target: Tensor, radius: Tensor) -> Tensor:
        """Inlier mask ``[l]`` of the hypothesis with most inliers."""
        # Drawn on the CPU, so that a seed gives the same draws on every device.
        generator = torch.Generator().manual_seed(int(self.seed))
        draws = torch.rand(int(self.num_trials), source.size(0), generator=generator)
        index = draws.topk(source.size(1) + 1, dim=1).indices.to(source.device)
        homogeneous = torch.cat([source, torch.ones_like(source[:, :1])], dim=1)
        # A singular draw gives a non-finite or arbitrary map, which has no inliers.
        maps, _ = torch.linalg.solve_ex(homogeneous[index], target[index])
        of_all = LeastSquares().fit(source, target).apply(source)
        mapped = torch.cat([of_all[None], homogeneous @ maps])
        agree = (mapped - target).norm(dim=2) <= radius
        return agree[agree.sum(dim=1).argmax()]
