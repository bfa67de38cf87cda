"""Diffusion maps that take new points: a circle of uneven density, a molecule, cells.

`circle`: 60,000 points of density 1 + .9 cos; the map of 10,000 new ones compared with
the eigenfunctions in closed form, which know nothing of the density.

`alanine`: frames of molecular dynamics, 45 distances each. Eight of ten trajectories
are learned, and the frames of the two others are embedded. The angle psi, which is not
among the features, says in which basin a frame is. The distance to exact diffusion maps
is taken at 10,000 frames of the eight that were not learned, and at 10,000 of the two
others, each in the graph of these frames.

`cells`: the 700 cells that come with scanpy, on scanpy's own graph.

The learned maps are compared with the exact diffusion map of 10,000 points, extended to
new ones by the Nystroem formula; with pydiffmap, which does that too, with a bandwidth
of its own; and with scanpy, which has no new points. The last two run in the Python
that `--peers-python` names. Where it has no such package, that is said. scikit-learn's
SpectralEmbedding has no new points either, and no alpha: on the circle it is measured
at the points of its own graph. Seconds are those of the processor.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import SpectralEmbedding
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_scipy_sparse_matrix

from benchmarks.data.alanine import load_alanine
from benchmarks.lib import diffusion_peers
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs, row_of
from benchmarks.lib.timed import timed
from pyg_basis import BASiS, DiffusionMap
from pyg_basis.datasets import circle_eigenfunctions
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.metrics import grassmann_distance
from pyg_basis.plot import plot_embedding
from pyg_basis.reference import ExactEmbedding
from pyg_basis.transforms import AddSpectralPE

# Of the neighbors of 10,000 points: so many, the median distance times this, reach far
# enough where points are sparse and have died away where they are dense.
CIRCLE_NEIGHBORS, CIRCLE_BANDWIDTH = 500, 0.5
# Degrees: the basin alpha_R of psi; the rest is beta.
ALPHA_R = (-120, 50)

Run = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    text = "a Python that has pydiffmap and scanpy (default: this one)"
    parser.add_argument("--peers-python", type=Path, default=sys.executable, help=text)


def main(options: argparse.Namespace) -> None:
    size = 600 if options.quick else 10_000
    runs: list[Run] = []
    for seed in range(options.seeds):
        runs += on_circle(size, seed, options)
    if options.data_root is None:
        print("without --data-root there is no alanine.npz: the molecule is left out")
    else:
        runs += on_alanine(size, options)
    cells = on_cells(options)
    settings = {
        "sample_size": size,
        "circle": {"n_neighbors": CIRCLE_NEIGHBORS, "bandwidth": CIRCLE_BANDWIDTH},
    }
    save(options, settings, {"runs": runs, "cells": cells})


# --- the circle


def uneven_circle(num_points: int, seed: int) -> Tensor:
    """Points `[n, 2]` of the unit circle, of density 1 + .9 cos."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 3 * num_points)
    is_kept = rng.uniform(0, 1.9, len(angle)) < 1 + 0.9 * np.cos(angle)
    angle = angle[is_kept][:num_points]
    return torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], axis=1)).float()


