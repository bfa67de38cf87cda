"""Pictures of embeddings, losses and eigenvalues."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss
from tests.fuzz.inputs import (
    FINITE,
    NOT_FINITE,
    arguments,
    arrays,
    either,
    labels,
    odd_arrays,
    odd_labels,
    one_of,
    rows,
)
from tests.fuzz.judge import Case


def drawing(plot: Callable[..., Any]) -> Callable[..., Any]:
    """The pixels of what a function draws."""

    def pixels(**given: Any) -> Any:
        figure = Figure((2, 2), dpi=20)
        ax = plot(**{"ax": figure.subplots(), **given})
        canvas = FigureCanvasAgg(ax.figure)
        canvas.draw()
        plt.close("all")
        return np.asarray(canvas.buffer_rgba()).copy()

    pixels.__name__ = plot.__name__
    return pixels


def cases() -> SearchStrategy[Case]:
    """Calls of all of them."""
    return either(_embeddings(), _losses(), _eigenvalues())


@st.composite
def _embeddings(draw: DrawFn) -> Case:
    n = st.just(draw(st.integers(1, 40)))
    width = st.integers(1, 4)
    good = {
        "embedding": arrays(n, width),
        "labels": labels(n) | st.none(),
        "columns": one_of((0, 1), (-1, 0), [1, 0], np.array([0, 1])),
        "max_points": one_of(1, 10, 10_000, np.int64(5)),
        "seed": one_of(0, 1),
        "ax": st.just(None),
    }
    odd_columns = one_of((0,), (0, 9), (0.5, 1), "ab", None, 3, (0, "1"), (True, 0))
    other = {
        "embedding": odd_arrays(n, width),
        "labels": odd_labels(n),
        "columns": odd_columns,
        "ax": one_of(None, 3, "ax"),
    }
    return Case(drawing(plot_embedding), draw(arguments(good, other)))


def _series() -> SearchStrategy[Any]:
    return rows(st.integers(1, 200), st.just(1)).map(lambda x: x.ravel())


def _odd_series() -> SearchStrategy[Any]:
    kinds = FINITE | NOT_FINITE
    other = rows(st.integers(0, 9), st.just(1), kinds).map(lambda x: x.ravel())
    return either(other, odd_arrays())


def _losses() -> SearchStrategy[Case]:
    series = either(_series(), _odd_series())
    fits = series.map(lambda loss: {"loss": loss, "rank": [1]})
    history = either(series, series, fits, one_of({"rank": [1]}, {}))
    return history.map(lambda some: Case(drawing(plot_loss), {"history": some}))


def _eigenvalues() -> SearchStrategy[Case]:
    good = {"values": _series(), "reference": _series() | st.none()}
    other = {"values": _odd_series(), "reference": _odd_series()}
    return arguments(good, other).map(
        lambda given: Case(drawing(plot_eigenvalues), given)
    )
