"""What the commands do, each a function of its name."""

import json
import sys
from argparse import ArgumentError, Namespace
from contextlib import ExitStack
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.cluster import KMeans

from pyg_basis import BASiS, BASiSClustering, __version__
from pyg_basis.cli import _files as files
from pyg_basis.cli._options import given
from pyg_basis.cli._points import Points, read_points
from pyg_basis.estimators import preset
from pyg_basis.estimators._checkpoint import FORMAT
from pyg_basis.estimators._graph_training import given_edges
from pyg_basis.estimators._parameters import check_parameters, check_values, count
from pyg_basis.estimators._source import BLOCK_ROWS
from pyg_basis.estimators.basis_clustering import default_basis, fitted_clustering
from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss


def fit(arguments: Namespace) -> None:
    """Learns an embedding."""
    with files.new_file(arguments, "output", files.MODELS) as temporary:
        parameters = given(arguments, BASiS)
        basis = BASiS(**parameters)
        if arguments.preset is not None:
            published = preset(arguments.preset, basis.n_components)
            basis.set_params(**{**published, **parameters})
        check_parameters(basis)
        given_edges(basis, arguments.points)  # raises before the points are read
        points = read_points(arguments, arguments.points)
        points.check_finite()
        basis.set_params(verbose=not arguments.quiet).fit(points.source, points.labels)
        basis.set_params(verbose=False).save(temporary)
    if not arguments.quiet:
        end = f"{basis.n_iter_} iterations, last loss {basis.history_['loss'][-1]:.4g}"
        start = f"{arguments.output}: {basis.n_components} components"
        print(f"{start}, {end}", file=sys.stderr)


def transform(arguments: Namespace) -> None:
    """Embeds points."""
    with files.new_file(arguments, "output", files.ROWS) as temporary:
        basis, _ = files.read_model(arguments.model)
        points = read_points(arguments, arguments.points, basis)
        blocks = points.finite_blocks("transform", arguments.quiet)
        embedding, num_rows = map(basis.transform, blocks), len(points.rows)
        names = basis.get_feature_names_out()
        files.write_rows(temporary, "embedding", embedding, num_rows, names)


def cluster(arguments: Namespace) -> None:
    """Clusters points, and writes both files or none."""
    with ExitStack() as stack:
        new = files.new_file(arguments, "output", files.ROWS)
        new_labels = stack.enter_context(new)
        new = files.new_file(arguments, "save_model", files.MODELS)
        new_model = stack.enter_context(new)
        basis, clustering = None, None
        if arguments.model is not None:
            basis, clustering = files.read_model(arguments.model)
        if (clustering is None) is (arguments.n_clusters is None):
            raise ArgumentError(
                None, "--n-clusters: give it or a --model with clusters, and not both"
            )
        settings = given(arguments, BASiSClustering)
        parameters = given(arguments, BASiS)
        parameters = {n: v for n, v in parameters.items() if n not in settings}
        if parameters and basis is not None:
            names = ", ".join(parameters)
            raise ArgumentError(None, f"{names}: leave out, --model has an embedding")
        if basis is None:
            check_values(BASiSClustering(**settings), {"n_clusters": count(1)})
            own = default_basis(arguments.n_clusters).set_params(**parameters)
            check_parameters(own)
            given_edges(own, arguments.points)
        points = read_points(arguments, arguments.points, basis)
        if basis is None:
            points.check_finite()
            own.set_params(verbose=not arguments.quiet)
            clustering = BASiSClustering(**settings, basis=own).fit(points.source)
            clustering.basis_.set_params(verbose=False)
            labels = iter([clustering.labels_])
        elif clustering is None:
            blocks = points.finite_blocks("transform", arguments.quiet)
            embedding = np.concatenate([basis.transform(block) for block in blocks])
            kmeans = KMeans(**{"n_init": BASiSClustering().n_init, **settings})
            labels = iter([kmeans.fit_predict(embedding)])
            clustering = fitted_clustering(basis, kmeans)
        else:
            blocks = points.finite_blocks("cluster", arguments.quiet)
            labels = map(clustering.predict, blocks)
        num_rows = len(points.rows)
        files.write_rows(new_labels, "cluster", labels, num_rows, ["cluster"])
        if new_model is not None:
            clustering.save(new_model)


def info(arguments: Namespace) -> None:
    """Reports what is in a file."""
    if files.is_model(arguments.file):
        facts = _facts_of_model(*files.read_model(arguments.file))
    else:
        facts = _facts_of_points(read_points(arguments, arguments.file))
    print(json.dumps(facts, indent=2) if arguments.json else _as_text(facts))


def _facts_of_model(basis: BASiS, clustering: BASiSClustering | None) -> dict[str, Any]:
    parameters = basis.get_params(deep=False)
    del parameters["network"]  # which is in no file
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
        "used": basis._sizes._asdict(),
        "parameters": parameters,
    }


def _facts_of_points(points: Points) -> dict[str, Any]:
    ranges, nan, infinite = [], 0, 0
    for start in range(0, len(points.rows), BLOCK_ROWS):
        block = points.rows[start : start + BLOCK_ROWS]
        finite = block[np.isfinite(block)]
        ranges += [finite.min().item(), finite.max().item()] if finite.size else []
        nan += int(np.isnan(block).sum())
        infinite += int(np.isinf(block).sum())
    return {
        "kind": "points",
        "shape": list(points.rows.shape),
        "dtype": str(points.rows.dtype),
        "columns": points.names,
        "minimum": min(ranges, default=None),
        "maximum": max(ranges, default=None),
        "nan": nan,
        "infinite": infinite,
    }


def _as_text(facts: dict[str, Any], indent: str = "") -> str:
    width = max(map(len, facts))
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", _as_text(value, f"{indent}  ")]
        else:
            values = value if isinstance(value, list) else [value]
            texts = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]
            text = ", ".join(texts).replace("None", "none") or "none"
            lines.append(f"{indent}{name:<{width}}  {text}")
    return "\n".join(lines)


def plot(arguments: Namespace) -> None:
    """Draws an embedding, or how the training of a model went."""
    with files.new_file(arguments, "output", files.PICTURES) as temporary:
        if files.is_model(arguments.file):
            if arguments.labels is not None or arguments.axes is not None:
                message = "--labels and --axes are for an embedding, not for a model"
                raise ArgumentError(None, message)
            basis, _ = files.read_model(arguments.file)
            figure = Figure((10, 3.6), layout="constrained")
            loss, eigenvalues = figure.subplots(1, 2)
            plot_loss(basis.history_, ax=loss)
            plot_eigenvalues(basis.eigenvalues_, ax=eigenvalues)
        else:
            points = read_points(arguments, arguments.file)
            points.check_finite()
            (i, j), width = arguments.axes or (1, 2), points.rows.shape[1]
            if not (1 <= i <= width and 1 <= j <= width):
                raise ValueError(f"--axes {i} {j}: choose two from 1 to {width}")
            figure = Figure((6.4, 4.8), layout="constrained")
            columns = (i - 1, j - 1)
            plot_embedding(points.rows, points.labels, columns, figure.subplots())
        figure.savefig(temporary, dpi=150, bbox_inches="tight")