def on_circle(size: int, seed: int, options: argparse.Namespace) -> list[Run]:
    x, new = (uneven_circle(n, s) for n, s in ((6 * size, seed), (size, ~seed % 2**32)))
    num_neighbors = 30 if options.quick else CIRCLE_NEIGHBORS
    median = knn_graph(x[:size], num_neighbors).edge_distance.median()
    bandwidth = CIRCLE_BANDWIDTH * float(median)

    def figures(method: str, found: "Found", points: Tensor = new) -> Run:
        space = np.hstack([np.ones((len(points), 1)), found.rows])
        known = circle_eigenfunctions(points, 5)
        run = {
            "case": "circle",
            "method": method,
            "seed": seed,
            "grassmann_distance": grassmann_distance(space, known),
            **found.seconds,
        }
        if found.values is not None:
            ratios = np.asarray(found.values[:4]) / found.values[0]
            deviation = np.abs(ratios / [1, 1, 4, 4] - 1).max()
            run["eigenvalue_deviation"] = float(deviation)
        return run

    runs = []
    for alpha in (0.0, 0.5, 1.0):
        settings = {"bandwidth": bandwidth, "n_neighbors": num_neighbors}
        found = learned(x, new, seed, options.quick, alpha=alpha, **settings)
        runs.append(figures(f"DiffusionMap, alpha = {alpha:g}", found))
    found = learned(
        x, new, seed, options.quick, n_neighbors=num_neighbors, bandwidth="self_tuning"
    )
    runs.append(figures("DiffusionMap, alpha = 1, self-tuning", found))
    sample = x[torch.from_numpy(draw(len(x), size, seed))]
    found = nystroem(sample, new, 4, num_neighbors, bandwidth)
    runs.append(figures("Nyström, alpha = 1", found))
    found = spectral_embedding(sample, 4, num_neighbors, bandwidth)
    name = "SpectralEmbedding (scikit-learn), no alpha, at its own points"
    runs.append(figures(name, found, sample))
    for epsilon in ("bgh", bandwidth**2 / 2):  # its kernel is exp(-d^2 / 4 epsilon)
        name = "own bandwidth" if epsilon == "bgh" else "the same bandwidth"
        found = pydiffmap(sample, new, num_neighbors, epsilon, options)
        run = {"case": "circle", "method": f"pydiffmap, {name}", "seed": seed}
        runs.append(figures(run["method"], found) if found else {**run, "absent": True})
    for run in runs:
        print(run, flush=True)
    return runs


# --- the molecule


def on_alanine(size: int, options: argparse.Namespace) -> list[Run]:
    rest, new, psi = load_alanine(options.data_root)
    is_beta = (psi < ALPHA_R[0]) | (psi > ALPHA_R[1])
    runs, maps = [], []
    defaults = DiffusionMap(4)
    num_neighbors = 30 if options.quick else defaults.n_neighbors
    for seed in range(options.seeds):
        left_out = draw(len(rest), size, seed)
        others = np.setdiff1d(np.arange(len(rest)), left_out)
        taken, unseen = rest[torch.from_numpy(others)], rest[torch.from_numpy(left_out)]
        other = new[torch.from_numpy(draw(len(new), size, seed))]
        everything = torch.cat([new, unseen, other])
        exact = [exact_map(part, 4, num_neighbors) for part in (unseen, other)]
        sample = taken[torch.from_numpy(draw(len(taken), size, seed))]
        settings = {"n_neighbors": num_neighbors}
        found_by = {
            "DiffusionMap": learned(taken, everything, seed, options.quick, **settings),
            "Nyström": nystroem(sample, everything, 4, num_neighbors, "global"),
            "pydiffmap": pydiffmap(sample, everything, num_neighbors, "bgh", options),
        }
        for method, found in found_by.items():
            run = {"case": "alanine", "method": method, "seed": seed}
            if found is None:
                runs.append({**run, "absent": True})
                continue
            first = found.rows[: len(new), 0]
            area = roc_auc_score(is_beta, first)
            run |= {"auc": max(area, 1 - area), **found.seconds}
            if method != "pydiffmap":  # whose kernel is another
                parts = np.split(found.rows[len(new) :], [len(unseen)])
                for name, rows, (vectors, values) in zip(
                    ("unseen", "other"), parts, exact, strict=True
                ):
                    run[f"grassmann_distance_{name}"] = grassmann_distance(
                        rows, vectors
                    )
                    ratios = np.asarray(found.values[:4]) / values[:4]
                    run[f"eigenvalue_deviation_{name}"] = np.abs(ratios - 1).max()
            runs.append(run)
            print(run, flush=True)
        maps.append(found_by["DiffusionMap"].rows[: len(new)])
    if not options.quick:
        draw_alanine(options.output / "alanine.png", maps[0], psi)
    for run in runs:
        if run["method"] == "DiffusionMap":
            run["agreement"] = agreement(maps[0], maps[run["seed"]])
    return runs


