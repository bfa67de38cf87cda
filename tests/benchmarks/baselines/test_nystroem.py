from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances
from torch import Tensor

from benchmarks.baselines import NystroemEmbedding
from benchmarks.lib.exact import exact_space
from pyg_basis.datasets import three_moons, two_moons
from pyg_basis.metrics import grassmann_distance, normalized_mutual_information


def cloud(num_points: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_points, 2, generator=generator)


def clusters(seed: int, num_points: int = 150) -> tuple[Tensor, Tensor]:
    """Three that no edge joins."""
    labels = torch.arange(num_points) % 3
    return cloud(num_points, seed) + 100 * torch.eye(3)[labels][:, :2], labels


def test_sample() -> None:
    x, new = cloud(300), cloud(20, seed=1)
    fitted = NystroemEmbedding(4, n_neighbors=12, sample_size=200, random_state=0)
    fitted.fit(x)
    # Rows of 200 different points, which all are among those it was given.
    sample = fitted._points
    assert len(fitted.embedding_) == len(sample.unique(dim=0)) == 200
    assert bool((sample[:, None] == x).all(dim=2).any(dim=1).all())
    # Nothing else is known of the others: a fit of these points alone is the same.
    alone = NystroemEmbedding(4, n_neighbors=12).fit(sample)
    assert torch.equal(alone.transform(new), fitted.transform(new))
    # More than there are is all of them, in their order.
    whole = NystroemEmbedding(4, n_neighbors=12, sample_size=301).fit(x)
    assert torch.equal(whole._points, x)


# --- the formula, in NumPy alone


def dense_formula(
    x: Any, new: Any, k: int, num_columns: int, kind: str
) -> tuple[Any, Any]:
    """The exact rows of ``x`` and the extended ones of ``new``."""
    n = len(x)
    between = pairwise_distances(x)
    np.fill_diagonal(between, np.inf)
    near = np.argsort(between, axis=1, kind="stable")[:, :k]
    length = np.take_along_axis(between, near, axis=1)
    scale = length[:, -1]
    w = np.zeros((n, n))
    rows, columns = np.repeat(np.arange(n), k), near.reshape(-1)
    own = scale[rows] * scale[columns]
    w[rows, columns] = np.exp(-(length.reshape(-1) ** 2) / own)
    w = np.maximum(w, w.T)
    degree = w.sum(axis=1)
    smoothing = w / np.sqrt(degree[:, None] * degree)
    values, vectors = np.linalg.eigh(np.eye(n) - smoothing)
    vectors = vectors[:, :num_columns]
    if kind == "rw":
        vectors = vectors / np.sqrt(degree)[:, None]
    vectors = vectors * np.sqrt(n) / np.linalg.norm(vectors, axis=0)

    extended = np.zeros((len(new), num_columns))
    for row, distance in enumerate(pairwise_distances(new, x)):
        near = np.argsort(distance)[: 4 * k]
        own = distance[near[k - 1]]
        chosen = near[(np.arange(4 * k) < k) | (distance[near] <= scale[near])]
        weight = np.exp(-(distance[chosen] ** 2) / (own * scale[chosen]))
        if kind == "sym":
            share = weight / np.sqrt(weight.sum() * degree[chosen])
        else:
            share = weight / weight.sum()
        extended[row] = share @ vectors[chosen] / (1 - values[:num_columns])
    return vectors, extended


@pytest.mark.parametrize("kind", ["sym", "rw"])
def test_formula(kind: Any) -> None:
    x, new = cloud(90), cloud(40, seed=1)
    fitted = NystroemEmbedding(4, n_neighbors=9, laplacian=kind).fit(x)
    vectors, extended = dense_formula(x.double(), new.double(), 9, 4, kind)
    rows = fitted.embedding_.numpy()
    signs = np.sign((rows * vectors).sum(axis=0))
    np.testing.assert_allclose(rows * signs, vectors, atol=1e-4)
    found = fitted.transform(new).numpy() * signs
    np.testing.assert_allclose(found, extended, atol=1e-3, rtol=1e-3)


# --- clusters and moons


def test_new_points_get_the_rows_of_their_cluster() -> None:
    x, labels = clusters(0)
    new, new_labels = clusters(1)
    # Constant on every cluster: averages are that constant.
    fitted = NystroemEmbedding(3, n_neighbors=10, laplacian="rw").fit(x)
    expected = torch.stack([fitted.embedding_[labels == c][0] for c in range(3)])
    found = fitted.transform(new)
    torch.testing.assert_close(found, expected[new_labels], atol=1e-4, rtol=0)
    assert torch.pdist(expected).min() > 1


@pytest.mark.parametrize(("data", "k"), [(two_moons, 2), (three_moons, 3)])
@pytest.mark.parametrize("laplacian", ["sym", "rw"])
def test_moons(data: Any, k: int, laplacian: Any) -> None:
    x, _ = data(1500)
    new, labels = data(1000, seed=1)
    fitted = NystroemEmbedding(k, n_neighbors=20, laplacian=laplacian).fit(x)
    embedding = fitted.transform(new)
    exact = exact_space(k, 20, laplacian=laplacian)
    assert grassmann_distance(embedding, exact(new).vectors) < 0.03
    together = exact(torch.cat([new, x])).vectors[: len(new)]
    assert grassmann_distance(embedding, together) < 0.01
    found = KMeans(k, n_init=10, random_state=0).fit_predict(embedding.numpy())
    assert normalized_mutual_information(labels, found) == 1


# --- the ends of its range


@pytest.mark.parametrize("laplacian", ["sym", "rw"])
def test_duplicates(laplacian: Any) -> None:
    # As many as neighbors: of these, every distance and so the scale is 0.
    x = torch.cat([cloud(60), cloud(1, seed=5).expand(8, 2)])
    fitted = NystroemEmbedding(2, n_neighbors=6, laplacian=laplacian).fit(x)
    for new in (x, x[-1:] + 1e-3, x[-1:] * 50, cloud(30, seed=2)):
        assert fitted.transform(new).abs().max() < 20
    # Twins have one row.
    rows = fitted.transform(x)[-8:]
    torch.testing.assert_close(rows, rows[:1].expand(8, 2))


def test_all_points_equal() -> None:
    # The eigenvalue 1: the average over neighbors holds nothing of the eigenvector.
    x = torch.full((40, 2), 0.5)
    embedding = NystroemEmbedding(2, n_neighbors=5).fit(x).transform(x)
    assert torch.isfinite(embedding).all()
