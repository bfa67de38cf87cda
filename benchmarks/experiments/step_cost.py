"""What the parts of a training step cost, by batch size.

Without `--data-root` MNIST's features are left out. All figures of a batch size are
taken in turns, round by round, in one thread, and the medians are compared; only the
steps with a worker, which has the second core, come after. The eigenpairs of each batch
are found five ways: dense in double precision (`torch.linalg.eigh`, the whole spectrum;
and LAPACK's, of the wanted part), by SciPy's LOBPCG from a random start, down to the
residual of the warm one, by our LOBPCG from a random start, and warm, extension
included, from the anchors' rows, or from what the network predicts (guards from the
anchors). `--check` batches of every set are compared with dense eigenvectors.
"""

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse.linalg
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.data.feature_sets import FeatureSet, feature_set
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import markdown_table
from pyg_basis import BASiSLayer
from pyg_basis.datasets import TOYS
from pyg_basis.eigen import LOBPCG, Dense, Eigenpairs, SymmetricOperator, eigenpairs
from pyg_basis.graph import (
    Laplacian,
    affinity,
    knn_graph,
    laplacian,
    neighbor_laplacian,
)
from pyg_basis.loader import AnchorLoader, AnchorReference

TIMED = ("mnist", "sphere")
CHECKED = ("mnist", "sphere", "circle", *TOYS)
BATCH_SIZES = (512, 1024, 2048, 4096, 8192)
NUM_ANCHORS = 250
# Beyond, the whole spectrum of a batch takes minutes.
DENSE_UP_TO = 4096
# Nodes that the network sees before its prediction serves as a start.
NUM_TRAINED = 200 * 512
TOL = 1e-6

Parts = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rounds", type=int, default=15, help="of each timing (default: 15)")
    add("--check", type=int, default=200, help="batches of each set (default: 200)")


