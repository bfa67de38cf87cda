"""Fits, embeddings and files of the estimators, on few points."""

import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.estimators import preset
from tests.fuzz.inputs import (
    ODD,
    arguments,
    arrays,
    either,
    graphs,
    labels,
    odd,
    odd_arrays,
    odd_graphs,
    odd_labels,
    one_of,
)
from tests.fuzz.judge import Case, WrongAnswer, fingerprint

# What is refused; others would count for ever, or start as many processes.
REFUSED = tuple(v for v in ODD if v is None or isinstance(v, (str, bytes, float)))
PARAMETERS: dict[str, SearchStrategy[Any]] = {
    "n_components": one_of(1, 2, 3, np.int64(2)),
    "n_anchors": one_of(10, 20),
    "batch_size": one_of(40, 60),
    "reference_size": one_of(None, 60, 100, np.int64(80)),
    "n_neighbors": one_of(3, 8),
    "max_iter": one_of(1, 2, 3),
    "laplacian": one_of("rw", "sym", "comb"),
    "alpha": one_of(0, 0.5, 1, np.float32(1)),
    "diffusion_time": one_of(None, 1, 0.5, np.int64(3)),
    "drop_first": st.booleans(),
    "metric": one_of("euclidean", "cosine"),
    "bandwidth": one_of("self_tuning", "global", 1.0, 1e-3, np.float32(3)),
    "anchor_method": one_of("random", "poisson_disk", "poisson_disk", "per_class"),
    "alignment": one_of("lstsq", "ransac", "orthogonal", "moments"),
    "extend_degree": st.booleans(),
    "eigen_solver": one_of("auto", "dense", "lanczos"),
    "graph": one_of("auto", "knn"),
    "graph_targets": one_of("auto", "exact", "coarsened"),
    "readout": st.booleans(),
    "learning_rate": one_of(3e-3, 1.0),
    "network": one_of(None, None, nn.Identity()),
    "tol": one_of(0.2, None, 0),
    "num_workers": st.just(0),
    "device": one_of("cpu", torch.device("cpu")),
    "random_state": one_of(0, 1, np.int64(2)),
    "verbose": st.just(False),
}
ODD_PARAMETERS: dict[str, SearchStrategy[Any]] = {
    "max_iter": one_of(*REFUSED, 0, -1),
    "num_workers": one_of(*REFUSED, -1),
    "device": one_of(*REFUSED, "cuda:7", "meta", torch.device("meta")),
    "network": one_of(*REFUSED, nn.Identity, nn.Linear(2, 2), nn.ReLU()),
    "graph": one_of("edges", *REFUSED),
    # No seed at all gives another answer each time.
    "random_state": one_of(*(value for value in ODD if value is not None)),
    "verbose": one_of(*REFUSED),
}
# What errors may call the points and their number.
NAMES = (
    "X",
    "y",
    "sample_weight",
    "n_samples",
    "edge_index",
    "edge_weight",
    "num_nodes",
    "data",
)
POINTS = st.integers(20, 80)


def cases() -> SearchStrategy[Case]:
    """Fits of points and graphs, with good parameters and odd ones."""
    fits = _fits(arrays(POINTS), odd_arrays(either(POINTS, st.integers(0, 5))))
    given_graphs = _fits(graphs(40, 2), odd_graphs(40, 2))
    return either(fits, fits, given_graphs, _clusterings(), _transforms(), _presets())


def fit(X: Any, y: Any, sample_weight: Any, **parameters: Any) -> Any:
    """What an estimator knows after a fit, and after a file of it is read."""
    basis = BASiS(**parameters).fit(X, y, sample_weight=sample_weight)
    rows = basis.transform(X)
    with tempfile.TemporaryDirectory() as folder:
        basis.save(Path(folder) / "model.pt")
        loaded = BASiS.load(Path(folder) / "model.pt", basis.network)
    if fingerprint(loaded.transform(X)) != fingerprint(rows):
        raise WrongAnswer("the file of the fit gives other rows")
    history = {name: basis.history_[name] for name in ("loss", "rank", "residual")}
    return rows, basis.eigenvalues_, history, basis.quality_, basis.n_features_in_


