from typing import Any

import numpy as np

from pyg_basis import __version__
from pyg_basis.cli._blocks import as_array, blocks
from pyg_basis.cli._model_file import Model
from pyg_basis.cli._points import Points
from pyg_basis.estimators._checkpoint import FORMAT


def facts_of_model(model: Model) -> dict[str, Any]:
    """What a model was fitted with, and what came out, as plain values."""
    basis, clustering = model
    sizes = basis._sizes
    parameters = basis.get_params()
    # One of its own is not in the file: BASiS.load has been given none.
    del parameters["network"]
    return {
        "kind": "embedding" if clustering is None else "clustering",
        "format_version": FORMAT,
        "read_by": f"pyg_basis {__version__}",
        "n_features_in": basis.n_features_in_,
        "feature_names_in": list(getattr(basis, "feature_names_in_", [])),
        "n_clusters": None if clustering is None else clustering.n_clusters,
        "n_iter": basis.n_iter_,
        "last_loss": basis.history_["loss"][-1],
        "eigenvalues": basis.eigenvalues_.tolist(),
        "quality": basis.quality_,
        # As they were lowered, where there were fewer points.
        "used": {
            "batch_size": sizes.batch_size,
            "n_anchors": sizes.num_anchors,
            "n_neighbors": sizes.num_neighbors,
            "reference_size": sizes.reference_size,
        },
        "parameters": parameters,
    }


def facts_of_points(points: Points) -> dict[str, Any]:
    """The shape of the points, their type, range and what is not finite, as plain
    values; memory does not grow with their number."""
    minima, maxima, nan, infinite = [], [], 0, 0
    for block in blocks(points.rows, "info", quiet=True):
        values = as_array(block)
        is_nan, is_infinite = np.isnan(values), np.isinf(values)
        nan += int(is_nan.sum())
        infinite += int(is_infinite.sum())
        finite = values[~(is_nan | is_infinite)]
        if finite.size:
            minima.append(finite.min().item())
            maxima.append(finite.max().item())
    return {
        "kind": "points",
        "shape": list(points.rows.shape),
        "dtype": str(points.rows.dtype).removeprefix("torch."),
        "columns": list(points.names),
        "minimum": min(minima, default=None),
        "maximum": max(maxima, default=None),
        "nan": nan,
        "infinite": infinite,
    }
