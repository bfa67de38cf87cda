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
# # 4. Learn features and spectrum together
#
# A graph of images is only as good as the distances between them. Pixel distances are a
# poor measure, so features are learned and the graph is built from them. But then the
# graph changes with every training step, and so do its eigenvectors: they flip and
# rotate into each other. A network that learns them at the same time has no fixed
# target.
#
# The paper's Algorithm 2 keeps the basis in place. This notebook trains an encoder and
# a `BASiSLayer` behind it at the same time, and compares the basis with and without
# Algorithm 2. [1. What BASiS does](1_what_basis_does.ipynb) explains the terms.

# %%
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import nn

from pyg_basis import BASiSLayer
from pyg_basis.datasets import digits
from pyg_basis.metrics import (
    clustering_accuracy,
    grassmann_distance,
    linear_probe_accuracy,
    normalized_mutual_information,
)

x, y, x_new, y_new = digits()  # 8 x 8 pixels; 1,257 to learn from, 540 held out
generator = torch.Generator().manual_seed(0)  # of the batches
_ = torch.default_generator.manual_seed(0)  # of the first weights

# %% [markdown]
# ## The encoder and its loss
#
# A small network computes 16 features of an image. It is trained with the contrastive
# loss (Eq. 21, with each kind of pair averaged separately): images of one digit should
# be close, and images of two digits at least 1 apart. With $d_{ij}$ the distance
# between the features of two images, the loss is
#
# $$\operatorname*{mean}_{y_i = y_j} d_{ij}^2 \;+\;
#   \operatorname*{mean}_{y_i \ne y_j} \max(0,\, 1 - d_{ij})^2 .$$

# %%
encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 16))


def contrastive_loss(features, labels):
    first, second = torch.triu_indices(len(labels), len(labels), offset=1)
    same = labels[first] == labels[second]
    distance = torch.pdist(features)
    near, far = distance[same], distance[~same]
    return near.square().mean() + (1 - far).relu().square().mean()


# %% [markdown]
# ## The layer
#
# The layer behind the encoder learns the spectrum: the first nine eigenvectors after
# the trivial one, which is the number that separates ten clusters.
#
# `init_reference` takes a fixed set of images, here 512, embeds their current features,
# and chooses the anchors among them. These images are tracked during the whole
# training.

# %%
layer = BASiSLayer(
    in_channels=16,
    num_eigenvectors=9,
    num_anchors=150,
    num_neighbors=20,
)
followed = x[:512]
layer.init_reference(encoder(followed).detach())
unaligned = copy.deepcopy(layer)  # for comparison, see below

# %% [markdown]
# ## Algorithm 2
#
# When the features have changed, the tracked images are embedded again. The basis of
# their new rows $\psi_i$ depends on the eigensolver. But their rows $\phi_i$ in the old
# basis are known, so a map back can be fitted, as for batches:
#
# $$\min_{T_G} \sum_i \left\| \phi_i - T_G\, \psi_i \right\|^2 ,
#   \qquad \phi_i \leftarrow T_G\, \psi_i .$$
#
# `update_reference` does that. By default its $T_G$ also preserves the lengths of the
# columns. The plain least squares of the paper (`alignment="lstsq"`) shrink them a
# little in each of many updates.
#
# Every fifth step below updates the reference and adds the loss of the layer (Eq. 15).
# The gradient of this loss reaches the encoder too. With `features.detach()` it would
# not.
#
# For comparison, a second layer does without $T_G$: it uses the new rows as its
# reference, unaligned. It does not influence the features.

# %%
optimizer = torch.optim.Adam(
    [*encoder.parameters(), *layer.parameters(), *unaligned.parameters()], lr=1e-3
)
anchors = layer.nodes[: layer.num_anchors].clone()  # of the second layer too


def draw(count):
    return torch.randint(len(x), (count,), generator=generator)


movements, losses, moments = [], [], []
for step in range(1, 501):
    batch = draw(128)
    loss = contrastive_loss(encoder(x[batch]), y[batch])
    if step % 5 == 0:
        now = encoder(followed).detach()
        movements.append(layer.update_reference(now))  # T_G
        unaligned.init_reference(now, anchors)  # no T_G

        features = encoder(x[draw(362)])  # with the anchors, a batch of 512
        spectral = layer.loss(features)
        spectral_unaligned = unaligned.loss(features.detach())
        loss = loss + spectral + spectral_unaligned
        losses.append((spectral.item(), spectral_unaligned.item()))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    if step % 5 == 0:  # held-out digits, for the pictures
        with torch.no_grad():
            features = encoder(x_new)
            moments.append((layer(features), layer.embedding(features).vectors))

steps = np.arange(5, 501, 5)
learned, exact = (torch.stack(rows) for rows in zip(*moments, strict=True))

# %% [markdown]
# ## One basis, or a new one each time
#
# `learned` and `exact` now contain the rows of the held-out digits after every fifth
# step: those of the network, and the exact eigenvectors of the graph of their current
# features, recomputed each time. The plots show the first coordinate of the mean row of
# each digit.

# %%
colors = plt.get_cmap("tab10").colors


def means(rows):
    """The mean row of each digit, over the last but one dimension."""
    return torch.stack([rows[..., y_new == d, :].mean(dim=-2) for d in range(10)], -2)


figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
titles = ("network, basis kept by $T_G$", "exact eigenvectors, computed anew")
for ax, rows, title in zip(axes, (learned, exact), titles, strict=True):
    for digit, path in enumerate(means(rows)[:, :, 0].T):
        ax.plot(steps, path, color=colors[digit], linewidth=1.2, label=digit)
    ax.set(title=title, xlabel="step", ylabel="first column", ylim=(-3.3, 3.3))
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, title="digit")
plt.show()

# %% [markdown]
# The network's rows move while the features change strongly and then settle. The exact
# eigenvectors do not settle. The better the digits are separated, the closer together
# the first eigenvalues are, and the more easily their eigenvectors rotate into each
# other.
#
# The next plots show the same in the plane. The nine columns are mapped to the plane by
# one linear map, which sends the mean rows of the ten digits at step 500 to the corners
# of a decagon. Each row of plots has its own map, which is the same for all steps.

# %%
angle = 2 * torch.pi * torch.arange(10) / 10
corners = torch.stack([angle.cos(), angle.sin()], dim=1)

figure, axes = plt.subplots(2, 5, figsize=(12.5, 5.4), layout="constrained")
for line, rows in zip(axes, (learned, exact), strict=True):
    plane = torch.linalg.lstsq(means(rows[-1]), corners).solution
    for ax, step in zip(line, (10, 25, 50, 100, 500), strict=True):
        shown = rows[step // 5 - 1] @ plane
        ax.scatter(*shown.T, c=y_new, cmap="tab10", s=7, alpha=0.7, linewidths=0)
        ax.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), aspect="equal", xticks=[], yticks=[])
        ax.set_title(f"step {step}")
axes[0, 0].set_ylabel("network, with $T_G$")
axes[1, 0].set_ylabel("exact, computed anew")
plt.show()

# %% [markdown]
# Top: the digits move from the center to their positions and stay there. Bottom: the
# exact rows separate sooner, because nothing has to be learned. But the map fitted at
# the last step does not fit the earlier steps, because their basis was different.
#
# ## What the layer learns without it
#
# A network without $T_G$ therefore gets a different target in every update. Its loss
# stays near 1, the mean square of the targets: it learns only their mean.

# %%
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for values, name in zip(zip(*losses, strict=True), ("with", "without"), strict=True):
    ax.semilogy(steps, values, label=f"{name} $T_G$")
ax.set(xlabel="step", ylabel="spectral loss")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How far the space moved
#
# Each update returns a `Movement`, which shows how much the space has changed:
#
# - `change`: how much the rows of the tracked images changed, relative to their size;
# - `cosines`: the cosines of the angles between the old and the new space. 1 means that
#   both contain the direction. Below 0.1 a direction counts as lost (`num_lost`), a
#   warning reports it, and a new direction takes its place;
# - `eigengap`: the gap from the last eigenvalue in use to the next. The larger it is,
#   the less the space depends on details. It grows as the digits become ten clusters.

# %%
diagnostics = {
    "change": [m.change for m in movements],
    "smallest cosine": [m.cosines[-1] for m in movements],
    "eigengap": [m.eigengap for m in movements],
}
figure, axes = plt.subplots(1, 3, figsize=(11, 2.9), layout="constrained")
for ax, (name, values) in zip(axes, diagnostics.items(), strict=True):
    ax.plot(steps, values)
    ax.set(title=name, xlabel="step", ylim=(0, None))
plt.show()
print("directions lost:", sum(m.num_lost for m in movements))

# %% [markdown]
# ## At the end
#
# K-means is fitted to the network's rows of the training digits. Each held-out digit is
# then assigned to the nearest center. The encoder learned from labels, so this is not
# unsupervised clustering. It shows how well the spectrum preserves the information in
# the features. For comparison, the output includes a linear classifier on the features
# (Eq. 20) and the clusters of the held-out digits' own exact eigenvectors.

# %%
with torch.no_grad():
    features, features_new = encoder(x), encoder(x_new)
    kmeans = KMeans(10, n_init=10, random_state=0).fit(layer(features))
    found = kmeans.predict(layer(features_new))
found_exact = KMeans(10, n_init=10, random_state=0).fit_predict(exact[-1])
linear = linear_probe_accuracy(features, y, features_new, y_new)

print(f"features, linear classifier:  accuracy {linear:.3f}")
for name, clusters in (("network", found), ("exact eigenvectors", found_exact)):
    accuracy = clustering_accuracy(y_new, clusters)
    nmi = normalized_mutual_information(y_new, clusters)
    print(f"{name + ', clusters:':29} accuracy {accuracy:.3f}  NMI {nmi:.3f}")
distance = grassmann_distance(learned[-1], exact[-1])
print(f"network to exact eigenvectors: d_G = {distance:.3f}")

# %% [markdown]
# ## What to take along
#
# - When features change, call `update_reference` with the current features of the same
#   nodes, then use `layer.loss` as before. You choose the encoder, optimizer, and other
#   losses.
# - The basis then stays fixed, and so do the network's targets. Anything built on the
#   embedding (clusters, a classifier) remains valid.
# - Watch `Movement.cosines` and `eigengap`. If directions are lost, update more often,
#   or choose as many eigenvectors as there are clusters, so that a gap follows.
# - The layer's `state_dict` contains the reference too, so a training that is saved and
#   resumed continues in the same basis.
