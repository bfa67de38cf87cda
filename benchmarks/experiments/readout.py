r"""The read-out, the regression that it replaced, and Nyström.

    python -m benchmarks run readout --before OLD --data-root DIR

Default fits, apart from the Laplacian, the number of columns and of neighbors: siamese
features of four image sets, pixels of MNIST, points of a sphere (100,000, in 16
dimensions), of a circle and of a torus of four dimensions; and the graph of Facebook
pages, whose features are the words of the pages. Each fit has a process of its own; for
each seed the one before (the package at the commit that is checked out in OLD) and the
one now follow each other, then the Nyström extension of the exact eigenvectors of
10,000 training points, the mean over three samples of so many, and on some sets the
regression of the exact eigenvectors of the graph of all training points, with an
extension of its degrees.

d_G is taken at 10,000 held-out points, to the exact eigenvectors of their own graph, on
manifolds to the eigenfunctions in closed form, on a given graph to its eigenvectors at
all nodes. "Walk" is d_G of the eigenvectors of the random walk, times the roots of the
true degrees. "Captured" is the share of the exact eigenvectors in the span of the
learned columns: the one that counts where no gap follows the last eigenvalue, as in the
cases of 15 columns, which learn five more columns than they are measured at. The
eigenvalues are compared with the exact ones of graphs of 10,000 training points, their
mean over three samples: the largest relative deviation; "one sample's" is that of the
exact ones of a fourth sample. "On one graph" compares the eigenvalues that a read-out
of one sample gives with the exact ones of that sample. NMI and ACC are those of k-means
on the rows, linear accuracy that of a linear layer that learns from the labels of the
training part.

Writes readout.json after each fit. A command that was broken off, or that asks for
further cases, goes on where the record ends; what an older package has measured is
measured again, all methods of the case and seed together.
"""

