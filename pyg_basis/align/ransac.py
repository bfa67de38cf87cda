import warnings
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pyg_basis.align.alignment import Alignment
from pyg_basis.align.least_squares import LeastSquares, spread


@dataclass(frozen=True)
class RANSAC:
    r"""The affine map most anchors agree on: `"Random sample consensus"
    <https://doi.org/10.1145/358669.358692>`_, Fischler and Bolles 1981.

    Every hypothesis is the exact affine map through :math:`K + 1` random
    anchors, and all of them are solved in one batch. The one with most
    inliers is fitted again by least squares on its inliers, twice, as the
    first refit moves the border of what is an inlier.

    Args:
        num_trials (int, optional): Number of hypotheses. With a share
            :math:`p` of good anchors, one of them is free of outliers with
            probability :math:`1 - (1 - p^{K+1})^{num\_trials}`.
            (default: :obj:`512`)
        tolerance (float, optional): An anchor is an inlier when its distance
            to the target is at most this share of the root mean square
            distance of the targets to their mean. (default: :obj:`0.25`)
        seed (int, optional): Seed of the draws. (default: :obj:`0`)
    """

    num_trials: int = 512
    tolerance: float = 0.25
    seed: int = 0
    least_squares: LeastSquares = field(default_factory=LeastSquares)

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        r"""Fits on :obj:`source [l, K_source]`, :obj:`target [l, K_target]`;
        falls back to least squares, with a warning, when no hypothesis is
        shared by an anchor that it was not fitted on."""
        num_anchors, num_sampled = source.size(0), source.size(1) + 1
        radius = self.tolerance * spread(target.double()) / num_anchors**0.5
        inliers = self._consensus(source.double(), target.double(), radius)
        for _ in range(2):
            if int(inliers.sum()) <= num_sampled:
                warnings.warn(
                    f"RANSAC found no affine map on which more than {num_sampled} of "
                    f"{num_anchors} anchors agree within tolerance={self.tolerance}: "
                    f"least squares over all anchors was used instead; raise the "
                    f"tolerance or num_trials, or use more anchors",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return self.least_squares.fit(source, target)
            fitted = self.least_squares.fit(source[inliers], target[inliers])
            fitted = replace(
                fitted, method="ransac", inlier_share=inliers.to(target.dtype).mean()
            )
            distance = (fitted.apply(source).double() - target.double()).norm(dim=1)
            inliers = distance <= radius
        return fitted

    def _consensus(self, source: Tensor, target: Tensor, radius: Tensor) -> Tensor:
        """Inlier mask ``[l]`` of the hypothesis with most inliers."""
        # Drawn on the CPU, so that one seed means the same draws everywhere.
        generator = torch.Generator().manual_seed(self.seed)
        draws = torch.rand(self.num_trials, source.size(0), generator=generator)
        index = draws.topk(source.size(1) + 1, dim=1).indices.to(source.device)
        homogeneous = torch.cat([source, torch.ones_like(source[:, :1])], dim=1)
        # A singular draw gives a meaningless or non-finite map; it has no inliers.
        maps, _ = torch.linalg.solve_ex(homogeneous[index], target[index])
        distance = (homogeneous @ maps - target).norm(dim=2)
        agree = distance <= radius
        return agree[agree.sum(dim=1).argmax()]
