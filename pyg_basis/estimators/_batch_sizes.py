import warnings
from typing import Any, NamedTuple

from pyg_basis.estimators._parameters import least_anchors


class BatchSizes(NamedTuple):
    """The sizes of a batch and of the reference set, fitted to the number of points
    there are."""

    batch_size: int
    num_anchors: int
    num_neighbors: int
    reference_size: int

    @classmethod
    def asked_for(cls, estimator: Any, num_points: int) -> "BatchSizes":
        """The estimator's sizes as they are, but for a reference set of no more points
        than there are, or a batch has."""
        batch_size = estimator.batch_size
        reference_size = min(estimator.reference_size or batch_size, num_points)
        return cls(
            batch_size,
            estimator.n_anchors,
            estimator.n_neighbors,
            reference_size=max(reference_size, batch_size),
        )

    @classmethod
    def for_points(cls, estimator: Any, num_points: int) -> "BatchSizes":
        """The estimator's sizes, lowered with a warning where the points are
        too few for them: a small set is ordinary, and every batch is then the
        whole of it.

        Raises:
            ValueError: If the points are too few for the components.
        """
        least = least_anchors(estimator)
        asked = cls.asked_for(estimator, num_points)
        if num_points >= asked.batch_size:
            return asked
        sizes = cls(
            batch_size=num_points,
            num_anchors=min(asked.num_anchors, num_points // 2),
            num_neighbors=min(asked.num_neighbors, max(num_points // 4, 1)),
            reference_size=num_points,
        )
        if sizes.num_anchors < least:
            raise ValueError(
                f"n_components={estimator.n_components} is above what n_samples = "
                f"{num_points} can give: use at least {2 * least} points, or fewer "
                f"components"
            )
        warnings.warn(
            f"n_samples = {num_points} is below batch_size={asked.batch_size}: batches "
            f"of {num_points} points with n_anchors={sizes.num_anchors} and "
            f"n_neighbors={sizes.num_neighbors} are used",
            UserWarning,
            stacklevel=4,
        )
        return sizes
