"""The picture of a learned embedding and of the exact one."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from pyg_basis import BASiS
from pyg_basis.align import fit_affine
from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss


def draw(
    path: Path,
    labels: Tensor,
    basis: BASiS,
    embedding: Tensor,
    exact: Tensor,
    eigenvalues: Tensor,
) -> None:
    """Learned and exact embedding of the test part, in one basis; loss;
    eigenvalues that were read out, and those of the test graph."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    panels = figure.subplots(2, 2)
    # One linear map for both, which sends the classes' centers to the corners of
    # a polygon: ten columns cannot be seen otherwise.
    plane = display_map(embedding, labels.numpy())
    aligned = fit_affine(exact, embedding).apply(exact)
    for panel, rows, title in (
        (panels[0, 0], embedding, "BASiS: each new point by itself"),
        (panels[0, 1], aligned, "exact eigenvectors of all new points, aligned"),
    ):
        plot_embedding(rows @ plane, labels, ax=panel)
        panel.set(title=title, xlabel="", ylabel="")
    plot_loss(basis.history_, ax=panels[1, 0])
    panels[1, 0].set_title("loss")
    plot_eigenvalues(basis.eigenvalues_, ax=panels[1, 1], reference=eigenvalues)
    handles, _ = panels[1, 1].get_legend_handles_labels()
    names = ["read out", "graph of all new points"]
    panels[1, 1].legend(handles, names, frameon=False)
    panels[1, 1].set_title("eigenvalues")
    figure.savefig(path, dpi=100)


def display_map(rows: Tensor, clusters: NDArray[np.int32]) -> Tensor:
    """A linear map `[K, 2]` to the page: none for K = 2; for more columns the one
    that puts the clusters' centers on the corners of a regular polygon."""
    num_columns = rows.size(1)
    if num_columns == 2:
        return torch.eye(2)
    angle = 2 * torch.pi * (torch.arange(num_columns) / num_columns + 0.25)
    corners = torch.stack([angle.cos(), angle.sin()], dim=1)
    centers = [rows[clusters == cluster].mean(dim=0) for cluster in range(num_columns)]
    return torch.linalg.lstsq(torch.stack(centers), corners).solution