@st.composite
def _fits(
    draw: DrawFn, points: SearchStrategy[Any], others: SearchStrategy[Any]
) -> Case:
    parameters = draw(arguments(PARAMETERS, ODD_PARAMETERS))
    x = draw(either(points, points, points, others))
    features = x.x if isinstance(x, Data) else x  # whatever num_nodes is
    is_list = isinstance(features, list)  # of any shape, or none
    n = len(features) if is_list or np.ndim(features) else 1
    good = labels(st.just(n))
    y = draw(either(good, good, st.none(), odd_labels(st.just(n))))
    none = st.none()  # as of all given graphs
    weight = draw(either(none, none, none, good, odd_labels(st.just(n))))

    def check(answer: Any) -> None:
        rows = answer[0]
        assert isinstance(rows, Tensor) == isinstance(x, Tensor), "type of the rows"
        assert rows.shape[1] == int(parameters["n_components"]), "columns"

    given = {"X": x, "y": y, "sample_weight": weight, **parameters}
    return Case(fit, given, check, names=NAMES)


def fit_clustering(X: Any, n_clusters: Any, n_init: Any, random_state: Any) -> Any:
    """Labels, and those of the same points later."""
    basis = BASiS(2, batch_size=40, n_anchors=10, n_neighbors=5, max_iter=2)
    clustering = BASiSClustering(
        n_clusters, basis=basis, n_init=n_init, random_state=random_state
    ).fit(X)
    with tempfile.TemporaryDirectory() as folder:
        clustering.save(Path(folder) / "model.pt")
        loaded = BASiSClustering.load(Path(folder) / "model.pt")
    later = clustering.predict(X)
    if not np.array_equal(loaded.predict(X), later):
        raise WrongAnswer("the file of the clustering gives other labels")
    return clustering.labels_, later


def _clusterings() -> SearchStrategy[Case]:
    good = {
        "X": arrays(POINTS),
        "n_clusters": one_of(1, 2, 3, np.int64(2)),
        "n_init": one_of(1, 2),
        "random_state": one_of(0, 1),
    }
    other = {
        "X": odd_arrays(POINTS),
        "n_init": one_of(*REFUSED, 0, -1),
        "random_state": ODD_PARAMETERS["random_state"],
    }

    def case(given: dict[str, Any]) -> Case:
        def check(answer: Any) -> None:
            assert np.array_equal(*answer), "other labels later"
            assert 0 <= answer[0].min() <= answer[0].max() < given["n_clusters"]

        return Case(fit_clustering, given, check, names=NAMES)

    return arguments(good, other).map(case)


@cache
def fitted() -> BASiS:
    """A fit of two columns on points of three features."""
    x = np.random.default_rng(0).normal(size=(80, 3))
    parameters: dict[str, Any] = {"n_neighbors": 5, "max_iter": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a poor fit
        return BASiS(2, batch_size=60, n_anchors=10, **parameters).fit(x)


def transform_and_score(X: Any) -> Any:
    """Rows of new points, and their score."""
    basis = fitted()
    return basis.transform(X), basis.score(X)


def _transforms() -> SearchStrategy[Case]:
    sizes, width = st.integers(1, 40), one_of(3, 3, 3, 3, 2)
    points = either(arrays(sizes, width), odd_arrays(sizes, width), graphs(10, 3))

    def case(x: Any) -> Case:
        def check(answer: Any) -> None:
            assert isinstance(answer[0], Tensor) == isinstance(x, Tensor)
            assert answer[0].shape[1] == 2 and 0 <= answer[1] <= 1 + 1e-6

        return Case(
            transform_and_score,
            {"X": x},
            check,
            names=(*NAMES, "num_neighbors", "num_eigenvectors"),
        )

    return points.map(case)


def _presets() -> SearchStrategy[Case]:
    good = {"name": one_of("paper", "official"), "n_components": st.integers(1, 25)}
    return arguments(good, {"name": odd}).map(lambda given: Case(preset, given))