import argparse
import copy
import hashlib
import math
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.baselines import EigenvectorRegression, NystroemEmbedding
from benchmarks.data.graphs import load_graph
from benchmarks.data.image_features import load_features
from benchmarks.data.load_images import load_images
from benchmarks.lib.alone import ROOT, run_alone
from benchmarks.lib.evaluation import FeatureSplit, score
from benchmarks.lib.exact import exact_space
from benchmarks.lib.methods import NUM_COMPONENTS
from benchmarks.lib.record import commit_of, read_results
from benchmarks.lib.run_file import RunFile
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS
from pyg_basis.datasets import (
    circle,
    circle_eigenfunctions,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.graph import GivenGraph
from pyg_basis.metrics import grassmann_distance, orthogonality
from pyg_basis.reference import WholeGraph

METHODS = ("before", "now", "nystroem", "regression")
BASIS_AND_NYSTROEM = ("before", "now", "nystroem")
METHODS_OF = {
    "mnist, 96 columns": ("now",),
    "cifar10": METHODS,
    "cifar10, 15 columns": METHODS,
    "svhn": METHODS,
    "pages": ("before", "now"),
}
NUM_HELD_OUT = 10_000
NUM_SAMPLED = 10_000
# Held-out points of manifolds have seeds from here on.
HELD_OUT_SEED = 1_000_000
# Samples that the exact eigenvalues are averaged over, and those of the Nyström
# extension.
NUM_SAMPLES = 3

Settings = dict[str, Any]


class Case(NamedTuple):
    """Points, held-out points with the columns that are to be learned at them, and the
    settings of the fit."""

    x: Tensor | Data
    x_new: Tensor
    exact: Tensor
    settings: Settings
    degree: Tensor | None = None  # of the held-out points' graph
    data: FeatureSplit | None = None  # with labels


class Source(NamedTuple):
    """Where the data sets are, and whether it is a smoke run."""

    data_root: Path | None
    cache_dir: Path
    quick: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    add("--before", type=Path, help="checkout of the commit to compare with")
    add("--threads", type=int, default=2, help="of a fit (default: 2)")


def main(options: argparse.Namespace) -> None:
    file = RunFile.of(options, ("case", "method", "seed"), threads=options.threads)
    for name in options.cases:
        states = {
            method: state_of(method, options)
            for method in METHODS_OF.get(name, BASIS_AND_NYSTROEM)
            if method != "before" or options.before
        }
        for seed in range(options.seeds):
            if all(file.has((name, m, seed), p) for m, p in states.items()):
                continue
            for method, state in states.items():
                root, threads = root_of(method, options), options.threads
                task = name, method, seed, options.data_root, options.cache_dir
                figures = run_alone(
                    measured, *task, options.quick, threads=threads, package=root
                )
                print(name, method, seed, figures, flush=True)
                if "gave_up" in figures:
                    raise SystemExit(figures["gave_up"])
                figures["commit"] = commit_of(root)
                file.add((name, method, seed), state, figures)


def state_of(method: str, options: argparse.Namespace) -> dict[str, Any]:
    """What a run is of: the package's sources, committed or not, and the settings."""
    sources = sorted((root_of(method, options) / "pyg_basis").rglob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    return {
        "package": digest.hexdigest()[:12],
        "threads": options.threads,
        "quick": options.quick,
    }


def root_of(method: str, options: argparse.Namespace) -> Path:
    root: Path = options.before if method == "before" else ROOT
    return root.resolve()


def measured(
    name: str,
    method: str,
    seed: int,
    data_root: str | None,
    cache_dir: str,
    quick: bool,
) -> dict[str, Any]:
    """Fits one estimator and measures it at the held-out points."""
    root = None if data_root is None else Path(data_root)
    case = CASES[name](seed, Source(root, Path(cache_dir), quick))
    if method == "nystroem":
        settings = {**case.settings, "sample_size": NUM_SAMPLED}
        seeds = range(NUM_SAMPLES * seed, NUM_SAMPLES * (seed + 1))
        rivals = (NystroemEmbedding(**settings, random_state=s) for s in seeds)
        fits = [fitted(rival, case) for rival in rivals]
        return {key: statistics.mean(fit[key] for fit in fits) for key in fits[0]}
    if method == "regression":
        columns, neighbors = (case.settings[k] for k in ("n_components", "n_neighbors"))
        regression = EigenvectorRegression(
            columns, n_neighbors=neighbors, extend_degree=True, random_state=seed
        )
        return fitted(regression, case)
    changes: Settings = {"max_iter": 5} if quick else {}
    estimator = BASiS(**case.settings, drop_first=False, **changes, random_state=seed)
    result = fitted(estimator, case)
    if method == "before":
        return result
    result |= eigenvalue_errors(estimator, case, seed)
    result["quality"] = estimator.quality_["grassmann_distance"]
    if case.degree is not None:
        layer = estimator.layer_
        with torch.no_grad():
            walk = layer.output(*layer.hidden_layers(case.x_new))
        walk = walk * case.degree.sqrt().unsqueeze(1)
        result["walk"] = closeness(walk, case.exact).get("grassmann_distance")
    return result


def fitted(estimator: Any, case: Case) -> dict[str, Any]:
    """Fits an estimator; the times, and how good the embedding is."""
    start, start_cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        estimator.fit(case.x)
    seconds = time.perf_counter() - start
    cpu_seconds = time.process_time() - start_cpu
    start = time.perf_counter()
    rows = estimator.transform(case.x_new)
    result = {
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu_seconds,
        "transform_seconds": time.perf_counter() - start,
        "iterations": int(estimator.n_iter_),
        "orthogonality": float(orthogonality(rows)),
        **closeness(rows, case.exact),
    }
    if case.data is not None:
        of_training = estimator.transform(case.x)
        scores = score(of_training, rows, case.data, case.exact, seed=0)
        result |= {k: scores[k] for k in ("nmi", "accuracy", "linear_accuracy")}
    return result


def closeness(rows: Tensor, exact: Tensor) -> dict[str, float]:
    """d_G, if there are as many columns on both sides, and the share of the exact
    eigenvectors that the learned columns hold."""
    learned, known = (torch.linalg.qr(y.double()).Q for y in (rows, exact))
    captured = float((learned.T @ known).square().sum() / known.size(1))
    result = {"captured": captured}
    if rows.shape == exact.shape:
        result["grassmann_distance"] = grassmann_distance(rows, exact)
    return result


def samples(x: Tensor, seed: int) -> tuple[Tensor, ...]:
    """Disjoint samples of the points."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return x[order].split(NUM_SAMPLED)


def eigenvalue_errors(estimator: BASiS, case: Case, seed: int) -> dict[str, float]:
    """The largest deviation of an eigenvalue, the trivial one apart, relative to the
    exact one of the same graph, and to the mean of some samples' graphs; and that of
    one more sample."""
    k = case.settings["n_components"]
    laplacian = case.settings["laplacian"]

    def error(values: Tensor, exact: Tensor) -> float:
        return float((values[1:k] / exact[1:k] - 1).abs().max())

    learned = torch.from_numpy(estimator.eigenvalues_)
    if isinstance(case.x, Data):
        return {}  # they are the exact ones, which the training needs
    neighbors = case.settings["n_neighbors"]
    embedding = exact_space(k, neighbors, laplacian)
    drawn = samples(case.x, seed)[: 1 + NUM_SAMPLES]
    other, *more = (embedding(x).values for x in drawn)
    mean = torch.stack(more or [other]).mean(dim=0)
    vectors = copy.deepcopy(estimator.layer_).read_out(drawn[0])
    assert vectors is not None
    return {
        "eigenvalue_error": error(learned, mean),
        "eigenvalue_error_of_one_sample": error(other, mean),
        "eigenvalue_error_on_one_graph": error(vectors.values, other),
    }


def settings_of(num_columns: int, laplacian: str, num_neighbors: int = 50) -> Settings:
    neighbors = {"n_neighbors": num_neighbors}
    return {"n_components": num_columns, "laplacian": laplacian, **neighbors}


def images(x: Tensor, x_new: Tensor, laplacian: str, num_columns: int) -> Case:
    exact = exact_space(NUM_COMPONENTS, 50, laplacian)(x_new)
    degree = exact.degree if laplacian == "sym" else None
    return Case(x, x_new, exact.vectors, settings_of(num_columns, laplacian), degree)


def siamese(name: str, num_columns: int, seed: int, source: Source) -> Case:
    data = load_features(name, source.data_root, source.cache_dir, quick=False)
    case = images(data.x_train, data.x_test, "sym", num_columns)
    return case._replace(data=data) if num_columns == NUM_COMPONENTS else case


def pixels(num_columns: int, seed: int, source: Source) -> Case:
    split = load_images("mnist", source.data_root, source.cache_dir)
    x, x_new = (y.flatten(1).float() / 255 for y in (split.x_train, split.x_test))
    return images(x, x_new, "rw", num_columns)


def of_sphere(seed: int, source: Source) -> Case:
    generator = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q[:3]
    x = sphere(3_000 if source.quick else 100_000, seed=seed)
    x_new = sphere(NUM_HELD_OUT, seed=HELD_OUT_SEED + seed)
    return manifold(x @ turn, x_new @ turn, sphere_eigenfunctions(x_new, 2), 50)


def of_circle(seed: int, source: Source) -> Case:
    x_new = circle(NUM_HELD_OUT, seed=HELD_OUT_SEED + seed)
    return manifold(circle(60_000, seed), x_new, circle_eigenfunctions(x_new, 5), 20)


def of_torus(seed: int, source: Source) -> Case:
    """Four angles, of whose cosines and sines single ones and products of two are
    eigenfunctions."""
    x, x_new = (
        2 * math.pi * torch.rand(n, 4, generator=torch.Generator().manual_seed(s))
        for n, s in ((60_000, seed), (NUM_HELD_OUT, HELD_OUT_SEED + seed))
    )
    waves = [torch.stack([y.cos(), y.sin()], dim=1) * 2**0.5 for y in x_new.T]
    columns = [torch.ones(NUM_HELD_OUT, 1), *waves]
    for first, second in combinations(waves, 2):
        columns.append((first[:, :, None] * second[:, None, :]).flatten(1))
    x, x_new = (torch.cat([y.cos(), y.sin()], dim=1) for y in (x, x_new))
    return manifold(x, x_new, torch.cat(columns, dim=1), 50)


def pages(seed: int, source: Source) -> Case:
    graph = load_graph("facebook", source.data_root, source.cache_dir)
    whole = WholeGraph.from_graph(
        GivenGraph.from_data(graph), exact_space(NUM_COMPONENTS, laplacian="rw")
    )
    settings = {"n_components": NUM_COMPONENTS, "laplacian": "rw"}
    return Case(graph, graph.x, whole.rows, settings)


def manifold(x: Tensor, x_new: Tensor, exact: Tensor, num_neighbors: int) -> Case:
    return Case(x, x_new, exact, settings_of(exact.size(1), "rw", num_neighbors))


CASES: dict[str, Callable[[int, Source], Case]] = {
    "mnist": partial(siamese, "mnist", NUM_COMPONENTS),
    "mnist, 96 columns": partial(siamese, "mnist", 96),
    "fashion_mnist": partial(siamese, "fashion_mnist", NUM_COMPONENTS),
    "cifar10": partial(siamese, "cifar10", NUM_COMPONENTS),
    "cifar10, 15 columns": partial(siamese, "cifar10", NUM_COMPONENTS + 5),
    "svhn": partial(siamese, "svhn", NUM_COMPONENTS),
    "pixels": partial(pixels, NUM_COMPONENTS),
    "pixels, 15 columns": partial(pixels, NUM_COMPONENTS + 5),
    "sphere": of_sphere,
    "circle": of_circle,
    "torus": of_torus,
    "pages": pages,
}
COLUMNS = {
    "d_G": ("grassmann_distance", 4),
    "walk": ("walk", 4),
    "captured": ("captured", 4),
    "d_perp": ("orthogonality", 4),
    "eigenvalues off by": ("eigenvalue_error", 3),
    "one sample's": ("eigenvalue_error_of_one_sample", 3),
    "on one graph": ("eigenvalue_error_on_one_graph", 3),
    "NMI": ("nmi", 3),
    "ACC": ("accuracy", 3),
    "linear accuracy": ("linear_accuracy", 4),
    "iterations": ("iterations", 0),
    "fit, s": ("fit_seconds", 1),
    "transform, s": ("transform_seconds", 2),
}

MEDIANS = ("iterations", "fit, s", "transform, s")


def tables(folder: Path) -> dict[str, str]:
    """Mean and deviation of each case and method. Times are medians; the last column is
    the median ratio of a fit to the one before it of the same seed."""
    cases = list(CASES)
    runs = sorted(
        read_results(folder, "readout")["runs"],
        key=lambda r: (cases.index(r["case"]), METHODS.index(r["method"])),
    )
    before = {
        (run["case"], run["seed"]): run["fit_seconds"]
        for run in runs
        if run["method"] == "before"
    }
    rows = []
    for (case, method), own in grouped(runs, "case", "method").items():
        row: dict[str, Any] = {"case": case, "method": method}
        for title, (name, digits) in COLUMNS.items():
            row[title] = over_runs(own, name, digits)
            if row[title] and title in MEDIANS:
                row[title] = f"{statistics.median(run[name] for run in own):.{digits}f}"
        ratios = [
            run["fit_seconds"] / before[case, run["seed"]]
            for run in own
            if (case, run["seed"]) in before
        ]
        row["fit / before"] = f"{statistics.median(ratios):.2f}" if ratios else "–"
        rows.append(row)
    columns = ["case", "method", *COLUMNS, "fit / before"]
    return {"readout": markdown_table(rows, columns)}
