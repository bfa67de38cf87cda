import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Landmarks:
    r"""Points that belong to many graphs, with all of those graphs that depends on
    them alone: origin and scale, their coordinates in double precision, their and
    their mutual distances.

    Args:
        x (Tensor): Features of the landmarks, finite, :obj:`[l, d]`.
    """

    def __init__(self, x: Tensor) -> None:
        points = x.detach().cpu().double().numpy()
        # Dividing by a power of two is exact; squares can then neither overflow nor
        # vanish. An origin amid the points keeps the digits of small distances; in
        # single precision, subtracting it from such features is exact as well, so
        # ties stay ties.
        largest = float(np.abs(points).max())
        self.scale = 2.0 ** min(math.frexp(largest)[1], 1023) if largest > 0 else 1.0
        origin = points.mean(axis=0) / self.scale
        self.origin = origin.astype(np.float32).astype(np.float64)
        self.points = self._placed(points)
        square = np.einsum("ij,ij->i", self.points, self.points)
        self.order_values = square - 2 * self.points @ self.points.T

    def __len__(self) -> int:
        return len(self.points)

    def joined(self, x: Tensor) -> NDArray[np.float64]:
        r"""The landmarks and further points :obj:`x [n, d]`, moved and scaled alike,
        :obj:`[l + n, d]`."""
        return np.concatenate(
            [self.points, self._placed(x.detach().cpu().double().numpy())]
        )

    def _placed(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        placed: NDArray[np.float64] = points / self.scale - self.origin
        return placed
