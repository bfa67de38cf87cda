"""What the parts of a training step cost in the default configuration, and the
eigenpairs of its batches by other solvers.

Batches of 512 to 8,192 points with 250 anchors and 50 neighbors, one thread, medians of
several rounds. The Laplacian is the symmetric form, from which the eigenvectors of the
random walk are found. `default` is what BASiS takes: Chebyshev filters from 1,024
points on, Lanczos below. ARPACK is `scipy.sparse.linalg.eigsh`; it may miss copies of
an eigenvalue. LOBPCG, our own, SciPy's and torch's, starts from
random columns; our own also from the Nystroem extension of the anchors' rows. What
others miss of the eigenvalues is counted too. Which solver is the first changes from
round to round. Backends of the neighbor search are timed on 2,048 and 10,000 points.
Without `--data-root` MNIST's features are left out.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.data.feature_sets import feature_set
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import markdown_table
from pyg_basis import BASiSLayer
from pyg_basis.eigen import LOBPCG, eigenpairs
from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian

SETS = ("mnist", "sphere")
BATCH_SIZES = (512, 1024, 2048, 4096, 8192)
NUM_ANCHORS, NUM_NEIGHBORS, NUM_COLUMNS = 250, 50, 10
BACKENDS = ("torch", "scipy", "torch_cluster")
SOLVERS = ("default", "lanczos", "arpack", "lobpcg", "lobpcg, from the anchors")
SOLVERS += ("SciPy's lobpcg", "torch's lobpcg")
OTHERS = ("arpack", "SciPy's lobpcg", "torch's lobpcg")
# Of the rivals' residuals, and the most iterations that they may take.
TOLERANCE, MOST_ITERATIONS = 1e-5, 200
# Of eigenvalues, far above the rounding of either solver.
MISSED = 1e-5
PARTS = ("neighbors", "affinity and Laplacian", "gradient", *SOLVERS)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=9, help="(default: 9)")


def main(options: argparse.Namespace) -> None:
    where = options.data_root, options.cache_dir, options.quick
    sizes = (300, 400) if options.quick else BATCH_SIZES
    rounds = options.rounds
    steps, backends = [], []
    for name in SETS:
        if name == "mnist" and options.data_root is None:
            print("mnist is left out: it needs --data-root")
            continue
        x = feature_set(name, *where).x
        for size in sizes:
            steps.append({"set": name, "m": size, **step(x, size, rounds)})
            print(steps[-1], flush=True)
        for size in (400,) if options.quick else (2048, 10_000):
            times = searches(x, size, min(rounds, 3))
            backends.append({"set": name, "n": size, "d": x.size(1), **times})
            print(backends[-1], flush=True)
    settings = {
        "rounds": rounds,
        "num_anchors": NUM_ANCHORS,
        "num_neighbors": NUM_NEIGHBORS,
        "num_columns": NUM_COLUMNS,
    }
    save(options, settings, {"steps": steps, "backends": backends}, seeds=[0])


def step(x: Tensor, size: int, rounds: int) -> dict[str, Any]:
    """Median milliseconds of each part, how many solves by default fell back, and in
    how many batches ARPACK missed an eigenvalue."""
    generator = torch.Generator().manual_seed(0)
    anchors = x[torch.randperm(len(x), generator=generator)[:NUM_ANCHORS]]
    known = eigenpairs(graph_of(batch(x, anchors, size, generator)), NUM_COLUMNS + 1)
    start = known.vectors[:NUM_ANCHORS]
    layer = BASiSLayer(x.size(1), NUM_COLUMNS, NUM_ANCHORS)
    layer.init_reference(torch.cat([anchors, x[:size]]), torch.arange(NUM_ANCHORS))
    optimizer = torch.optim.Adam(layer.parameters())
    times: dict[str, list[float]] = defaultdict(list)
    found: dict[str, Any] = {}
    num_fallen_back = 0
    num_missed = dict.fromkeys(OTHERS, 0)
    for number in range(rounds):
        points = batch(x, anchors, size, generator)
        with timed(times, "neighbors"):
            neighbors = knn_graph(points.double(), NUM_NEIGHBORS)
        with timed(times, "affinity and Laplacian"):
            operator = laplacian(affinity(neighbors), "sym")
        solve = solvers(operator, start)
        first = number % len(SOLVERS)
        for name in (*SOLVERS[first:], *SOLVERS[:first]):
            with timed(times, name):
                found[name] = solve[name]()
        num_fallen_back += found["default"].fell_back
        for name in OTHERS:
            values = np.sort(np.asarray(found[name][0]))
            error = abs(values - found["default"].values.numpy()).max()
            num_missed[name] += int(error > MISSED)
        trained = Data(x=points, y=torch.randn(size, NUM_COLUMNS, generator=generator))
        with timed(times, "gradient"):
            loss = layer.loss(trained)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    medians = {name: 1e3 * statistics.median(times[name]) for name in PARTS}
    counts = {"fell_back": num_fallen_back, "missed": num_missed}
    return {"milliseconds": medians, **counts, "rounds": rounds}


def searches(x: Tensor, size: int, rounds: int) -> dict[str, float | None]:
    """Median milliseconds of the neighbor search of each backend."""
    points = x[:size].double()
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for backend in BACKENDS:
            try:
                with timed(times, backend):
                    knn_graph(points, NUM_NEIGHBORS, backend)
            except ImportError:
                print(f"{backend} is left out: not installed")
    return {
        name: 1e3 * statistics.median(times[name]) if times[name] else None
        for name in BACKENDS
    }


def batch(x: Tensor, anchors: Tensor, size: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randperm(len(x), generator=generator)[: size - NUM_ANCHORS]
    return torch.cat([anchors, x[drawn]])


def graph_of(points: Tensor) -> Laplacian:
    return laplacian(affinity(knn_graph(points.double(), NUM_NEIGHBORS)), "sym")


def solvers(operator: Laplacian, start: Tensor) -> dict[str, Callable[[], Any]]:
    k, matrix = NUM_COLUMNS + 1, operator.matrix
    arrays = matrix.values(), matrix.col_indices(), matrix.crow_indices()
    host = scipy.sparse.csr_matrix(tuple(each.numpy() for each in arrays))
    flipped = 2 * scipy.sparse.identity(len(operator.degree), format="csr") - host
    # Of each node the mean of the anchors' rows, by their affinity to it.
    reach = -host[:, : len(start)]
    reach.data = reach.data.clip(min=0)
    extended = torch.from_numpy(reach @ start.numpy())
    extended[: len(start)] = start
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((len(operator.degree), k))
    return {
        "default": lambda: eigenpairs(operator, k),
        "lanczos": lambda: eigenpairs(operator, k, "lanczos"),
        "arpack": lambda: arpack(flipped, k),
        "lobpcg": lambda: eigenpairs(operator, k, "lobpcg"),
        "lobpcg, from the anchors": lambda: eigenpairs(
            operator, k, LOBPCG(start=extended)
        ),
        "SciPy's lobpcg": lambda: scipy.sparse.linalg.lobpcg(
            host, drawn, tol=TOLERANCE, maxiter=MOST_ITERATIONS, largest=False
        ),
        "torch's lobpcg": lambda: torch.lobpcg(
            matrix,
            k,
            X=torch.from_numpy(drawn),
            niter=MOST_ITERATIONS,
            tol=TOLERANCE,
            largest=False,
        ),
    }


def arpack(flipped: scipy.sparse.csr_matrix, k: int) -> tuple[Any, Any]:
    """Of 2 I - L, whose largest eigenvalues it finds quickly."""
    values, vectors = scipy.sparse.linalg.eigsh(flipped, k, which="LA", tol=1e-6)
    return 2 - values, vectors


@contextmanager
def timed(times: dict[str, list[float]], name: str) -> Iterator[None]:
    """Adds the seconds that its body takes, unless it fails."""
    start = time.perf_counter()
    yield
    times[name].append(time.perf_counter() - start)


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "step_cost")
    steps = [
        {
            "set": found["set"],
            "m": f"{found['m']:,}",
            **{name: f"{found['milliseconds'][name]:.1f}" for name in PARTS},
            "fell back": f"{found['fell_back']} of {found['rounds']}",
            **{
                f"{name} missed some": f"{found['missed'][name]} of {found['rounds']}"
                for name in OTHERS
            },
        }
        for found in results["steps"]
    ]
    backends = [
        {
            **found,
            "n": f"{found['n']:,}",
            **{
                name: f"{found[name]:.0f}"
                for name in BACKENDS
                if found[name] is not None
            },
        }
        for found in results["backends"]
    ]
    columns = {
        name: name
        for name in (
            *("set", "m", *PARTS, "fell back"),
            *(f"{name} missed some" for name in OTHERS),
        )
    }
    searched = {name: name for name in ("set", "n", "d", *BACKENDS)}
    return {
        "step_cost": markdown_table(steps, columns),
        "neighbor_search": markdown_table(backends, searched),
    }
