"""The pictures of choosing.md: `make docs` draws them into docs/pictures.

    python docs/parameter_pictures.py

draws them without the site. A picture is drawn again when this file or the package is
newer than it. The fits are small and short: all of them take less than a minute.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

import pyg_basis
from pyg_basis import BASiS, BASiSClustering, DiffusionMap
from pyg_basis.datasets import blobs, digits, sphere, spirals
from pyg_basis.plot import plot_eigenvalues, plot_embedding

FOLDER = Path(__file__).parent / "pictures"
# At a width of 700 pixels a point of the font is 1.4 pixels.
WIDTH, DPI, FONT_SIZE = 7.0, 200, 10


def panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(1, count, figsize=(WIDTH, height), layout="constrained")
    return figure, list(axes)


def eigengap() -> Figure:
    """Eigenvalues of a sphere and of five clusters, with the first gap marked."""
    figure, (left, right) = panels(2, 2.9)
    settings = {"reference_size": None, "batch_size": 1000, "random_state": 0}
    basis = BASiS(10, **settings).fit(sphere(5_000, seed=0))
    plot_eigenvalues(basis.eigenvalues_, left, num_components=3)
    left.set_title("Sphere: 3 eigenvalues, then a gap")
    basis = BASiS(7, **settings).fit(blobs(5_000, seed=0)[0])
    plot_eigenvalues(basis.eigenvalues_, right, num_components=4)
    right.set_title("Five clusters: 4, then a gap")
    for ax in (left, right):
        # The legend stands above the points.
        ax.set_ylim(0, 1.45 * ax.dataLim.y1)
    return figure


def few_neighbors() -> Figure:
    """Digits embedded with few neighbors and with enough."""
    images = digits()
    figure, axes = panels(2, 3.2)
    for ax, count in zip(axes, (5, 50), strict=True):
        settings = {"n_neighbors": count, "batch_size": 1000, "max_iter": 40}
        basis = BASiS(9, **settings, random_state=0).fit(images.x_train)
        plot_embedding(basis.transform(images.x_test), images.y_test, ax=ax)
        share = basis.quality_["disconnected_batches"]
        score = basis.score(images.x_test)
        ax.set_aspect("auto")
        ax.set_title(
            f"{count} neighbors: score {score:.2f},\n"
            f"{share:.0%} of the batches fall apart"
        )
    axes[0].get_legend().remove()
    axes[1].get_legend().set_title("digit")
    return figure


def many_neighbors() -> Figure:
    """Two spirals, clustered with few neighbors and with many."""
    points = spirals(3_000, seed=0)[0]
    figure, axes = panels(2, 2.7)
    for ax, count in zip(axes, (15, 150), strict=True):
        basis = BASiS(
            n_neighbors=count, reference_size=None, batch_size=500, max_iter=20
        )
        clustering = BASiSClustering(2, basis=basis, random_state=0).fit(points)
        plot_clusters(points, clustering.labels_, ax)
        ax.set_title(f"{count} neighbors in batches of 500")
    return figure


def bandwidth() -> Figure:
    """Clusters of unlike density, found with both kinds of bandwidth."""
    rng = np.random.default_rng(0)
    dense = [rng.normal((x, 0), 0.05, (500, 2)) for x in (-0.4, 0.4)]
    points = np.concatenate([*dense, rng.normal((0, 2.4), 0.7, (250, 2))])
    points = points.astype(np.float32)
    figure, axes = panels(2, 3.6)
    for ax, kind in zip(axes, ("self_tuning", "global"), strict=True):
        settings = {"reference_size": None, "batch_size": 400, "max_iter": 10}
        # Of graphs that nearly fall apart, other eigensolvers are slow.
        basis = BASiS(bandwidth=kind, n_neighbors=20, eigen_solver="dense", **settings)
        clustering = BASiSClustering(3, basis=basis, random_state=0).fit(points)
        plot_clusters(points, clustering.labels_, ax)
        ax.set_title(f'bandwidth="{kind}"')
    return figure


def diffusion() -> Figure:
    """A circle of uneven density for two alphas, and how columns fade with time."""
    points = uneven_circle(5_000)
    even = on_circle(np.linspace(0, 2 * np.pi, 24, endpoint=False))
    settings = {"n_neighbors": 150, "bandwidth": 0.1, "reference_size": None}
    settings |= {"batch_size": 1000, "max_iter": 20, "random_state": 0}
    figure, axes = panels(3, 2.7)
    for ax, alpha in zip(axes, (0, 1), strict=False):
        diffusion = DiffusionMap(6, alpha=alpha, **settings).fit(points)
        plot_embedding(diffusion.transform(points), ax=ax)
        x, y = diffusion.transform(even)[:, :2].T
        ax.plot(x, y, "o", color="#f28e2b", markersize=5)
        ax.set_title(f"alpha = {alpha}")
    times = np.geomspace(1, 10_000)
    walk = diffusion.transition_eigenvalues_
    for column, style in zip((0, 2, 4), ("-", "--", ":"), strict=True):
        label = f"{column + 1} and {column + 2}"
        shares = (walk[column] / walk[0]) ** times
        axes[2].plot(times, shares, style, color="#4269d0", linewidth=2, label=label)
    axes[2].set(
        title="columns, alpha = 1",
        xscale="log",
        xlabel="diffusion time",
        ylabel="share of column 1",
    )
    axes[2].spines[["top", "right"]].set_visible(False)
    axes[2].legend(frameon=False, loc="center right", handlelength=1.5)
    return figure


def plot_clusters(
    points: ArrayLike, labels: NDArray[np.integer[Any]], ax: Axes
) -> None:
    """Points of the plane by cluster, without a legend: the numbers mean nothing."""
    plot_embedding(points, labels, ax=ax)
    ax.get_legend().remove()
    ax.set(xlabel="", ylabel="")


def on_circle(angles: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def uneven_circle(num_points: int) -> NDArray[np.float32]:
    """Points of density 1 + 0.9 cos(angle)."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(-np.pi, np.pi, 4 * num_points)
    is_kept = rng.uniform(0, 1.9, len(angles)) < 1 + 0.9 * np.cos(angles)
    return on_circle(angles[is_kept][:num_points])


PICTURES: tuple[Callable[[], Figure], ...] = (
    eigengap,
    few_neighbors,
    many_neighbors,
    bandwidth,
    diffusion,
)


def draw_pictures() -> None:
    """Draw those that are missing, or older than this file or the package."""
    FOLDER.mkdir(exist_ok=True)
    package = Path(pyg_basis.__file__).parent
    sources = [Path(__file__), *package.rglob("*.py")]
    newest = max(source.stat().st_mtime for source in sources)
    for draw in PICTURES:
        path = FOLDER / f"{draw.__name__}.png"
        if path.exists() and path.stat().st_mtime > newest:
            continue
        with plt.rc_context({"font.size": FONT_SIZE}), warnings.catch_warnings():
            # The fits are short, and some are poor on purpose.
            warnings.simplefilter("ignore")
            figure = draw()
            figure.savefig(path, dpi=DPI)
        plt.close(figure)


if __name__ == "__main__":
    draw_pictures()
