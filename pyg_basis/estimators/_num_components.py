from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.data import FeatureSource
from pyg_basis.eigen import suggest_num_components
from pyg_basis.estimators._batch_sizes import neighbors_among
from pyg_basis.estimators._graph_training import graph_eigenvalues
from pyg_basis.estimators._parameters import exact_embedding, with_components
from pyg_basis.estimators._source import single_precision

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Maximum number of components chosen by the eigengap, which needs one more eigenvalue.
MOST_COMPONENTS = 20


def chosen_components(
    estimator: "BASiS", source: FeatureSource, data: Data | None, seed: int
) -> int:
    """Returns the number of components before the largest gap in the eigenvalues of a
    graph of reference size: of points, or of the given edges of ``data``. It is limited
    to what the anchors can align."""
    num_points, first = len(source), int(estimator.drop_first)
    least = 2 - first
    # An affine map of K columns needs K + 1 anchors.
    most = min(MOST_COMPONENTS, estimator.n_anchors - 1, num_points // 2 - 1)
    if most <= least:
        return least
    widest = with_components(estimator, most + 1)
    if data is None:
        eigenvalues = _point_eigenvalues(widest, source, seed)
    else:
        eigenvalues = graph_eigenvalues(widest, data, seed)
    values = eigenvalues[first : first + most + 1].cpu()
    return suggest_num_components(values, estimator.drop_first, 1)[0]


def later_gap(
    before: NDArray[np.floating[Any]],
    after: NDArray[np.floating[Any]],
    num: int,
    drop_first: bool,
) -> int | None:
    """Returns the number of eigenvalues before the largest gap after an update, if that
    gap followed the ``num``-th before and now follows a later one."""
    if min(len(before), len(after)) < num + 1:
        return None
    earlier, now = (
        suggest_num_components(values, drop_first, 1)[0] for values in (before, after)
    )
    return now if earlier == num < now else None


def _point_eigenvalues(estimator: "BASiS", source: FeatureSource, seed: int) -> Tensor:
    num_points = len(source)
    size = max(estimator.reference_size or 0, estimator.batch_size)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(num_points, min(size, num_points), replace=False)
    x = single_precision(source.__getitems__(drawn)).to(estimator.device)
    embedding = exact_embedding(estimator, neighbors_among(estimator, num_points))
    return embedding.rows_of(embedding.operator(x)).all_values