def main(options: argparse.Namespace) -> None:
    where = options.data_root, options.cache_dir, options.quick
    sizes = (300, 600, 700) if options.quick else BATCH_SIZES
    timed, checked = [], []
    for name in CHECKED:
        if name == "mnist" and options.data_root is None:
            print("mnist is left out: it needs --data-root")
            continue
        points = feature_set(name, *where)
        for size, count in (
            (sizes[0], options.check),
            (sizes[-3], options.check // 40),
        ):
            if count > 0 and (size == sizes[0] or name in TIMED):
                checked.append({"set": name, **check(points, size, count)})
                print(checked[-1], flush=True)
        for size in sizes if name in TIMED else ():
            timed.append({"set": name, "m": size, **parts(points, size, options)})
            print(timed[-1], flush=True)

    settings = {
        "num_anchors": NUM_ANCHORS,
        "trained_nodes": NUM_TRAINED,
        "tol": TOL,
        "rounds": options.rounds,
        "unit": "milliseconds, medians",
    }
    results = {"parts": timed, "against_dense": checked}
    timed = save(options, settings, results, seeds=[0])["parts"]
    draw(timed).savefig(options.output / "step_cost.png", dpi=110)


class Batches:
    """A layer that was trained a little, and batches to be timed on."""

    def __init__(self, points: FeatureSet, size: int) -> None:
        self.x, num_eigenvectors, self.num_neighbors = points
        self.size = size
        self.rng = np.random.default_rng(0)
        self.layer = BASiSLayer(
            self.x.size(1),
            num_eigenvectors,
            num_anchors=NUM_ANCHORS,
            num_neighbors=self.num_neighbors,
        )
        sample = self.x[self.draw(min(len(self.x), 20_000))]
        self.layer.init_reference(sample, reference_size=size)
        self.reference: AnchorReference = self.layer.anchor_reference()
        self.optimizer = torch.optim.Adam(self.layer.parameters(), lr=1e-3)
        self.k = self.reference.embedding.num_pairs

    def draw(self, count: int) -> Tensor:
        return torch.from_numpy(self.rng.choice(len(self.x), count, replace=False))

    def others(self) -> Tensor:
        return self.x[self.draw(self.size - NUM_ANCHORS)]

    def train(self, num_batches: int) -> None:
        for _ in range(num_batches):
            self.step(self.reference.targets(self.others()))

    def step(self, batch: Data) -> None:
        loss = self.layer.loss(batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def laplacian(self, x: Tensor) -> Laplacian:
        landmarks = self.reference.batches.landmarks
        return neighbor_laplacian(landmarks, x, self.num_neighbors)

    def warm(self) -> LOBPCG:
        return LOBPCG(window=self.reference.batches.start.window)

    def warm_pairs(self, operator: Laplacian) -> Eigenpairs:
        """As BatchEmbedding finds them."""
        start = self.reference.batches.extended(operator)
        return eigenpairs(operator, self.k, self.warm(), start, TOL)


def check(points: FeatureSet, size: int, num_batches: int) -> dict[str, Any]:
    """Subspace errors of warm starts against dense eigenvectors."""
    batches = Batches(points, size)
    errors, solvers, unconverged = [], defaultdict(int), 0
    for _ in range(num_batches):
        operator = batches.laplacian(batches.others())
        pairs = batches.warm_pairs(operator)
        exact = torch.linalg.eigh(operator.matrix.to_dense()).eigenvectors
        errors.append(subspace_error(pairs.vectors, exact[:, : batches.k]))
        solvers[pairs.solver] += 1
        unconverged += not pairs.converged
    return {
        "m": size,
        "batches": num_batches,
        "largest_error": max(errors),
        "median_error": statistics.median(errors),
        "unconverged": unconverged,
        "solvers": dict(solvers),
    }


def subspace_error(found: Tensor, exact: Tensor) -> float:
    """The sine of the largest angle between two spaces of orthonormal columns."""
    rest = exact - found @ (found.t() @ exact)
    return float(torch.linalg.matrix_norm(rest, 2))


def parts(points: FeatureSet, size: int, options: argparse.Namespace) -> Parts:
    batches = Batches(points, size)
    # Long runs of everything would only say the same of a large batch.
    rounds = max(5, min(options.rounds, options.rounds * 1024 // size))
    rounds = 2 if options.quick else rounds
    batches.train(rounds if options.quick else max(NUM_TRAINED // size, 40))
    seconds: dict[str, list[float]] = defaultdict(list)
    figures: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        found, figure = one_round(batches, number, options.quick)
        if number > 0:  # the first round warms up
            for key, value in found.items():
                seconds[key].append(value)
            for key, value in figure.items():
                figures[key].append(value)
    seconds["step_with_worker"] = with_worker(batches, max(2 * rounds, 8))
    medians = {key: 1e3 * statistics.median(seconds[key]) for key in seconds}
    counts = {"rounds": rounds, "dense_rounds": len(seconds["dense"])}
    return {
        **medians,
        **{key: statistics.median(figures[key]) for key in figures},
        **counts,
    }


def one_round(
    batches: Batches, number: int, quick: bool
) -> tuple[dict[str, float], dict[str, float]]:
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - start
        return result

    x, k = batches.others(), batches.k
    space, reference = batches.reference.batches, batches.reference
    joined = torch.cat([reference.anchors, x])
    timed(
        "graph_step_by_step",
        lambda: laplacian(affinity(knn_graph(joined, batches.num_neighbors))),
    )
    operator = timed("graph", lambda: batches.laplacian(x))
    symmetric = SymmetricOperator.from_laplacian(operator)
    warm = timed("warm", lambda: batches.warm_pairs(operator))
    start = space.extended(operator)
    root = operator.degree.sqrt().unsqueeze(1)
    with torch.no_grad():
        predicted = batches.layer.readout(*batches.layer.hidden_layers(joined)) * root
    predicted = torch.cat([predicted, start[:, k:]], dim=1)
    timed("predicted", lambda: eigenpairs(operator, k, batches.warm(), predicted, TOL))
    timed("cold", lambda: eigenpairs(operator, k, LOBPCG(), tol=TOL))
    residual = float(warm.residuals.max()) * symmetric.norm_bound
    cold = timed("scipy_lobpcg", lambda: scipy_lobpcg(symmetric, k, residual, number))
    # Two of the largest take a minute.
    few = 2 if batches.size == DENSE_UP_TO else 3
    if batches.size <= DENSE_UP_TO and (number < few or batches.size <= 1024):
        dense = symmetric.to_dense()
        timed("dense", lambda: torch.linalg.eigh(dense))
        timed("dense_part", lambda: Dense().solve(symmetric, k))
    batch = timed("targets", lambda: reference.targets(x))
    timed("gradient_step", lambda: batches.step(batch))
    timed("whole_step", lambda: batches.step(reference.targets(x)))
    orthonormal = torch.linalg.qr(warm.vectors).Q
    figures = {
        "start_error": angle(start[:, :k], orthonormal),
        "predicted_error": angle(predicted[:, :k], orthonormal),
        "residual": float(warm.residuals.max()),
        "scipy_residual": residual_of(symmetric, cold),
    }
    return seconds, figures


def angle(start: Tensor, exact: Tensor) -> float:
    return subspace_error(torch.linalg.qr(start.double()).Q, exact)


def residual_of(operator: SymmetricOperator, vectors: np.ndarray) -> float:
    """The largest relative residual of columns that span their own Ritz vectors."""
    block = torch.from_numpy(np.ascontiguousarray(vectors))
    pairs = operator.rayleigh_ritz(block, block.size(1), 1.0, 0, "")
    return float(pairs.residuals.max())


def scipy_lobpcg(
    operator: SymmetricOperator, k: int, tol: float, seed: int
) -> np.ndarray:
    block = np.random.default_rng(seed).standard_normal((operator.num_nodes, k))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says when it stops short, as it may
        _, vectors = scipy.sparse.linalg.lobpcg(
            operator.to_scipy(), block, tol=tol, maxiter=1000, largest=False
        )
    return vectors


def with_worker(batches: Batches, count: int) -> list[float]:
    """Seconds from batch to batch while one worker computes the targets."""
    loader = AnchorLoader(
        batches.x, batches.reference, batches.size, count + 4, num_workers=1
    )
    seconds = []
    last = time.perf_counter()
    for batch in loader:
        batches.step(batch)
        now = time.perf_counter()
        seconds.append(now - last)
        last = now
    return seconds[4:]  # the first wait for the worker to start


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "step_cost")

    def ratio(row: dict[str, Any], above: str, below: str) -> str | None:
        return f"{row[above] / row[below]:.2f}" if above in row else None

    def scipy_ratio(row: dict[str, Any]) -> str | None:
        stopped_short = row["scipy_residual"] > 2 * row["residual"]
        found = ratio(row, "scipy_lobpcg", "warm")
        return f"{found} (stopped short)" if stopped_short else found

    times = [
        {
            "set": row["set"],
            "m": row["m"],
            "graph": f"{row['graph']:.1f}",
            "warm": f"{row['warm']:.1f}",
            "targets": f"{row['targets']:.1f}",
            "step": f"{row['gradient_step']:.1f}",
            "targets / step": ratio(row, "targets", "gradient_step"),
            "whole / step": ratio(row, "whole_step", "gradient_step"),
            "with worker / step": ratio(row, "step_with_worker", "gradient_step"),
            "dense / warm": ratio(row, "dense", "warm"),
            "dense part / warm": ratio(row, "dense_part", "warm"),
            "SciPy LOBPCG / warm": scipy_ratio(row),
            "cold / warm": ratio(row, "cold", "warm"),
            "predicted / warm": ratio(row, "predicted", "warm"),
        }
        for row in results["parts"]
    ]
    errors = [
        {
            "set": row["set"],
            "m": row["m"],
            "batches": row["batches"],
            "largest error": f"{row['largest_error']:.1e}",
            "median error": f"{row['median_error']:.1e}",
            "unconverged": row["unconverged"],
            "not by LOBPCG": row["batches"] - row["solvers"].get("lobpcg", 0),
        }
        for row in results["against_dense"]
    ]
    parts, against = (markdown_table(rows, list(rows[0])) for rows in (times, errors))
    return {"step_cost": f"{parts}\n{against}"}


def draw(timed: list[dict[str, Any]]) -> Figure:
    names = list(dict.fromkeys(row["set"] for row in timed))
    figure = Figure(figsize=(5.5 * len(names), 4.5), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        draw_set(panel, [row for row in timed if row["set"] == name])
        panel.set_title(f"{name}: parts of a step")
    panels[0].set_ylabel("milliseconds, one core")
    panels[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_set(panel: Axes, rows: list[dict[str, Any]]) -> None:
    styles = {
        "dense": ("eigenpairs, dense", "s-", "0.3"),
        "scipy_lobpcg": ("eigenpairs, SciPy LOBPCG, cold", "D-", "0.6"),
        "cold": ("eigenpairs, ours, cold", "^-", "tab:orange"),
        "warm": ("eigenpairs, ours, warm", "o-", "tab:red"),
        "graph_step_by_step": ("graph, step by step", "v--", "tab:cyan"),
        "graph": ("graph, in one go", "o--", "tab:blue"),
        "gradient_step": ("gradient step", "o:", "tab:green"),
    }
    for key, (label, style, color) in styles.items():
        shown = [row for row in rows if key in row]
        sizes, times = [row["m"] for row in shown], [row[key] for row in shown]
        panel.plot(sizes, times, style, color=color, label=label, ms=5)
    sizes = [row["m"] for row in rows]
    panel.set(xscale="log", yscale="log", xlabel="nodes of a batch")
    panel.set_xticks(sizes, [str(size) for size in sizes])
    panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    panel.grid(alpha=0.3)
