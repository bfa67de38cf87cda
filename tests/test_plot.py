import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss


@pytest.fixture(autouse=True)
def _closed_figures_same_settings(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("plt.show was called")

    monkeypatch.setattr(plt, "show", refuse)
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def embedding():
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def legend_texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_embedding_draws_the_named_columns(embedding):
    ax = plot_embedding(embedding, columns=(2, -1))
    drawn = np.asarray(ax.collections[0].get_offsets())
    expected = embedding[:, [2, 3]]
    np.testing.assert_allclose(
        drawn[np.argsort(drawn[:, 0])], expected[np.argsort(expected[:, 0])], rtol=1e-6
    )
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eigenvector 3", "eigenvector 4")
    assert legend_texts(ax) == []


def test_embedding_gives_each_class_one_color_whatever_is_drawn(embedding):
    labels = np.arange(60) % 3
    embedding[:, 0] = labels  # a drawn point shows its class
    colors = {}
    for max_points in (60, 20):
        ax = plot_embedding(embedding, labels, max_points=max_points)
        points = ax.collections[0]
        assert len(points.get_offsets()) == max_points
        for (label, _), color in zip(
            points.get_offsets(), points.get_facecolors(), strict=True
        ):
            colors.setdefault(label, set()).add(tuple(color[:3]))
    assert all(len(of_class) == 1 for of_class in colors.values())
    assert len({color for of_class in colors.values() for color in of_class}) == 3
    handles = ax.get_legend().legend_handles
    shown = [tuple(to_rgba(handle.get_color())[:3]) for handle in handles]
    assert shown == [next(iter(colors[label])) for label in (0, 1, 2)]


def test_embedding_draws_the_same_points_for_a_seed(embedding):
    first, again, other = (
        np.asarray(
            plot_embedding(embedding, max_points=20, seed=seed)
            .collections[0]
            .get_offsets()
        )
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        (np.array(["b", "a"] * 30), ["a", "b"]),
        (torch.arange(60) % 2, ["0", "1"]),
        (np.arange(60) % 2 * 1.0, ["0", "1"]),
        ([True, False] * 30, ["False", "True"]),
        (np.arange(60) % 20, [str(i) for i in range(20)]),
    ],
)
def test_embedding_names_the_classes(embedding, labels, texts):
    assert legend_texts(plot_embedding(embedding, labels)) == texts


def test_embedding_shows_many_numbers_on_a_scale(embedding):
    quantity = np.linspace(2.0, 5.0, 60)
    embedding[:, 0] = quantity
    ax = plot_embedding(embedding, quantity)
    assert legend_texts(ax) == []
    (scale,) = ax.child_axes
    assert scale.get_ylim() == (2.0, 5.0)
    offsets = np.asarray(ax.collections[0].get_offsets())
    lowest = ax.collections[0].get_facecolors()[offsets[:, 0].argmin()]
    np.testing.assert_allclose(lowest[:3], mpl.colormaps["viridis"](0.0)[:3])


def test_embedding_leaves_out_what_has_no_place_on_the_scale(embedding):
    quantity = np.linspace(2.0, 5.0, 60)
    quantity[3:5] = np.nan, np.inf
    ax = plot_embedding(embedding, quantity)
    (scale,) = ax.child_axes
    assert scale.get_ylim() == (2.0, 5.0)
    colors = ax.collections[0].get_facecolors()
    assert len(colors) == 60 and sum(not color[:3].any() for color in colors) == 1


def test_embedding_names_labels_of_mixed_types(embedding):
    labels = np.array([None, "a", 3] * 20, dtype=object)
    assert legend_texts(plot_embedding(embedding, labels)) == ["3", "None", "a"]


def test_pictures_go_into_the_given_axes(embedding):
    _, axes = plt.subplots(1, 3, sharex=True, sharey=True)
    open_figures = plt.get_fignums()
    assert plot_embedding(embedding, ax=axes[0]) is axes[0]
    assert plot_loss([1.0, 0.5], ax=axes[1]) is axes[1]
    assert plot_eigenvalues([0.0, 0.5], ax=axes[2]) is axes[2]
    assert plt.get_fignums() == open_figures
    axes[0].figure.canvas.draw()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_with_gradients_are_drawn(embedding, dtype):
    z = torch.from_numpy(embedding).to(dtype).requires_grad_()
    plot_embedding(z).figure.canvas.draw()
    plot_loss(z[:, 0].abs()).figure.canvas.draw()
    plot_eigenvalues(z[:, 0]).figure.canvas.draw()


def test_loss_has_a_logarithmic_scale_and_a_median_that_ignores_outliers():
    losses = np.full(200, 0.1)
    losses[::10] = 50.0
    ax = plot_loss({"loss": losses.tolist(), "learning_rate": [1e-3] * 200})
    raw, median = ax.lines
    np.testing.assert_array_equal(raw.get_xdata(), np.arange(1, 201))
    np.testing.assert_array_equal(raw.get_ydata(), losses)
    np.testing.assert_array_equal(median.get_ydata(), np.full(200, 0.1))
    assert ax.get_yscale() == "log"
    assert legend_texts(ax) == ["loss", "running median"]


def test_median_of_a_long_history_has_few_points():
    median = plot_loss(np.linspace(2.0, 1.0, 20_001)).lines[1]
    x, y = median.get_data()
    assert len(x) == 500
    assert (x[0], x[-1]) == (1, 20_001)
    inside = (x > 500) & (x < 19_500)  # where the window is not cut off
    np.testing.assert_allclose(y[inside], 2 - (x[inside] - 1) / 20_000, rtol=1e-9)


