"""Fig. 5: snapshots of a toy bunny on a rotating plate, embedded into the plane.

2,000 pictures of 288,000 values in a memory-mapped file, 20 neighbors, two coordinates:
BASiS learns from 1,500 of them, by the raw pixels, and embeds the other 500. In each
seed's process the time of fit and transform is measured, and the peak of memory. The
random walk's eigenvectors are the diffusion map but for a factor for each column, which
neither d_G nor the angle depends on.

What is asked: d_G of the test frames to (cos t, sin t), and how well their rows give
the angle t. BASiS is compared with the exact eigenvectors of all frames and of the
training frames; with what extends the latter to the test frames, the Nyström formula
and kernel ridge regression with the best of 15 settings in cross-validation on the
training frames; and with the first two principal components. They need nothing but
distances, and get the coordinates of all frames along all principal axes, which have
the same ones.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from torch import Tensor

from benchmarks.baselines import NystroemEmbedding
from benchmarks.data.turntable import Turntable, turntable
from benchmarks.lib.alone import run_alone
from benchmarks.lib.exact import exact_space
from benchmarks.lib.own_memory import OwnMemory
from benchmarks.lib.record import read_results, save
from benchmarks.lib.tables import grouped, markdown_table, over_runs
from pyg_basis import BASiS
from pyg_basis.align import fit_affine
from pyg_basis.metrics import grassmann_distance

NUM_NEIGHBORS = 20
BLOCK_COLUMNS = 4096
NUM_SHOWN = 12  # snapshots in the picture
COLORS = mpl.colormaps["hsv"]

Run = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scratch", type=Path, help="folder of the mapped file, 2.3 GB"
    )


def main(options: argparse.Namespace) -> None:
    quick = options.quick
    settings = {
        "num_frames": 300 if quick else 2000,
        "num_train": 225 if quick else 1500,
        "height": 48 if quick else 240,
        "width": 80 if quick else 400,
        "n_neighbors": NUM_NEIGHBORS,
        "n_anchors": 50 if quick else 250,
        "max_iter": 10 if quick else 300,
    }
    frames = turntable(
        settings["num_frames"], settings["height"], settings["width"], seed=0
    )
    runs: list[Run] = []
    maps: dict[str, Tensor] = {}  # of the first seed, to be drawn
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        path = Path(folder) / "turntable.npy"
        start = time.perf_counter()
        frames.save(path)
        settings["seconds_to_render"] = time.perf_counter() - start
        for seed in range(options.seeds):
            run = run_alone(basis, path, settings, seed)
            rows = torch.tensor(run.pop("rows"))
            maps.setdefault("BASiS", rows)
            measured = {**run, **figures(rows, frames, settings)}
            runs.append({"method": "BASiS", "seed": seed, **measured})
            print(runs[-1], flush=True)
        x = principal_coordinates(np.load(path, mmap_mode="r"))
    for method, rows in rivals(x, settings["num_train"]).items():
        maps[method] = rows
        runs.append({"method": method, "seed": 0, **figures(rows, frames, settings)})
        print(runs[-1], flush=True)
    save(options, settings, {"runs": runs})
    figure = draw(frames, maps, settings["num_train"])
    figure.savefig(options.output / "turntable.png", dpi=110)


def basis(path: str, settings: Run, seed: int) -> Run:
    """One fit, in this process."""
    x = np.load(path, mmap_mode="r")
    num_train = settings["num_train"]
    model = BASiS(
        2,
        n_neighbors=settings["n_neighbors"],
        n_anchors=settings["n_anchors"],
        batch_size=min(2048, num_train),
        max_iter=settings["max_iter"],
        laplacian="rw",
        drop_first=True,
        random_state=seed,
    )
    with OwnMemory() as memory:
        start = time.perf_counter()
        model.fit(x[:num_train])
        fitted = time.perf_counter()
        rows = model.transform(x)
        stop = time.perf_counter()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": rows.tolist(),
        "fit_seconds": fitted - start,
        "transform_seconds": stop - fitted,
        "own_memory": memory.peak,
        "resident_memory": resident,  # pages of the mapped file too
        "iterations": model.n_iter_,
    }


def principal_coordinates(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Points along all of their principal axes, `[n, n]`: the same distances in fewer
    columns. Of `x [n, d]` some columns are read at a time."""
    gram = np.zeros((len(x), len(x)))
    for start in range(0, x.shape[1], BLOCK_COLUMNS):
        block = x[:, start : start + BLOCK_COLUMNS].astype(np.float64)
        block -= block.mean(axis=0)
        gram += block @ block.T
    values, vectors = np.linalg.eigh(gram)
    return vectors[:, ::-1] * np.sqrt(values[::-1].clip(min=0))


