"""What the commands do, each a function of its name."""

import json
import logging
from argparse import ArgumentError, Namespace
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from pyg_basis import BASiS, BASiSClustering
from pyg_basis._atomic_file import atomic_file
from pyg_basis.cli._models import is_model, read_model
from pyg_basis.cli._options import given
from pyg_basis.cli._points import Points, read_points
from pyg_basis.cli._rows import write_rows
from pyg_basis.estimators import preset
from pyg_basis.estimators._parameters import EIGENGAP, check_parameters
from pyg_basis.estimators.basis_clustering import (
    default_basis,
    fitted_clustering,
    num_clusters,
)

logger = logging.getLogger("pyg_basis")


def fit(arguments: Namespace) -> None:
    """Learns an embedding."""
    parameters = given(arguments, BASiS)
    basis = BASiS(**parameters)
    if arguments.preset is not None:
        published = preset(arguments.preset, basis.n_components)
        basis.set_params(**{**published, **parameters})
    check_parameters(basis)  # before the points are read
    points = read_points(arguments)
    basis.set_params(verbose=not arguments.quiet)
    basis.fit(points.source, points.labels, sample_weight=points.weights)
    basis.set_params(verbose=False).save(arguments.output)
    logger.info(
        f"{arguments.output}: {basis.n_components_} components, {basis.n_iter_} "
        f"iterations, last loss {basis.history_['loss'][-1]:.4g}"
    )


def transform(arguments: Namespace) -> None:
    """Embeds points."""
    basis, _ = read_model(arguments.model)
    points = read_points(arguments, basis)
    embedding = map(basis.transform, points.blocks("transform", arguments.quiet))
    names = basis.get_feature_names_out()
    with atomic_file(arguments.output) as temporary:
        write_rows(temporary, "embedding", embedding, len(points.rows), names)


def cluster(arguments: Namespace) -> None:
    """Clusters points, and writes both files or none."""
    settings = given(arguments, BASiSClustering)
    parameters = given(arguments, BASiS)
    parameters.pop("random_state", None)  # that of the clustering seeds both
    basis = clustering = None
    if arguments.model is not None:
        basis, clustering = read_model(arguments.model)
    if (clustering is None) is (arguments.n_clusters is None):
        raise ArgumentError(
            None, "--n-clusters: give it or a --model with clusters, and not both"
        )
    if basis is not None and parameters:
        names = ", ".join(parameters)
        raise ArgumentError(None, f"{names}: leave out, --model has an embedding")
    if clustering is not None and arguments.weights is not None:
        message = "--weights: leave out, --model has clusters"
        raise ArgumentError(None, message)
    points = read_points(arguments, basis)
    if basis is None:
        own = default_basis(arguments.n_clusters).set_params(**parameters)
        own.set_params(verbose=not arguments.quiet)
        clustering = BASiSClustering(**settings, basis=own)
        clustering.fit(points.source, sample_weight=points.weights)
        clustering.basis_.set_params(verbose=False)
    elif clustering is None:
        blocks = points.blocks("transform", arguments.quiet)
        embedding = np.concatenate([basis.transform(block) for block in blocks])
        if settings["n_clusters"] == EIGENGAP:
            settings["n_clusters"] = num_clusters(basis)
        kmeans = KMeans(**{"n_init": BASiSClustering().n_init, **settings})
        clustering = fitted_clustering(
            basis, kmeans.fit(embedding, sample_weight=points.weights)
        )
    predict: Any = clustering.predict
    columns = ["cluster"]
    if arguments.soft:
        predict = clustering.predict_proba
        columns = [f"cluster{i}" for i in range(clustering.n_clusters_)]
    found = map(predict, points.blocks("cluster", arguments.quiet))
    with atomic_file(arguments.output) as temporary:
        write_rows(temporary, "cluster", found, len(points.rows), columns)
        if arguments.save_model is not None:
            clustering.save(arguments.save_model)


def info(arguments: Namespace) -> None:
    """Reports what is in a file."""
    if is_model(arguments.points):
        facts = _facts_of_model(*read_model(arguments.points))
    else:
        facts = _facts_of_points(read_points(arguments))
    print(json.dumps(facts, indent=2) if arguments.json else _as_text(facts))


def _facts_of_model(basis: BASiS, clustering: BASiSClustering | None) -> dict[str, Any]:
    parameters = basis.get_params(deep=False)
    del parameters["network"]  # which is in no file
    return {
        "kind": "embedding" if clustering is None else "clustering",
        "n_features_in": basis.n_features_in_,
        "feature_names_in": list(getattr(basis, "feature_names_in_", [])),
        "n_clusters": None if clustering is None else clustering.n_clusters_,
        "n_components": basis.n_components_,
        "n_iter": basis.n_iter_,
        "last_loss": basis.history_["loss"][-1],
        "eigenvalues": basis.eigenvalues_.tolist(),
        "quality": basis.quality_,
        # As they were lowered, where there were fewer points.
        "used": basis._sizes._asdict(),
        "parameters": parameters,
    }


def _facts_of_points(points: Points) -> dict[str, Any]:
    num_rows, width = points.rows.shape
    ranges, missing, infinite = [], np.zeros(width, int), 0
    for block in points.blocks():
        finite = block[np.isfinite(block)]
        ranges += [finite.min().item(), finite.max().item()] if finite.size else []
        missing += np.isnan(block).sum(axis=0)
        infinite += int(np.isinf(block).sum())
    counts = dict(enumerate(missing))
    others = []
    if points.table is not None:
        counts = dict(points.table.isna().sum())
        others = [name for name in points.table if name not in points.names]
    return {
        "kind": "points",
        "shape": [num_rows, width],
        "dtype": str(points.rows.dtype),
        "columns": points.names,
        "other_columns": others,
        "minimum": min(ranges, default=None),
        "maximum": max(ranges, default=None),
        "missing": {str(column): int(n) for column, n in counts.items() if n > 0},
        "infinite": infinite,
    }


def _as_text(facts: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in facts.items():
        nested = isinstance(value, dict) and value != {}
        text = "\n" + _as_text(value, f"{indent}  ") if nested else f" {value}"
        lines.append(f"{indent}{name}:{text}")
    return "\n".join(lines)


def plot(arguments: Namespace) -> None:
    """Draws an embedding, or how the training of a model went."""
    # Slow to import, and of no use to the other commands.
    from matplotlib.figure import Figure

    from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss

    if is_model(arguments.points):
        if arguments.labels is not None or arguments.axes is not None:
            message = "--labels and --axes are for an embedding, not for a model"
            raise ArgumentError(None, message)
        basis, _ = read_model(arguments.points)
        figure = Figure((10, 3.6), layout="constrained")
        loss, eigenvalues = figure.subplots(1, 2)
        plot_loss(basis.history_, ax=loss)
        has_gap = len(basis.eigenvalues_) > basis.n_components_
        plot_eigenvalues(
            basis.eigenvalues_,
            ax=eigenvalues,
            num_components=basis.n_components_ if has_gap else None,
        )
    else:
        points = read_points(arguments)
        (i, j), width = arguments.axes or (1, 2), points.rows.shape[1]
        if not (1 <= i <= width and 1 <= j <= width):
            raise ValueError(f"--axes {i} {j}: choose two from 1 to {width}")
        figure = Figure((6.4, 4.8), layout="constrained")
        plot_embedding(points.rows, points.labels, (i - 1, j - 1), figure.subplots())
    with atomic_file(arguments.output) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")
