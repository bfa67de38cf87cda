"""Spectral embeddings by hand, by dense matrices."""

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from pyg_basis.reference import ExactEmbedding

KINDS = ["sym", "rw", "comb"]
# Every kind of columns that an embedding may have.
SPACES = [
    ExactEmbedding(4, 10, laplacian=kind, drop_first=drop_first)
    for kind in KINDS
    for drop_first in (False, True)
]


def cloud(n: int, seed: int = 0) -> Tensor:
    """An annulus, less dense on one side: no eigenvalue is multiple."""
    generator = torch.Generator().manual_seed(seed)
    radius, angle = torch.rand(2, n, generator=generator)
    radius, angle = 1 + 0.3 * radius, 2 * torch.pi * angle**1.5
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def islands(n: int, count: int = 2, seed: int = 0) -> Tensor:
    """Clouds of unlike sizes, so far apart that no neighbors are shared."""
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    x[:, 0] += 1000 * (torch.arange(n) % (count + 1)).clamp(max=count - 1)
    return x


def tight_clusters(n: int, seed: int = 0) -> Tensor:
    """Ten of them, always in the same places."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.3 * torch.randn(n, 8, generator=generator)
    corners = torch.randn(10, 8, generator=generator.manual_seed(100))
    return 10 * corners[torch.arange(n) % 10] + noise


def dense_weights(x: Tensor, k: int) -> np.ndarray:
    """Self-tuning affinities [n, n] of the k nearest neighbors."""
    x = x.double().numpy()
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1)[:, :k]
    scale = np.take_along_axis(distance, order, axis=1)[:, -1]
    directed = np.zeros_like(distance)
    rows = np.arange(len(x))[:, None]
    directed[rows, order] = np.exp(
        -(distance[rows, order] ** 2) / (scale[:, None] * scale[order])
    )
    return np.maximum(directed, directed.T)


def dense_pairs(weights: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All eigenvalues and eigenvectors, columns of mean square 1."""
    degree = weights.sum(axis=1)
    if kind == "comb":
        values, vectors = scipy.linalg.eigh(np.diag(degree) - weights)
    else:
        # (D - W) v = lambda D v for both of the others.
        pairs = scipy.linalg.eigh(np.diag(degree) - weights, np.diag(degree))
        values, vectors = pairs
    vectors = vectors * degree[:, None] ** 0.5 if kind == "sym" else vectors
    return values, vectors / np.sqrt((vectors**2).mean(axis=0))


def dense_embedding(x: Tensor, embedding: ExactEmbedding) -> tuple[Tensor, Tensor]:
    """Eigenvalues and rows of points."""
    weights = dense_weights(x, embedding.num_neighbors)
    values, vectors = dense_pairs(weights, embedding.laplacian)
    kept = slice(int(embedding.drop_first), embedding.num_pairs)
    gaps = np.diff(values[: embedding.num_pairs + 1])
    assert gaps.min() > 1e-4 * values[embedding.num_pairs], "vectors are not unique"
    return torch.from_numpy(values[kept]), torch.from_numpy(vectors[:, kept])


def with_signs_of(rows: Tensor, reference: Tensor) -> Tensor:
    """The rows with the signs of the columns that fit the reference best."""
    return rows.to(reference) * (rows.to(reference) * reference).sum(dim=0).sign()
