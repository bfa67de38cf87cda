r"""Plots of an embedding, its training and its eigenvalues.

Every function draws into the given Axes, or those of a new figure, and returns them. No
figure is shown, and matplotlib's settings do not change.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pyg_basis._constraints import SEED, at_least, check_arguments
from pyg_basis._to_numpy import ArrayLike, to_numpy

# Ten hues that remain distinct when thin and semitransparent.
_TEN_COLORS = (
    *("#4269d0", "#efb118", "#ff725c", "#17a2a2", "#3ca951"),
    *("#e377c2", "#8e4fe0", "#7fb2f0", "#8c5a3c", "#8a8f98"),
)
_MAX_CLASSES = 20
# Beyond this, matplotlib's margins and ticks overflow.
_LARGEST = 1e300
_CONSTRAINTS: dict[str, list[Any]] = {
    "ax": [Axes, None],
    "max_points": [at_least(1)],
    "seed": [SEED],
}
_BLUE, _ORANGE, _GREY = _TEN_COLORS[0], "#f28e2b", "#b8bcc4"


def plot_embedding(
    embedding: ArrayLike,
    labels: ArrayLike | None = None,
    columns: Sequence[int] = (0, 1),
    ax: Axes | None = None,
    max_points: int = 10_000,
    seed: int = 0,
) -> Axes:
    r"""Scatter plot of two columns of an embedding, with equal scales.

    Args:
        embedding (array-like): Embedding, :obj:`[n, K]`, K at least 2.
        labels (array-like, optional): Labels, :obj:`[n]`. Up to 20 distinct ones are
            classes, with a legend. More must be numbers: a quantity, with a color bar.
            (default: :obj:`None`)
        columns (sequence of int, optional): The two columns to draw; negative ones
            count from the last. (default: :obj:`(0, 1)`)
        ax (matplotlib.axes.Axes, optional): Axes to draw into; by default those of a
            new figure. (default: :obj:`None`)
        max_points (int, optional): Maximum number of points to draw, chosen at random.
            (default: :obj:`10_000`)
        seed (int, optional): Seed of this choice and of the drawing order.
            (default: :obj:`0`)

    Raises:
        ValueError: If a shape or parameter is invalid, labels of more than 20 classes
            are not numbers, or a point lies beyond 1e300.
    """
    check_arguments(
        _CONSTRAINTS, "plot_embedding", ax=ax, max_points=max_points, seed=seed
    )
    points = _numbers(embedding, "embedding")
    if points.ndim != 2 or len(points) == 0 or points.shape[1] < 2:
        raise ValueError(
            f"embedding must have the shape [n, K] with n >= 1 and K >= 2, got "
            f"{list(points.shape)}; plot_embedding draws two of its columns."
        )
    width = points.shape[1]
    drawn_columns = [int(c) for c in np.ravel(columns) if c in range(-width, width)]
    if np.size(columns) != 2 or len(drawn_columns) != 2:
        raise ValueError(
            f"columns must be two of the {width} columns of embedding, got {columns}; "
            f"pass for example (0, 1)."
        )
    # Colors come from all labels, so they do not depend on the points drawn.
    colors, key = _point_colors(labels, len(points))
    # In random order, no class covers all others.
    drawn = np.random.default_rng(seed).permutation(len(points))[:max_points]
    x, y = _floats(points[drawn][:, drawn_columns], "embedding").T
    ax = _new_axes((5.4, 4.6)) if ax is None else ax
    ax.scatter(
        x,
        y,
        s=float(np.clip(12_000 / len(drawn), 4, 28)),
        c=colors[drawn],
        alpha=float(np.clip(25 / np.sqrt(len(drawn)), 0.35, 0.85)),
        linewidths=0,
        # Rasterized even in vector files: 10,000 circles in one are slow to open.
        rasterized=True,
    )
    if isinstance(key, ScalarMappable):
        # An inset follows the Axes, whose box changes with the equal scales.
        bar = ax.figure.colorbar(key, cax=ax.inset_axes((1.04, 0.1, 0.03, 0.8)))
        bar.outline.set_visible(False)
    elif key:
        # Separate markers: the points are too small and pale to show their colors.
        markers = [
            Line2D([], [], color=color, label=text, ls="", marker="o")
            for text, color in key.items()
        ]
        ax.legend(
            handles=markers,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            ncols=1 if len(key) <= 10 else 2,
        )
    ax.set_aspect("equal")
    ax.locator_params(nbins=5)
    xlabel, ylabel = (f"eigenvector {c % width + 1}" for c in drawn_columns)
    return _finish(ax, xlabel, ylabel)


def plot_loss(
    history: Mapping[str, ArrayLike] | ArrayLike, ax: Axes | None = None
) -> Axes:
    r"""The training loss on a logarithmic scale, with its running median.

    Args:
        history (array-like or dict): The loss of each iteration, or the
            :obj:`history_` of :class:`~pyg_basis.BASiS`. Losses that are not positive
            and finite leave gaps.
        ax (matplotlib.axes.Axes, optional): Axes to draw into; by default those of a
            new figure. (default: :obj:`None`)

    Raises:
        ValueError: If there is no positive loss, one is beyond 1e300, the losses are
            not one-dimensional, or :obj:`ax` is not an Axes.
    """
    check_arguments(_CONSTRAINTS, "plot_loss", ax=ax)
    if isinstance(history, Mapping):
        if "loss" not in history:
            raise ValueError(f"history must have 'loss', got {list(history)}.")
        history = history["loss"]
    losses = _floats(_numbers(history, "history"), "history")
    losses = np.where(np.isfinite(losses) & (losses > 0), losses, np.nan)
    if losses.ndim != 1 or np.isnan(losses).all():
        raise ValueError(
            f"history must be one row of losses, some of them positive, got the shape "
            f"{list(losses.shape)} with {(losses > 0).sum()} positive values."
        )
    ax = _new_axes((5.4, 3.4)) if ax is None else ax
    marker = "o" if len(losses) == 1 else None  # a line of one point is invisible
    x = np.arange(len(losses)) + 1
    ax.plot(x, losses, color=_GREY, linewidth=0.8, marker=marker, label="loss")
    if half := len(losses) // 50:
        # A limited number of centers for long histories; at the ends, the window is
        # truncated.
        centers = np.linspace(0, len(losses) - 1, min(len(losses), 500)).astype(int)
        windows = [losses[max(0, c - half) : c + half + 1] for c in centers]
        medians = [np.median(w[w > 0]) if (w > 0).any() else np.nan for w in windows]
        ax.plot(x[centers], medians, color=_BLUE, linewidth=2, label="running median")
        ax.legend(frameon=False)
    ax.set_yscale("log")
    return _finish(ax, "iteration", "loss", grid=True)


def plot_eigenvalues(
    values: ArrayLike,
    ax: Axes | None = None,
    reference: ArrayLike | None = None,
    num_components: int | None = None,
) -> Axes:
    r"""Eigenvalues in ascending order as a stem plot, which shows their gaps.

    Args:
        values (array-like): Eigenvalues, :obj:`[k]`.
        ax (matplotlib.axes.Axes, optional): Axes to draw into; by default those of a
            new figure. (default: :obj:`None`)
        reference (array-like, optional): Other eigenvalues, such as those of the exact
            graph, drawn next to the first ones; their number may differ.
            (default: :obj:`None`)
        num_components (int, optional): Number of eigenvalues of an embedding: the gap
            after the last of them is drawn as a band, with its size.
            (default: :obj:`None`)

    Raises:
        ValueError: If a series is empty, not one-dimensional, not finite or beyond
            1e300, :obj:`ax` is not an Axes, or no eigenvalue follows the first
            :obj:`num_components`.
    """
    check_arguments(_CONSTRAINTS, "plot_eigenvalues", ax=ax)
    shift = 0.0 if reference is None else 0.13
    series = [(-shift, "eigenvalues", _one_row(values, "values"), _BLUE, "o")]
    if reference is not None:
        others = _one_row(reference, "reference")
        series.append((shift, "reference", others, _ORANGE, "D"))
    if num_components is not None:
        most = len(series[0][2]) - 1
        if num_components not in range(1, most + 1):
            raise ValueError(
                f"num_components={num_components!r} must be from 1 to {most}, so that "
                f"one of the {most + 1} values follows: pass more values."
            )
    ax = _new_axes((5.4, 3.4)) if ax is None else ax
    for offset, name, heights, color, marker in series:
        x = np.arange(1, len(heights) + 1) + offset
        ax.vlines(x, 0, heights, color=color, linewidth=1.6, alpha=0.35)
        ax.plot(x, heights, marker, color=color, markersize=5.5, label=name)
    if num_components is not None:
        below, above = series[0][2][num_components - 1 : num_components + 1]
        text = f"gap after {num_components}: {above - below:.2g}"
        ax.axhspan(below, above, color=_BLUE, alpha=0.12, linewidth=0, label=text)
    if reference is not None or num_components is not None:
        ax.legend(frameon=False, loc="upper left")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    return _finish(ax, "index", "eigenvalue", grid=True)


def _numbers(values: ArrayLike, name: str) -> NDArray[Any]:
    array = to_numpy(values, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got {array.dtype}.")
    return array


def _floats(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    floats = values.astype(np.float64)
    if (np.isfinite(floats) & (np.abs(floats) > _LARGEST)).any():
        raise ValueError(f"{name} must be at most {_LARGEST:g} in size to be drawn.")
    return floats


def _one_row(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = _floats(_numbers(values, name), name)
    num_bad = (~np.isfinite(array)).sum()
    if array.ndim != 1 or not len(array) or num_bad:
        raise ValueError(
            f"{name} must be one row [K] of finite eigenvalues, got the shape "
            f"{list(array.shape)} with {num_bad} values not finite."
        )
    return array


def _point_colors(
    labels: ArrayLike | None, num_points: int
) -> tuple[NDArray[np.float64], ScalarMappable | dict[str, Any]]:
    r"""Returns colors :obj:`[n, 4]`, and their key: a color scale or class colors."""
    if labels is None:
        return np.tile(to_rgba_array(_BLUE), (num_points, 1)), {}
    names = to_numpy(labels, "labels")
    if names.dtype == object:
        names = names.astype(str)
    if names.shape != (num_points,):
        raise ValueError(
            f"labels must be one a row of embedding, [{num_points}], got the shape "
            f"{list(names.shape)}."
        )
    classes, codes = np.unique(names, return_inverse=True)
    if len(classes) <= _MAX_CLASSES:
        hues = _TEN_COLORS if len(classes) <= 10 else colormaps["tab20"](range(20))
        palette = to_rgba_array(hues)
        # Integer labels given as floats read 0, 1, 2 rather than 0.0, 1.0, 2.0.
        texts = [str(label).removesuffix(".0") for label in classes]
        return palette[codes], dict(zip(texts, palette, strict=False))
    if names.dtype.kind not in "fiu":
        raise ValueError(
            f"labels must be of at most {_MAX_CLASSES} classes, or numbers, got "
            f"{len(classes)} classes of type {names.dtype}; merge some classes."
        )
    finite = classes[np.isfinite(classes)]
    scale = ScalarMappable(Normalize(finite[0], finite[-1]), "viridis")
    return scale.to_rgba(names.astype(np.float64)), scale


def _new_axes(size: tuple[float, float]) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1]


def _finish(ax: Axes, xlabel: str, ylabel: str, grid: bool = False) -> Axes:
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_GREY)
    ax.tick_params(color=_GREY)
    if grid:
        ax.set_axisbelow(True)
        ax.grid(axis="y", color="#e6e8ec", linewidth=0.8)
    return ax