def rivals(x: NDArray[np.float64], num_train: int) -> dict[str, Tensor]:
    """Rows of all points by other methods, those of the training points first."""
    train, test = x[:num_train], x[num_train:]
    space = exact_space(3, NUM_NEIGHBORS, "rw")  # the trivial eigenvector is dropped
    plane = PCA(2, svd_solver="full").fit(train)
    rows = {
        "exact, all frames": space(torch.from_numpy(x)).vectors[:, 1:],
        "principal components": torch.from_numpy(plane.transform(x)),
    }
    exact = space(torch.from_numpy(train)).vectors[:, 1:]
    nystroem = NystroemEmbedding(
        3, n_neighbors=NUM_NEIGHBORS, laplacian="rw", random_state=0
    )
    extended = nystroem.fit(train).transform(test)[:, 1:]
    rows["exact of training frames, Nyström"] = torch.cat(
        [nystroem.embedding_[:, 1:], extended]
    )
    nearest = np.sort(np.linalg.norm(train[:100, None] - train[None, :100], axis=2))
    scale = np.median(nearest[:, 1:]) ** -2
    search = GridSearchCV(
        KernelRidge(kernel="rbf"),
        {"gamma": scale * 4.0 ** np.arange(-2, 3), "alpha": [1e-6, 1e-4, 1e-2]},
        scoring="neg_mean_squared_error",
    )
    regression = search.fit(train, exact.numpy())
    rows["exact of training frames, kernel ridge"] = torch.cat(
        [exact, torch.from_numpy(regression.predict(test))]
    )
    return rows


def figures(rows: Tensor, frames: Turntable, settings: Run) -> Run:
    """How close rows of all frames come to the analytic map, among the training frames
    and among the test frames."""
    analytic = analytic_map(frames)
    num_train, found = settings["num_train"], {}
    parts = {"train": slice(num_train), "test": slice(num_train, None)}
    for name, part in parts.items():
        at = rows[part].double()
        angle = torch.atan2(at[:, 1], at[:, 0])
        found[f"distance_{name}"] = grassmann_distance(at, analytic[part])
        found[f"correlation_{name}"] = circular_correlation(angle, frames.angles[part])
    return found


def analytic_map(frames: Turntable) -> Tensor:
    """The first two eigenfunctions of the circle, of mean square 1."""
    angles = frames.angles
    return 2**0.5 * torch.stack([angles.cos(), angles.sin()], dim=1)


def circular_correlation(one: Tensor, other: Tensor) -> float:
    """Of two angles of the same points: 1 where they are the same but for a rotation or
    a reflection (Fisher and Lee, A correlation coefficient for circular data,
    Biometrika 1983)."""
    first, second = (torch.sin(angle[:, None] - angle) for angle in (one, other))
    return abs(float((first * second).sum() / (first.norm() * second.norm())))


def tables(folder: Path) -> dict[str, str]:
    runs = read_results(folder, "turntable")["runs"]
    rows = [
        {
            "Method": method,
            "d_G, test frames": over_runs(group, "distance_test", 5),
            "Angle, test frames": over_runs(group, "correlation_test", 5),
            "d_G, training frames": over_runs(group, "distance_train", 5),
            "Angle, training frames": over_runs(group, "correlation_train", 5),
            "Fit, s": over_runs(group, "fit_seconds", 0),
            "Transform, s": over_runs(group, "transform_seconds", 0),
            "Own memory, MiB": over_runs(group, "own_memory", 0),
            "With the file, MiB": over_runs(group, "resident_memory", 0),
        }
        for (method,), group in grouped(runs, "method").items()
    ]
    return {"turntable": markdown_table(rows, list(rows[0]))}


def draw(frames: Turntable, maps: dict[str, Tensor], num_train: int) -> Figure:
    """Fig. 5: snapshots, the exact map, and the learned one of both parts. Maps are
    turned to where the snapshots stand."""
    analytic = analytic_map(frames)
    exact, learned = (
        fit_affine(rows, analytic, "orthogonal").apply(rows)
        for rows in (maps[name].double() for name in ("exact, all frames", "BASiS"))
    )
    figure = Figure(figsize=(11.5, 11), layout="constrained")
    axes = figure.subplots(2, 2)
    draw_snapshots(axes[0, 0], frames)
    train, test = slice(num_train), slice(num_train, None)
    panels = {
        f"exact map of all {len(frames):,} snapshots": (exact, slice(None)),
        f"learned map, {num_train:,} training snapshots": (learned, train),
        f"learned map, {len(frames) - num_train:,} test snapshots": (learned, test),
    }
    for panel, (title, (rows, part)) in zip(axes.flat[1:], panels.items(), strict=True):
        colors = COLORS(frames.angles[part].numpy() / (2 * np.pi))
        panel.scatter(*rows[part].T, c=colors, s=14, linewidths=0)
        panel.set(title=title, aspect="equal", xticks=[], yticks=[])
        panel.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8))
    return figure


def draw_snapshots(panel: Axes, frames: Turntable) -> None:
    """Snapshots around a circle, framed in the color of their angle."""
    angles = 2 * np.pi * np.arange(NUM_SHOWN) / NUM_SHOWN
    shown = Turntable(angles, frames.height, frames.width)
    for angle, frame in zip(angles, shown, strict=True):
        picture = frame.view(frames.height, frames.width, 3).numpy()
        middle = slice(frames.width // 8, -frames.width // 8)
        box = AnnotationBbox(
            OffsetImage(picture[:, middle], zoom=90 / frames.width),
            (np.cos(angle), np.sin(angle)),
            pad=0.15,
            bboxprops={"edgecolor": COLORS(angle / (2 * np.pi)), "linewidth": 3},
        )
        panel.add_artist(box)
    panel.set(title="snapshots, by the angle of the plate", aspect="equal")
    panel.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), xticks=[], yticks=[])