def agreement(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The least correlation of a column with the same one of another seed."""
    pairs = zip(one.T, other.T, strict=True)
    return min(float(abs(np.corrcoef(a, b)[0, 1])) for a, b in pairs)


def draw_alanine(path: Path, rows: NDArray[Any], psi: NDArray[Any]) -> None:
    figure = Figure((9.6, 4.2), layout="constrained")
    for panel, columns in zip(figure.subplots(1, 2), ((0, 1), (0, 2)), strict=True):
        plot_embedding(rows, np.round(psi), columns, panel)
        panel.set(xlabel=f"coordinate {columns[0] + 1}", aspect="auto")
        panel.set_ylabel(f"coordinate {columns[1] + 1}")
    figure.suptitle("new frames of alanine dipeptide, by the angle psi in degrees")
    figure.savefig(path, dpi=110)


# --- cells


def on_cells(options: argparse.Namespace) -> Run:
    given = peer("scanpy", options, n_components=10)
    if given is None:
        return {"absent": True}
    edges = torch.from_numpy(given["edges"]).long()
    weight = torch.from_numpy(given["weight"])
    data = Data(torch.from_numpy(given["x"]).float(), edges, edge_weight=weight)
    encoding = AddSpectralPE(10, alpha=1.0, drop_first=False, tol=1e-9)(data.clone())
    values = encoding.spectral_pe_eigenvalues[0].numpy()
    exact = encoding.spectral_pe.double().numpy()
    run = {
        "version": str(given["version"]),
        "eigenvalue_difference": float(np.abs(1 - values - given["values"]).max()),
        "grassmann_distance_exact": grassmann_distance(exact, given["rows"]),
        "learned": [],
    }
    for k in (4, 9):
        for seed in range(options.seeds):
            max_iter = 5 if options.quick else 300
            basis = BASiS(
                k, alpha=1.0, laplacian="sym", max_iter=max_iter, random_state=seed
            )
            rows = basis.fit(data).transform(data)
            distance = grassmann_distance(rows, given["rows"][:, 1 : k + 1])
            run["learned"].append(
                {"k": k, "seed": seed, "grassmann_distance": distance}
            )
    print(run, flush=True)
    return run


# --- maps


class Found(NamedTuple):
    """The rows of new points, the Laplacian's eigenvalues without the trivial one where
    they are known, and how long it took."""

    rows: NDArray[Any]
    values: NDArray[Any] | None
    seconds: dict[str, float]


def learned(x: Tensor, new: Tensor, seed: int, quick: bool, **settings: Any) -> Found:
    model = DiffusionMap(4, diffusion_time=None, random_state=seed, **settings)
    if quick:
        model.set_params(batch_size=300, n_anchors=50, max_iter=5, reference_size=600)
    _, fit_seconds = timed(model.fit, x)
    rows, transform_seconds = timed(model.transform, new)
    seconds = {"fit_seconds": fit_seconds, "transform_seconds": transform_seconds}
    return Found(rows.numpy(), model.eigenvalues_, seconds)


def exact_map(
    x: Tensor, k: int, num_neighbors: int, bandwidth: Any = "global"
) -> tuple[NDArray[Any], NDArray[Any]]:
    embedding = ExactEmbedding(k, num_neighbors, bandwidth, alpha=1.0)
    found = embedding(x.double())
    return found.vectors.numpy(), found.values.numpy()


def nystroem(
    x: Tensor, new: Tensor, k: int, num_neighbors: int, bandwidth: Any
) -> Found:
    """The exact diffusion map of all points, extended to new ones: the mean of their
    neighbors' rows with the weights of the walk, over its eigenvalues."""
    start = time.process_time()
    graph = knn_graph(x.double(), num_neighbors)
    if bandwidth == "global":
        bandwidth = float(graph.edge_distance.median())
    vectors, values = exact_map(x, k, num_neighbors, bandwidth)
    fitted = time.process_time()
    search = NearestNeighbors(n_neighbors=num_neighbors).fit(x.numpy())
    # Densities of the points themselves, by which their weights are divided.
    density = np.exp(-((search.kneighbors()[0] / bandwidth) ** 2) / 2).sum(axis=1)
    distance, near = search.kneighbors(new.numpy())
    weight = np.exp(-((distance / bandwidth) ** 2) / 2) / density[near]
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.einsum("nk,nkj->nj", weight, vectors[near]) / (1 - values)
    seconds = {
        "fit_seconds": fitted - start,
        "transform_seconds": time.process_time() - fitted,
    }
    return Found(rows, values, seconds)


def spectral_embedding(
    x: Tensor, k: int, num_neighbors: int, bandwidth: float
) -> Found:
    """scikit-learn's, of the points themselves, with the same kernel."""
    start = time.process_time()
    graph = affinity(knn_graph(x.double(), num_neighbors), bandwidth)
    weights = to_scipy_sparse_matrix(graph.edge_index, graph.edge_weight, len(x))
    model = SpectralEmbedding(k, affinity="precomputed", random_state=0)
    rows = model.fit_transform(weights.tocsr())
    return Found(rows, None, {"fit_seconds": time.process_time() - start})


def pydiffmap(
    x: Tensor,
    new: Tensor,
    num_neighbors: int,
    epsilon: Any,
    options: argparse.Namespace,
) -> Found | None:
    given = {"train": x.numpy(), "test": new.numpy(), "epsilon": epsilon}
    found = peer(
        "pydiffmap", options, n_components=4, n_neighbors=num_neighbors, **given
    )
    if found is None:
        return None
    seconds = {name: float(found[name]) for name in found if name.endswith("seconds")}
    return Found(found["rows"], found["values"], seconds)


def peer(package: str, options: argparse.Namespace, **given: Any) -> Run | None:
    """What another package finds, or nothing where it is not there."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.npz", Path(name) / "out.npz"
        np.savez(source, **given)
        script = diffusion_peers.__file__
        command = [options.peers_python, script, package, source, target]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()[-1]
            print(f"{package}: {reason}", flush=True)
            if "ModuleNotFoundError" not in reason:
                raise RuntimeError(done.stderr)
            return None
        with np.load(target) as file:
            return dict(file)


def draw(num_points: int, size: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).choice(num_points, size, replace=False)


def tables(folder: Path) -> dict[str, str]:
    results = read_results(folder, "diffusion_maps")
    columns = {
        "circle": {
            "grassmann_distance": ("d_G to the closed form", 4, 1),
            "eigenvalue_deviation": ("eigenvalues off 1 : 1 : 4 : 4, %", 1, 100),
        },
        "alanine": {
            "auc": ("AUC of the first coordinate", 4, 1),
            "grassmann_distance_unseen": ("d_G, frames not learned", 3, 1),
            "eigenvalue_deviation_unseen": ("eigenvalues off, %", 1, 100),
            "grassmann_distance_other": ("d_G, other trajectories", 3, 1),
            "eigenvalue_deviation_other": ("eigenvalues off there, %", 1, 100),
            "agreement": ("least correlation between seeds", 4, 1),
        },
    }
    seconds = {
        "fit_seconds": ("fit, s", 1, 1),
        "transform_seconds": ("transform, s", 1, 1),
    }
    texts = {}
    for case, of_case in columns.items():
        some = [run for run in results["runs"] if run["case"] == case]
        rows = []
        for (method,), runs in grouped(some, "method").items():
            name = method + (" (absent)" if runs[0].get("absent") else "")
            rows.append({"method": name, **row_of(runs, of_case | seconds)})
        if rows:
            texts[f"diffusion_{case}"] = markdown_table(rows, list(rows[0]))
    cells = results["cells"]
    if not cells.get("absent"):
        rows = [
            {
                "": f"exact, compared with scanpy {cells['version']}",
                "d_G": f"{cells['grassmann_distance_exact']:.1e}",
                "eigenvalues off": f"{cells['eigenvalue_difference']:.1e}",
            }
        ]
        for (k,), runs in grouped(cells["learned"], "k").items():
            distance = over_runs(runs, "grassmann_distance", 4)
            rows.append({"": f"learned, K = {k}", "d_G": distance})
        texts["diffusion_cells"] = markdown_table(rows, list(rows[0]))
    return texts
