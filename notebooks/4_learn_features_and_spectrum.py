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
# A graph of images is as good as the distances between them. Pixels are a poor guide,
# so one learns features, and takes the graph of the features. But then the graph
# changes with every step of the training, and so do its eigenvectors: they flip, they
# turn into each other, and a network that is to learn them meanwhile has no fixed
# target.
#
# The paper's Algorithm 2 keeps the basis where it is. This notebook trains an encoder
# and a `BASiSLayer` behind it at the same time, and looks at what the basis does with
# and without that. [1. What BASiS does](1_what_basis_does.ipynb) explains the terms.

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
# A small network makes 16 features of an image. It learns them by the contrastive loss
# (Eq. 21, each kind of pair averaged by itself): images of one digit should be close,
# images of two digits at least 1 apart. With $d_{ij}$ the distance of two images'
# features,
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
# Behind the encoder comes the layer that learns the spectrum: the first nine
# eigenvectors after the trivial one, as many as tell ten clusters apart.
#
# `init_reference` takes a fixed set of images, here 512, embeds their features as they
# are now, and chooses the anchors among them. These images are followed through the
# whole training.

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
# When the features have changed, the followed images are embedded again. Their new rows
# $\psi_i$ come in whatever basis the eigensolver gives. But their rows $\phi_i$ in the
# old basis are known, so there is a map back, as there was for batches:
#
# $$\min_{T_G} \sum_i \left\| \phi_i - T_G\, \psi_i \right\|^2 ,
#   \qquad \phi_i \leftarrow T_G\, \psi_i .$$
#
# `update_reference` does that. By default its $T_G$ also keeps the lengths of the
# columns: the plain least squares of the paper (`alignment="lstsq"`) shrink them a
# little in each update, and there are many.
#
# Every fifth step below follows the features and adds the loss of the layer (Eq. 15),
# whose gradient reaches the encoder too. With `features.detach()` it would not.
#
# Beside it, a second layer does without $T_G$: it takes the new rows as its reference,
# as they come. It has no say in the features.

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
# `learned` and `exact` now hold the rows of the held-out digits after every fifth step:
# from the network, and the exact eigenvectors of the graph of their present features,
# computed anew each time. This is where the mean row of each digit lies on the first
# axis.

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
# The network's rows move while the features change much, and then settle. The exact
# eigenvectors do not: the better the digits are apart, the closer together are the
# first eigenvalues, and the less it takes to turn their eigenvectors into each other.
#
# The same in pictures. Nine columns are brought to the plane by one linear map, which
# sends the mean rows of the ten digits at step 500 to the corners of a decagon. Each
# line of pictures has a map of its own, the same for all moments.

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
# Above, the digits leave the middle and go to their places, which they keep. Below, the
# exact rows are apart sooner, as nothing has to be learned. But the map that suits the
# last moment does not suit the earlier ones: their basis was another one.
#
# ## What the layer learns without it
#
# So a network without $T_G$ is shown another target in every update. Its loss stays
# near 1, the mean square of the targets: it learns nothing but their mean.

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
# Each update returns a `Movement`, which tells whether there was anything to follow:
#
# - `change`: how much the rows of the followed images changed, relative to their size;
# - `cosines`: of the angles between the old and the new space; 1 for a direction that
#   both have. Below 0.1 a direction counts as lost (`num_lost`), a warning says so, and
#   a new direction takes its place;
# - `eigengap`: from the last eigenvalue in use to the next. The larger, the less the
#   space depends on details. It grows as the digits become ten clusters.

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
# K-means on the network's rows of the training digits, then the nearest centre for each
# held-out digit. The encoder learned from labels, so this is no clustering without
# them: it says how well the spectrum keeps what the features know. Beside it, the
# features themselves with a linear classifier (Eq. 20), and the clusters of the
# held-out digits' own exact eigenvectors.

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
# - When features change, call `update_reference` with the present features of the same
#   nodes, then use `layer.loss` as before. Encoder, optimiser and other losses are
#   yours.
# - The basis then stays, so the network's targets do, and whatever is built on the
#   embedding (clusters, a classifier) stays valid.
# - Watch `Movement.cosines` and `eigengap`. If directions are lost, update more often,
#   or choose as many eigenvectors as there are clusters, so that a gap follows.
# - The layer's `state_dict` holds the reference too: a training that is saved and
#   resumed goes on in the same basis.
