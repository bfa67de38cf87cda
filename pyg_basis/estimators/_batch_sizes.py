from typing import TYPE_CHECKING, NamedTuple

from pyg_basis._warn import warn
from pyg_basis.estimators._parameters import least_anchors

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS


class BatchSizes(NamedTuple):
    """The sizes of batches and of the reference set, adapted to the number of nodes."""

    batch_size: int
    num_anchors: int
    num_neighbors: int
    reference_size: int

    @classmethod
    def for_graph(cls, estimator: "BASiS", num_nodes: int) -> "BatchSizes":
        """Returns the sizes for a given graph. Anchors need not be in its batches, and
        neighbors concern points that the fitted layer gets later."""
        least = least_anchors(estimator)
        num_anchors = min(estimator.n_anchors, max(num_nodes // 2, least))
        reference_size = estimator.reference_size or estimator.batch_size
        return cls(
            min(estimator.batch_size, num_nodes),
            num_anchors,
            min(estimator.n_neighbors, num_anchors),
            min(max(reference_size, estimator.batch_size), num_nodes),
        )

    @classmethod
    def for_points(cls, estimator: "BASiS", num_points: int) -> "BatchSizes":
        """Returns the estimator's sizes, lowered with a warning for too few points: a
        small set is valid, and every batch then contains all of it.

        Raises:
            ValueError: If there are too few points for the components.
        """
        batch_size, num_anchors = estimator.batch_size, estimator.n_anchors
        num_neighbors = estimator.n_neighbors
        if num_points >= batch_size:
            reference_size = min(estimator.reference_size or batch_size, num_points)
            reference_size = max(reference_size, batch_size)
            return cls(batch_size, num_anchors, num_neighbors, reference_size)
        num_anchors = min(num_anchors, num_points // 2)
        num_neighbors = neighbors_among(estimator, num_points)
        least = least_anchors(estimator)
        if num_anchors < least:
            raise ValueError(
                f"n_components={estimator.n_components} is above what n_samples = "
                f"{num_points} can give: use at least {2 * least} points, or fewer "
                f"components"
            )
        warn(
            f"n_samples = {num_points} is below batch_size={batch_size}: each batch "
            f"has all points, with n_anchors={num_anchors} and "
            f"n_neighbors={num_neighbors}",
        )
        return cls(num_points, num_anchors, num_neighbors, num_points)

    def within(self, num_points: int) -> "BatchSizes":
        """Returns the sizes for somewhat fewer points, as after some are held out."""
        return self._replace(
            batch_size=min(self.batch_size, num_points),
            reference_size=min(self.reference_size, num_points),
        )


def neighbors_among(estimator: "BASiS", num_points: int) -> int:
    """Neighbors per point, reduced if there are fewer points than in a batch."""
    if num_points >= estimator.batch_size:
        return estimator.n_neighbors
    return min(estimator.n_neighbors, max(num_points // 4, 1))
