r"""The read-out beside the regression that it replaced, and beside Nyström.

    git worktree add OLD e31ad85
    python benchmarks/readout.py --before OLD --data-root DIR

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

Writes readout.json and readout.md after each case and seed. A command that was broken
off, or that asks for further cases, goes on where the record ends; what an older
package has measured is measured again, all methods of the case and seed side by side.

About two hours; `--quick` takes a minute, at a size at which the figures mean nothing.
"""

import argparse
import copy
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from evaluation import FeatureSplit, score
from image_features import load_features
from methods import NUM_COMPONENTS
from results import format_mean_std, make_output_folder, markdown_table
from run_file import RunFile
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis import BASiS
from pyg_basis.baselines import EigenvectorRegression, NystroemEmbedding
from pyg_basis.datasets import (
    circle,
    circle_eigenfunctions,
    load_graph,
    load_images,
    sphere,
    sphere_eigenfunctions,
)
from pyg_basis.graph import GivenGraph
from pyg_basis.loader import ExactEmbedding, WholeGraph
from pyg_basis.metrics import grassmann_distance, orthogonality

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


class Case(NamedTuple):
    """Points, held-out points with the columns that are to be learned at them, and the
    settings of the fit."""

    x: Tensor | Data
    x_new: Tensor
    exact: Tensor
    settings: dict[str, Any]
    degree: Tensor | None = None  # of the held-out points' graph
    data: FeatureSplit | None = None  # with labels


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.worker:
        print(json.dumps(measured(options)))
        return
    path = options.output / "readout.json"
    settings = {"threads": options.threads, "quick": options.quick}
    file = RunFile(path, ("case", "method", "seed"), settings)
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
                figures = in_process(name, method, seed, options)
                file.add((name, method, seed), state, figures)
                print(name, method, seed, figures, flush=True)
            text = table(file.runs())
            path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"\n{table(file.runs())}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    add("--before", type=Path, help="checkout of the commit to compare with")
    add("--data-root", type=Path, help="folder of <name>.npz; else from OpenML")
    add("--cache-dir", type=Path, default=Path("cache"), help="of the features")
    add("--output", type=Path, help="folder (default: benchmarks/results)")
    add("--seeds", type=int, default=3, help="(default: 3)")
    add("--threads", type=int, default=2, help="of a fit (default: 2)")
    add("--quick", action="store_true", help="a smoke run; by default to runs/quick")
    add("--worker", nargs=3, metavar=("CASE", "METHOD", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick:
        options.cases, options.seeds = ["sphere"], 1
    make_output_folder(options)
    return options


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
    root: Path = options.before if method == "before" else Path(__file__).parents[1]
    return root.resolve()


def in_process(
    name: str, method: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Runs a worker of this script, with the package of the checkout for "before"."""
    command = [sys.executable, __file__, "--worker", name, method, str(seed)]
    command += ["--threads", str(options.threads), "--cache-dir", options.cache_dir]
    command += ["--data-root", options.data_root] if options.data_root else []
    command += ["--quick"] if options.quick else []
    root = root_of(method, options)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()
    return {"commit": commit, **result}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Fits one estimator and measures it at the held-out points."""
    name, method, seed = options.worker[0], options.worker[1], int(options.worker[2])
    torch.set_num_threads(options.threads)
    case = CASES[name](seed, options)
    if method == "nystroem":
        settings = {**case.settings, "sample_size": NUM_SAMPLED}
        seeds = range(NUM_SAMPLES * seed, NUM_SAMPLES * (seed + 1))
        rivals = (NystroemEmbedding(**settings, random_state=s) for s in seeds)
        fits = [fitted(rival, case) for rival in rivals]
        return {key: statistics.mean(fit[key] for fit in fits) for key in fits[0]}
    changes = {"max_iter": 5} if options.quick else {}
    kind: Any = BASiS
    if method == "regression":
        kind, changes = EigenvectorRegression, {"extend_degree": True}
    estimator = kind(**case.settings, **changes, random_state=seed)
    result = fitted(estimator, case)
    if method == "now":
        result |= eigenvalue_errors(estimator, case, seed)
        result["quality"] = estimator.quality_["grassmann_distance"]
    if method == "now" and case.degree is not None:
        layer = estimator.layer_
        with torch.no_grad():
            walk = layer.readout(*layer.hidden_layers(case.x_new))
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
    embedding = ExactEmbedding(k, neighbors, laplacian=laplacian)
    drawn = samples(case.x, seed)[: 1 + NUM_SAMPLES]
    other, *more = (embedding(x).values for x in drawn)
    mean = torch.stack(more or [other]).mean(dim=0)
    vectors = copy.deepcopy(estimator.layer_).rayleigh_ritz(drawn[0])
    assert vectors is not None
    return {
        "eigenvalue_error": error(learned, mean),
        "eigenvalue_error_of_one_sample": error(other, mean),
        "eigenvalue_error_on_one_graph": error(vectors.values, other),
    }


def images(x: Tensor, x_new: Tensor, laplacian: str, num_columns: int) -> Case:
    exact = ExactEmbedding(NUM_COMPONENTS, 50, laplacian=laplacian)(x_new)
    settings = {
        "n_components": num_columns,
        "n_neighbors": 50,
        "laplacian": laplacian,
    }
    degree = exact.degree if laplacian == "sym" else None
    return Case(x, x_new, exact.vectors, settings, degree)


def siamese(
    name: str, num_columns: int, seed: int, options: argparse.Namespace
) -> Case:
    data = load_features(name, options.data_root, options.cache_dir, quick=False)
    case = images(data.x_train, data.x_test, "sym", num_columns)
    return case._replace(data=data) if num_columns == NUM_COMPONENTS else case


def pixels(num_columns: int, seed: int, options: argparse.Namespace) -> Case:
    split = load_images("mnist", options.data_root, options.cache_dir, progress=False)
    x, x_new = (y.flatten(1).float() / 255 for y in (split.x_train, split.x_test))
    return images(x, x_new, "rw", num_columns)


def of_sphere(seed: int, options: argparse.Namespace) -> Case:
    generator = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q[:3]
    x = sphere(3_000 if options.quick else 100_000, seed=seed)
    x_new = sphere(NUM_HELD_OUT, seed=HELD_OUT_SEED + seed)
    return manifold(x @ turn, x_new @ turn, sphere_eigenfunctions(x_new, 2), 50)


def of_circle(seed: int, options: argparse.Namespace) -> Case:
    x_new = circle(NUM_HELD_OUT, seed=HELD_OUT_SEED + seed)
    return manifold(circle(60_000, seed), x_new, circle_eigenfunctions(x_new, 5), 20)


def of_torus(seed: int, options: argparse.Namespace) -> Case:
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


def pages(seed: int, options: argparse.Namespace) -> Case:
    graph = load_graph("facebook", options.data_root, options.cache_dir)
    whole = WholeGraph.from_graph(
        GivenGraph.from_data(graph), ExactEmbedding(NUM_COMPONENTS, laplacian="rw")
    )
    settings = {"n_components": NUM_COMPONENTS, "laplacian": "rw"}
    return Case(graph, graph.x, whole.rows.vectors, settings)


def manifold(x: Tensor, x_new: Tensor, exact: Tensor, num_neighbors: int) -> Case:
    settings = {
        "n_components": exact.size(1),
        "n_neighbors": num_neighbors,
        "laplacian": "rw",
    }
    return Case(x, x_new, exact, settings)


CASES: dict[str, Callable[[int, argparse.Namespace], Case]] = {
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


def table(runs: list[dict[str, Any]]) -> str:
    """Mean and deviation of each case and method. Times are medians; the last column is
    the median ratio of a fit to the one before it of the same seed."""
    cases = list(CASES)
    runs = sorted(
        runs, key=lambda r: (cases.index(r["case"]), METHODS.index(r["method"]))
    )
    before = {
        (r["case"], r["seed"]): r["fit_seconds"]
        for r in runs
        if r["method"] == "before"
    }
    rows = []
    for case, method in dict.fromkeys((run["case"], run["method"]) for run in runs):
        own = [r for r in runs if (r["case"], r["method"]) == (case, method)]
        row = {"case": case, "method": method}
        for title, (name, digits) in COLUMNS.items():
            values = [run[name] for run in own if run.get(name) is not None]
            if values and title in MEDIANS:
                row[title] = f"{statistics.median(values):.{digits}f}"
            elif values:
                row[title] = format_mean_std(values, digits)
        ratios = [
            r["fit_seconds"] / before[case, r["seed"]]
            for r in own
            if (case, r["seed"]) in before
        ]
        row["fit / before"] = f"{statistics.median(ratios):.2f}" if ratios else "–"
        rows.append(row)
    return markdown_table(rows, ["case", "method", *COLUMNS, "fit / before"])


if __name__ == "__main__":
    main()
