"""The commands, each a function of the same name."""

import json
import logging
from argparse import ArgumentError, Namespace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.cluster import KMeans

from pyg_basis import BASiS, BASiSClustering
from pyg_basis._atomic_file import atomic_file
from pyg_basis.cli._files import TABLES
from pyg_basis.cli._models import checksum, is_model, read_model
from pyg_basis.cli._options import given
from pyg_basis.cli._parquet import read_batches
from pyg_basis.cli._points import Points, read_points
from pyg_basis.cli._rows import write_rows
from pyg_basis.cli._shards import Part, keep_settings, parts_of
from pyg_basis.cli._sigterm import sigterm_after_batch
from pyg_basis.cli._torchrun import is_first, process_group
from pyg_basis.estimators import preset
from pyg_basis.estimators._clusters import leading_clusters
from pyg_basis.estimators._parameters import EIGENGAP, check_parameters
from pyg_basis.estimators.basis_clustering import (
    default_basis,
    fitted_clustering,
    num_clusters,
    num_columns,
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
    with process_group(basis.device):
        points = read_points(arguments)
        basis.set_params(verbose=not arguments.quiet)
        _train(basis, arguments, points)
    if not is_first():
        return
    basis.set_params(verbose=False).save(arguments.output)
    logger.info(
        f"{arguments.output}: {basis.n_components_} components, {basis.n_iter_} "
        f"iterations, last loss {basis.history_['loss'][-1]:.4g}"
    )


def _train(estimator: Any, arguments: Namespace, points: Points) -> None:
    given = points.source, points.labels
    options: dict[str, Any] = {"sample_weight": points.weights}
    if arguments.checkpoint is None:
        estimator.fit(*given, **options)
        return
    with sigterm_after_batch() as callback:
        options |= {"checkpoint": arguments.checkpoint, "callback": callback}
        estimator.fit(*given, **options)


def transform(arguments: Namespace) -> None:
    """Embeds points."""
    basis, _ = read_model(arguments.model)
    parts = parts_of(arguments)
    if arguments.output_dir is not None:
        parts = _missing_parts(arguments, basis, parts)
    for part in parts:
        arguments.points = part.points
        points = read_points(arguments, basis)
        blocks = points.finite_blocks("transform", arguments.quiet)
        rows = (_embedding(basis, block, part.points) for block in blocks)
        kept = read_batches(part.points, arguments.keep) if arguments.keep else None
        names = basis.get_feature_names_out()
        for name in set(names) & set(arguments.keep):
            raise ValueError(f"--keep has {name!r}, which the embedding has: rename it")
        with atomic_file(part.output) as temporary:
            write_rows(temporary, "embedding", rows, len(points.rows), names, kept)


def _missing_parts(arguments: Namespace, basis: BASiS, parts: list[Part]) -> list[Part]:
    """Returns the parts that are not written yet. If the basis has no feature names,
    all use the columns of the first of all parts."""
    first = min(arguments.parts, key=attrgetter("name"))
    if not hasattr(basis, "feature_names_in_") and first.suffix.lower() in TABLES:
        arguments.points = first
        arguments.columns = arguments.columns or read_points(arguments, basis).names
    chosen = {name: getattr(arguments, name) for name in ("columns", "drop", "keep")}
    settings = {"model": checksum(arguments.model), "key": arguments.key, **chosen}
    keep_settings(arguments.output_dir, settings, parts)
    missing = [part for part in parts if not part.output.exists()]
    logger.info(f"{len(missing)} parts to write, {len(parts) - len(missing)} are there")
    return missing


def _embedding(basis: BASiS, block: NDArray[Any], path: Path) -> Any:
    """Embeds a block of a file, possibly without rows."""
    if len(block) == 0:
        dtype = np.float32 if block.dtype == np.float32 else np.float64
        return np.empty((0, basis.n_components_), dtype)
    try:
        return basis.transform(block)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error


def update(arguments: Namespace) -> None:
    """Updates a model with new points."""
    basis, clustering = read_model(arguments.model)
    settings: dict[str, Any] = {"forget_factor": arguments.forget_factor}
    if arguments.n_clusters is not None:
        if clustering is None:
            message = "--n-clusters: leave out, --model has no clusters"
            raise ArgumentError(None, message)
        settings["n_clusters"] = arguments.n_clusters
    model: Any = basis if clustering is None else clustering
    points = read_points(arguments, basis)
    movement = model.update(points.source, **settings)
    model.save(arguments.output)
    trained = ", trained on" if movement.reanchored else ""
    logger.info(
        f"{arguments.output}: rows of earlier points moved by "
        f"{float(movement.change):.2%}, {movement.num_lost} of "
        f"{len(movement.cosines)} directions are new{trained}"
    )


def cluster(arguments: Namespace) -> None:
    """Clusters points, and writes both files or none."""
    settings = given(arguments, BASiSClustering)
    parameters = given(arguments, BASiS)
    parameters.pop("random_state", None)  # the clustering's seed is used for both
    basis = clustering = None
    if arguments.model is not None:
        basis, clustering = read_model(arguments.model)
    if (clustering is None) is (arguments.n_clusters is None):
        raise ArgumentError(
            None, "--n-clusters: give it or a --model with clusters, and not both"
        )
    of_training = [*parameters, *["checkpoint"] * (arguments.checkpoint is not None)]
    if basis is not None and of_training:
        names = ", ".join(of_training)
        raise ArgumentError(None, f"{names}: leave out, --model has an embedding")
    if clustering is not None and arguments.weights is not None:
        message = "--weights: leave out, --model has clusters"
        raise ArgumentError(None, message)
    points = read_points(arguments, basis)
    if basis is None:
        own = default_basis(arguments.n_clusters).set_params(**parameters)
        own.set_params(verbose=not arguments.quiet)
        clustering = BASiSClustering(**settings, basis=own)
        _train(clustering, arguments, points)
        clustering.basis_.set_params(verbose=False)
    elif clustering is None:
        blocks = points.blocks("transform", arguments.quiet)
        embedding = np.concatenate([basis.transform(block) for block in blocks])
        settings = {"n_init": BASiSClustering().n_init, **settings}
        n_clusters = settings["n_clusters"]
        if n_clusters == EIGENGAP:
            n_clusters = num_clusters(basis)
        kmeans = KMeans(**{**settings, "n_clusters": n_clusters})
        num_leading = num_columns(kmeans.n_clusters, basis)
        found = leading_clusters(kmeans, embedding, num_leading, points.weights)
        clustering = fitted_clustering(basis, found, basis=clone(basis), **settings)
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
    """Reports the content of a file."""
    if is_model(arguments.points):
        facts = _facts_of_model(*read_model(arguments.points))
    else:
        facts = _facts_of_points(read_points(arguments))
    print(json.dumps(facts, indent=2) if arguments.json else _as_text(facts))


def _facts_of_model(basis: BASiS, clustering: BASiSClustering | None) -> dict[str, Any]:
    parameters = basis.get_params(deep=False)
    del parameters["network"]  # not stored in files
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
        # Sizes as lowered for few points.
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
    """Plots an embedding, or the training of a model."""
    # Slow to import, and not needed by other commands.
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
