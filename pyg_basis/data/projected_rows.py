from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.random_projection import SparseRandomProjection
from torch import Tensor

from pyg_basis.data.check_finite import check_finite
from pyg_basis.data.feature_source import FeatureSource

# Wider features are projected: otherwise the sample, the anchors and the network's
# first layer would take gigabytes.
WIDEST = 4096
# Distances of rows with m equal nonzeros have a relative error of about
# sqrt((2 + (sqrt(d) - 3) / m) / 2048) / 2: 2 % for dense rows, more for short texts.
NUM_COLUMNS = 2048
# Maximum number of values of wide rows read at a time.
BLOCK_NUMBERS = 1024 * WIDEST
# Sets of at most this many rows are projected once, as batches reuse their rows.
MOST_KEPT = 20_000


def random_projection(num_features: int, seed: int) -> csr_array | None:
    r"""Returns a sparse random matrix :obj:`[2048, num_features]` to project features
    of more than 4,096 columns, otherwise :obj:`None`. `"Very sparse random
    projections" <https://doi.org/10.1145/1150402.1150436>`_ (Li et al. 2006)."""
    if num_features <= WIDEST:
        return None
    projection = SparseRandomProjection(NUM_COLUMNS, random_state=seed)
    projection.fit(np.broadcast_to(0.0, (1, num_features)))
    return csr_array(projection.components_)


def block_rows(num_features: int) -> int:
    r"""Number of rows to read at a time, fewer for wide features."""
    return max(1, BLOCK_NUMBERS // max(num_features, WIDEST))


class ProjectedRows(FeatureSource):
    r"""The rows of a source times a matrix, computed on access. A row does not depend
    on the rows accessed with it.

    Args:
        source (FeatureSource): Rows of width :math:`d`.
        projection (scipy.sparse.csr_array): The matrix :obj:`[k, d]`.
        keep (bool): Store the projected rows of a set of at most 20,000, so that each
            is read once. (default: :obj:`False`)

    Raises:
        ValueError: If the rows have another width; on access, if they are not finite.
    """

    def __init__(
        self, source: FeatureSource, projection: csr_array, keep: bool = False
    ) -> None:
        num_columns, num_features = projection.shape
        if source.num_features != num_features:
            raise ValueError(
                f"the points have {source.num_features} features, and the model was "
                f"fitted to {num_features}: pass the same features"
            )
        self.projection = projection
        self.is_kept: NDArray[np.bool_] | None = None
        if keep and len(source) <= MOST_KEPT:
            self.is_kept = np.zeros(len(source), bool)
            self.kept = source[0].new_empty(len(source), num_columns)
        super().__init__(source)

    def __getitems__(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        r"""Returns the projected rows of these points, :obj:`[len, k]`."""
        index = np.asarray(indices)
        if self.is_kept is None:
            return self._projected(index)
        missing = np.unique(index[~self.is_kept[index]])
        if len(missing) > 0:
            self.kept[torch.from_numpy(missing)] = self._projected(missing)
            self.is_kept[missing] = True
        return self.kept[torch.from_numpy(index)]

    def _projected(self, index: NDArray[np.int64]) -> Tensor:
        step = block_rows(self.data.num_features)
        starts = range(0, len(index), step)
        return torch.cat([self._block(index[start : start + step]) for start in starts])

    def _block(self, index: NDArray[np.int64]) -> Tensor:
        rows = self.data.__getitems__(index)
        # The projection is sparse: it could miss a NaN.
        check_finite(rows, index)
        # In double precision, as each column sums hundreds of features. Huge sums stay
        # finite.
        with np.errstate(over="ignore", invalid="ignore"):
            columns = rows.cpu().double().numpy() @ self.projection.T
        most = torch.finfo(rows.dtype).max
        return torch.from_numpy(columns).clamp(-most, most).to(rows).contiguous()


def projected(
    source: FeatureSource, projection: csr_array | None, keep: bool = False
) -> FeatureSource:
    r"""Returns the source of the projected rows, or the source itself if there is no
    projection."""
    return source if projection is None else ProjectedRows(source, projection, keep)
