from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from pyg_basis import BASiS
from pyg_basis.cli._points import Points
from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss


def embedding_picture(
    embedding: Points, labels: NDArray[Any] | None, axes: tuple[int, int]
) -> Figure:
    """Two columns of an embedding, counted from 1, coloured by labels.

    Raises:
        ValueError: If there are no such columns, a value is not finite, or labels of
            more than 20 classes are no numbers.
    """
    width = embedding.rows.shape[1]
    if not all(1 <= axis <= width for axis in axes):
        raise ValueError(
            f"--axes={axes[0]} {axes[1]} are not both among the {width} columns of "
            f"{str(embedding.path)!r}: choose two from 1 to {width}"
        )
    embedding.check_finite()
    figure = Figure((6.4, 4.8), layout="constrained")
    columns = [axis - 1 for axis in axes]
    plot_embedding(embedding.rows, labels, columns, ax=figure.subplots())
    return figure


def training_picture(basis: BASiS) -> Figure:
    """The loss of a model and its eigenvalues, side by side."""
    figure = Figure((10, 3.6), layout="constrained")
    loss, eigenvalues = figure.subplots(1, 2)
    plot_loss(basis.history_, ax=loss)
    plot_eigenvalues(basis.eigenvalues_, ax=eigenvalues)
    return figure
