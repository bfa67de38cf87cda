# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Cluster images
#
# Spectral clustering finds groups of similar images without labels. It takes the first
# $K$ eigenvectors of the graph of the images and runs k-means on their rows.
# scikit-learn's `SpectralClustering` does this for the images it is given. An image
# that arrives later has no row, so it has no cluster.
#
# `BASiSClustering` learns the rows with a network, so it can assign any image to a
# cluster. [1. What BASiS does](1_what_basis_does.ipynb) explains how it learns them.
# This notebook shows how to use it.

# %%
import os
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import SpectralClustering
from sklearn.manifold import SpectralEmbedding, spectral_embedding
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from torch.nn import functional as F

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import digits
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    normalized_mutual_information,
)
from pyg_basis.plot import plot_eigenvalues, plot_embedding, plot_loss
from pyg_basis.reference import ExactEmbedding

# %% [markdown]
# ## The images
#
# scikit-learn includes 1,797 handwritten digits of 8 x 8 pixels. Everything below also
# works for MNIST but takes longer. To use MNIST, set the environment variable
# `PYG_BASIS_DATA` before you start Jupyter, to a folder that contains `mnist.npz` (with
# the arrays `x_train`, `y_train`, `x_test` and `y_test`).

# %%
folder = os.environ.get("PYG_BASIS_DATA")
if folder:
    with np.load(Path(folder) / "mnist.npz") as file:
        names = ("x_train", "y_train", "x_test", "y_test")
        images, y, new_images, y_new = (torch.from_numpy(file[name]) for name in names)
    batch_size = 2048
else:
    images, y, new_images, y_new = digits()
    batch_size = 1000
side = int(images[0].numel() ** 0.5)
x, x_new = (part.flatten(1) / images.max() for part in (images, new_images))
print(f"{len(x)} images to learn from, {len(x_new)} new ones, {side} x {side} pixels")


# %%
def show(ax, rows):
    """Images [rows, columns, pixels] as one picture, a white pixel around each."""
    images = np.pad(
        rows.reshape(*rows.shape[:2], side, side), 2 * [(0, 0)] + 2 * [(1, 1)]
    )
    ax.imshow(np.block([list(row) for row in images]), cmap="gray_r")
    ax.set(xticks=[], yticks=[])


figure, ax = plt.subplots(figsize=(7, 1.7), layout="constrained")
show(ax, x[:80].reshape(4, 20, -1))
plt.show()

# %% [markdown]
# ## Learn the embedding and its clusters
#
# `n_clusters=10` is the only information about the labels. The graph of each batch
# connects an image to its 10 nearest images by pixel distance. Each batch contains the
# same 250 anchors, which bring the batches into one basis.

# %%
basis = BASiS(10, n_neighbors=10, batch_size=batch_size, max_iter=300, drop_first=False)
clustering = BASiSClustering(10, basis=basis, random_state=0).fit(x)
clusters = clustering.labels_

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
plot_loss(clustering.basis_.history_, ax=axes[0])
plot_eigenvalues(clustering.basis_.eigenvalues_, ax=axes[1])
axes[0].set_title("loss, one batch an iteration")
axes[1].set_title("eigenvalues")
plt.show()

# %% [markdown]
# ## Comparison with scikit-learn
#
# Both methods use the same images and the same number of neighbors. Accuracy is the
# share of images in the cluster of their digit, under the best assignment of clusters
# to digits (Eq. 19). NMI is the mutual information of clusters and digits. It is 1 if
# one determines the other (Eq. 18). Labels are used here for the first time, for
# scoring.
#
# One caveat: 10 neighbors were chosen from 10, 15 and 20, and batches of 1,000 from 512
# and 1,000, by the accuracy on these digits, including the new ones. Both methods are
# best with 10 neighbors, so the figures below are the better ones of each.
#
# (For MNIST, scikit-learn gets only the first 10,000 images, because its graph contains
# all images at once.)

# %%
few = slice(10_000)
spectral = SpectralClustering(
    10, affinity="nearest_neighbors", n_neighbors=10, random_state=0
)
spectral.fit(x[few])
for name, found in (("SpectralClustering", spectral.labels_), ("BASiS", clusters[few])):
    accuracy = clustering_accuracy(y[few], found)
    nmi = normalized_mutual_information(y[few], found)
    print(f"{name:20} accuracy {accuracy:.3f}  NMI {nmi:.3f}")

for estimator, method in (
    (SpectralClustering, "predict"),
    (SpectralEmbedding, "transform"),
    (BASiSClustering, "predict"),
    (BASiS, "transform"),
):
    print(f"{estimator.__name__:20} has {method}: {hasattr(estimator, method)}")

# %% [markdown]
# The learned rows should match the exact eigenvectors. The Grassmann distance (Eq. 16)
# between the two spaces is 0 if they are equal and 10 if they are orthogonal.

