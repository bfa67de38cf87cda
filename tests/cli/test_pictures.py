from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pyg_basis import BASiS
from pyg_basis.cli._pictures import embedding_picture, training_picture
from pyg_basis.cli._points import Points


@pytest.fixture
def embedding() -> Points:
    rows = np.random.default_rng(0).normal(size=(40, 4))
    return Points(Path("embedding.npy"), rows)


def test_embedding(embedding: Points) -> None:
    labels = np.arange(40) % 2
    (ax,) = embedding_picture(embedding, labels, (2, 4)).axes
    drawn = np.asarray(ax.collections[0].get_offsets())
    expected = embedding.rows[:, [1, 3]]
    assert sorted(drawn.tolist()) == sorted(expected.tolist())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eigenvector 2", "eigenvector 4")
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1"]
    assert embedding_picture(embedding, None, (1, 2)).axes[0].get_legend() is None
    assert plt.get_fignums() == []  # windows are none of a command line's business


@pytest.mark.parametrize("axes", [(0, 1), (1, 5), (-1, 1)])
def test_axes(embedding: Points, axes: tuple[int, int]) -> None:
    match = rf"--axes={axes[0]} {axes[1]} are not both among the 4 columns of 'embeddin"
    with pytest.raises(ValueError, match=match):
        embedding_picture(embedding, None, axes)


def test_not_finite(embedding: Points) -> None:
    embedding.rows[3, 2] = np.inf
    with pytest.raises(ValueError, match="row 3, column 2"):
        embedding_picture(embedding, None, (1, 2))


def test_training(fitted: BASiS) -> None:
    loss, eigenvalues = training_picture(fitted).axes
    assert np.array_equal(loss.lines[0].get_ydata(), fitted.history_["loss"])
    assert np.array_equal(eigenvalues.lines[0].get_ydata(), fitted.eigenvalues_)
    assert plt.get_fignums() == []