def test_losses_that_have_no_logarithm_leave_gaps():
    losses = np.array([1.0, 0.0, np.nan, np.inf, 0.5] * 30)
    losses[60:90] = np.nan  # a whole window
    ax = plot_loss(losses)
    shown = ax.lines[0].get_ydata()
    np.testing.assert_array_equal(np.isfinite(shown), np.isin(losses, [1.0, 0.5]))
    ax.figure.canvas.draw()


def test_short_histories_have_no_median():
    assert len(plot_loss([0.3]).lines) == 1


def test_eigenvalues_stand_next_to_their_reference():
    values, reference = [0.0, 0.1, 0.9], np.array([0.0, 0.2, 0.8, 0.95])
    ax = plot_eigenvalues(values, reference=reference)
    left, right = ax.lines
    np.testing.assert_array_equal(left.get_ydata(), values)
    np.testing.assert_array_equal(right.get_ydata(), reference)
    np.testing.assert_allclose(left.get_xdata() + right.get_xdata()[:3], [2, 4, 6])
    assert (left.get_xdata() < right.get_xdata()[:3]).all()
    assert legend_texts(ax) == ["eigenvalues", "reference"]


def test_the_gap_after_the_components_is_a_band():
    ax = plot_eigenvalues([0.0, 0.1, 0.9, 1.0], num_components=2)
    (band,) = ax.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == (0.1, 0.9)
    assert legend_texts(ax) == ["eigenvalues", "gap after 2: 0.8"]


def test_eigenvalues_alone_stand_at_their_index():
    ax = plot_eigenvalues(torch.tensor([0.0, 0.5]))
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2])
    assert legend_texts(ax) == []


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_embedding(np.ones(5)), r"embedding must have the shape.*\[5\]"),
        (lambda: plot_embedding(np.ones((5, 1))), r"embedding must .*\[5, 1\]"),
        (lambda: plot_embedding(np.ones((0, 2))), r"embedding must .*\[0, 2\]"),
        (
            lambda: plot_embedding(np.ones((5, 2)), columns=(0, 2)),
            r"columns must be two of the 2 columns .*\(0, 2\)",
        ),
        (lambda: plot_embedding(np.ones((5, 2)), columns=(0, 1, 1)), "columns must"),
        (lambda: plot_embedding(np.ones((5, 2)), np.ones(4)), r"labels must .*\[4\]"),
        (
            lambda: plot_embedding(np.ones((30, 2)), [f"class {i}" for i in range(30)]),
            "labels must be of at most 20 classes.*got 30",
        ),
        (lambda: plot_embedding(np.ones((5, 2)), max_points=0), "max_points.*Got 0"),
        (lambda: plot_embedding(np.ones((5, 2)), max_points=2.5), "max_points.*2.5"),
        (lambda: plot_embedding(np.ones((5, 2)), columns=1), "columns must .*got 1"),
        (lambda: plot_embedding(np.ones((5, 2)), columns=(0, 0.5)), "columns must"),
        (lambda: plot_embedding(np.ones((5, 2)), seed=None), "seed.*Got None"),
        (lambda: plot_embedding(np.ones((5, 2)), seed=-1), "seed.*Got -1"),
        (lambda: plot_embedding(np.ones((5, 2)), ax="ax"), "ax.*Axes.*Got 'ax'"),
        (lambda: plot_loss([1.0], ax="ax"), "ax.*Axes.*Got 'ax'"),
        (lambda: plot_eigenvalues([1.0], ax="ax"), "ax.*Axes.*Got 'ax'"),
        (lambda: plot_embedding([[0.0, -1e308]]), "embedding must be at most 1e.300"),
        (lambda: plot_loss([1.0, 1e308]), "history must be at most 1e.300"),
        (
            lambda: plot_eigenvalues([0, 1], num_components=2),
            "num_components=2 must be from 1 to 1, .*2 values",
        ),
        (lambda: plot_eigenvalues([0, 1], num_components=0), "from 1 to 1"),
        (lambda: plot_eigenvalues([1e308]), "values must be at most 1e.300"),
        (lambda: plot_embedding([["a", "b"]]), "embedding must hold real numbers"),
        (lambda: plot_embedding(np.ones((5, 2), complex)), "embedding .*complex128"),
        (
            lambda: plot_embedding(torch.ones(5, 2, device="meta")),
            "embedding cannot be read",
        ),
        (lambda: plot_loss(["low"]), "history must hold real numbers"),
        (lambda: plot_loss({3: [1.0], "x": [1.0]}), "'loss'.*3, 'x'"),
        (lambda: plot_eigenvalues([[1.0], [1.0, 2.0]]), "values cannot be read"),
        (lambda: plot_loss([]), "history must"),
        (lambda: plot_loss([0.0, -1.0]), "history must .*0 positive"),
        (lambda: plot_loss(np.ones((3, 2))), r"history must .*\[3, 2\]"),
        (lambda: plot_loss({"learning_rate": [1.0]}), "'loss'.*learning_rate"),
        (lambda: plot_eigenvalues([]), r"values must be one row.*\[0\]"),
        (lambda: plot_eigenvalues(np.ones((2, 2))), r"values must .*\[2, 2\]"),
        (
            lambda: plot_eigenvalues([0.0], reference=[0.0, np.nan]),
            "reference must .*1 values not finite",
        ),
    ],
)
def test_bad_input_is_named_before_a_figure_is_made(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
    assert plt.get_fignums() == []


def test_importing_the_package_does_not_import_the_plots():
    code = "import sys, pyg_basis; sys.exit('pyg_basis.plot' in sys.modules)"
    root = Path(__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert run.returncode == 0