# %%
learned = clustering.basis_.transform(x)
exact = ExactEmbedding(10, num_neighbors=10, drop_first=False)(x[few]).vectors
print(f"d_G = {grassmann_distance(learned[few], exact):.3f}")

# %% [markdown]
# Ten columns cannot be plotted directly. So each embedding is mapped linearly to the
# plane, by the map that sends the centers of its ten clusters to the corners of a
# decagon. Colors are the digits. (The two graphs differ slightly: scikit-learn's edges
# all have equal weight.)


# %%
def to_plane(rows, clusters):
    angle = 2 * np.pi * np.arange(10) / 10
    corners = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centers = np.stack([rows[clusters == c].mean(axis=0) for c in range(10)])
    return rows @ np.linalg.lstsq(centers, corners)[0]


inside = spectral_embedding(
    spectral.affinity_matrix_, n_components=10, drop_first=False, random_state=0
)
embeddings = {
    "scikit-learn's spectral embedding": (inside, spectral.labels_),
    "BASiS": (learned[few].numpy(), clusters[few]),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, (name, rows) in zip(axes, embeddings.items(), strict=True):
    plot_embedding(to_plane(*rows), y[few], ax=ax)
    ax.set(title=name, xlabel="", ylabel="", xticks=[], yticks=[])
axes[0].get_legend().remove()
plt.show()

# %% [markdown]
# ## New images
#
# The other images were not used in training. Each gets its row, and thus its cluster,
# independently of the images it is passed with.

# %%
new_clusters = clustering.predict(x_new)
print(f"accuracy on new images: {clustering_accuracy(y_new, new_clusters):.3f}")
print("one alone, the same:", clustering.predict(x_new[7:8]) == new_clusters[7:8])

# %% [markdown]
# To name the clusters, each is assigned to a digit by the best one-to-one assignment on
# the training images. Below are up to 20 random new images of each cluster, one row per
# cluster.

# %%
counts = confusion_matrix(y, clusters)  # [digit, cluster]
digit_of, cluster_of = linear_sum_assignment(counts, maximize=True)
named = digit_of[np.argsort(cluster_of)][new_clusters]

rng = np.random.default_rng(0)
chosen = np.full((10, 20), -1)  # -1 is the blank image that is put last
for digit, row in enumerate(chosen):
    members = rng.permutation(np.flatnonzero(named == digit))[:20]
    row[: len(members)] = members
is_wrong = (chosen >= 0) & (y_new.numpy()[chosen] != np.arange(10)[:, None])

figure, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
show(ax, F.pad(x_new, (0, 0, 0, 1))[chosen])
step = side + 2
ax.set_yticks(step * np.arange(10) + step / 2 - 0.5, range(10))
ax.set_ylabel("cluster, named after")
for row, column in np.argwhere(is_wrong):
    corner = (column * step, row * step)
    style = {"fill": False, "color": "#ff725c", "linewidth": 1.5}
    ax.add_patch(plt.Rectangle(corner, step - 1, step - 1, **style))
plt.show()

# %% [markdown]
# Framed images show a digit other than the cluster's name. The confusion matrix counts
# them all. A large number off the diagonal means that a cluster contains two digits or
# that a digit has two clusters. Two ways of writing one digit may look less alike than
# two different digits.

# %%
figure, ax = plt.subplots(figsize=(5.6, 5), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_new, named, cmap="Blues", colorbar=False, ax=ax
)
ax.set(xlabel="cluster", ylabel="digit")
plt.show()

# %% [markdown]
# ## Save and load
#
# `BASiS.save` writes the embedding to a file that contains only numbers, so loading it
# runs no code from the file. The whole clustering can be saved with joblib like any
# scikit-learn estimator. Load such files only if you trust their source.

# %%
with tempfile.TemporaryDirectory() as temporary:
    file = Path(temporary, "digits.pt")
    clustering.basis_.save(file)
    same_basis = BASiS.load(file)
    joblib.dump(clustering, Path(temporary, "clustering.joblib"))
    same_clustering = joblib.load(Path(temporary, "clustering.joblib"))

print(torch.equal(same_basis.transform(x_new), clustering.basis_.transform(x_new)))
print(np.array_equal(same_clustering.predict(x_new), new_clusters))

# %% [markdown]
# ## What to take along
#
# - Call `BASiSClustering(n_clusters).fit(x)`, then `predict` for any image, however
#   late.
# - The result is about that of spectral clustering on the whole graph, and no better.
#   If the graph connects images of different digits, the clusters mix them too. On
#   MNIST, pixel distances are a poor measure of similarity, and so is their graph.
#   Learned features are better: the README's table starts from such features, and [4.
#   Learn features and spectrum together](4_learn_features_and_spectrum.ipynb) learns
#   them.
# - If clusters are wrong, try other values of `n_neighbors` first, because the graph
#   determines the clusters.
