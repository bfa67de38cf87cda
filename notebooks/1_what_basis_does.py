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
# # 1. What BASiS does
#
# The first eigenvectors of a graph Laplacian show the shape of a set of points: its
# clusters and the directions along which it extends. Computing them requires the whole
# graph, and a point that arrives later has no row in them.
#
# [BASiS](https://arxiv.org/abs/2211.16960) (Streicher, Cohen, Gilboa, CVPR 2023) trains
# a network that maps any point to its row. The network sees only small batches. This
# notebook builds the method, the paper's Algorithm 1, from its parts: graph,
# eigenvectors, the problem with batches, anchors, alignment, network.
#
# To run it: `pip install -e ".[notebooks]"` in a copy of the repository, then
# `jupyter lab notebooks`. It needs no GPU and no internet access.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from torch.nn import functional as F
from torch_geometric.nn import MLP

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.align import fit_affine
from pyg_basis.datasets import circles, three_moons, two_moons
from pyg_basis.eigen import eigenpairs
from pyg_basis.graph import affinity, knn_graph, laplacian
from pyg_basis.metrics import clustering_accuracy, grassmann_distance
from pyg_basis.plot import plot_loss
from pyg_basis.reference import ExactEmbedding, choose_anchors

generator = torch.Generator().manual_seed(0)  # of all random draws below


def draw(points, count):
    """Some of the points, at random."""
    return points[torch.randperm(len(points), generator=generator)[:count]]


# %% [markdown]
# ## Points and their graph
#
# Three interlocked moons. No straight line separates them, but a path from neighbor to
# neighbor stays on one moon. So each point is connected to its $k$ nearest neighbors.
# Shorter edges get larger weights (Eq. 1):
#
# $$W_{ij} = \exp\left(-\frac{\|x_i - x_j\|^2}{s_i s_j}\right).$$
#
# The paper uses one bandwidth for all edges. Here $s_i$ is the distance from $x_i$ to
# its $k$-th neighbor, which adapts to dense and sparse regions.

# %%
x, moon = three_moons(600)
graph = affinity(knn_graph(x, k=10))

figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
edges = x[graph.edge_index.T].numpy()  # [edges, 2 ends, 2 coordinates]
ax.add_collection(LineCollection(edges, colors="0.75", linewidths=0.4))
ax.scatter(*x.T, s=6, color="#4269d0", zorder=2)
ax.set(title="600 points, each joined to its 10 nearest", aspect="equal")
ax.axis("off")
plt.show()

# %% [markdown]
# ## The first eigenvectors
#
# With the degrees $D_{ii} = \sum_j W_{ij}$, the Laplacian of the random walk is
#
# $$L = I - D^{-1} W, \qquad L v_j = \lambda_j v_j, \qquad
#   0 = \lambda_1 \le \lambda_2 \le \dots$$
#
# (The paper, Eq. 1 to 4, uses the symmetric form $I - D^{-1/2} W D^{-1/2}$. Its
# eigenvectors are these times $D^{1/2}$.) The smaller $\lambda_j$ is, the less $v_j$
# differs between neighbors. The first eigenvector is constant and contains no
# information. It is called trivial.
#
# There are two typical cases. If the graph has several components, like the three
# moons, the first eigenvectors are constant on each component and separate the
# components. If it has only one, like a ring, they are waves along it, with slow waves
# first.


# %%
def eigenvectors(points, count, k=20):
    """The first eigenvectors of the points' graph, of unit length, and eigenvalues."""
    operator = laplacian(affinity(knn_graph(points, k)), "rw")
    pairs = eigenpairs(operator, count)
    return pairs.vectors, pairs.values


two_rings, is_outer = circles(9000)
ring = two_rings[is_outer == 1]  # one ring: 4,500 points

figure, axes = plt.subplots(2, 3, figsize=(9.5, 6), layout="constrained")
for row, points, k, shown in ((0, x, 10, (0, 1, 2)), (1, ring[:1000], 20, (1, 2, 3))):
    vectors, values = eigenvectors(points, 4, k)
    for ax, j in zip(axes[row], shown, strict=True):
        half = float(vectors[:, j].abs().max())
        style = {"s": 8, "cmap": "coolwarm", "vmin": -half, "vmax": half}
        ax.scatter(*points.T, c=vectors[:, j], **style)
        title = rf"$v_{j + 1}$,  $\lambda_{j + 1}$ = {abs(values[j]):.4f}"
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# Row $i$ of the first $K$ eigenvectors, $(v_1(i), \dots, v_K(i))$, is the *spectral
# embedding* of point $i$: its new coordinates.
#
# Note the eigenvalues that are equal, or nearly so: $\lambda_1$ to $\lambda_3$ of the
# moons, $\lambda_2$ and $\lambda_3$ of the ring. For these, only the *space* spanned by
# the eigenvectors is determined. If $v_2$ and $v_3$ are eigenvectors of the same
# eigenvalue, so is every rotation of the two. This causes the problem described next.

# %% [markdown]
# ## Two batches disagree
#
# A network that learns from batches needs targets for the points of each batch. The
# batch's own graph gives eigenvectors, but they differ from batch to batch. To see
# this, take a few points of the ring, the *anchors*, put them into different batches,
# and compare the rows that they get.

# %%
train, new = ring[:3500], ring[3500:]
anchors = train[choose_anchors(train, 60)]  # spread evenly
angle = torch.atan2(anchors[:, 1], anchors[:, 0])


def anchor_rows(batch_size):
    """Rows of v_2 and v_3 that the anchors get in a batch with random other points."""
    batch = torch.cat([anchors, draw(train, batch_size - len(anchors))])
    return eigenvectors(batch, 3)[0][: len(anchors), 1:]


reference, first, second = anchor_rows(256), anchor_rows(256), anchor_rows(800)

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
panels = {
    "the anchors": anchors,
    "reference, 256 points": reference,
    "batch 1, 256 points": first,
    "batch 2, 800 points": second,
}
for ax, (title, rows) in zip(axes, panels.items(), strict=True):
    ax.scatter(*rows.T, c=angle, cmap="hsv", s=28)
    ax.set(title=title, aspect="equal")
    if rows is not anchors:
        ax.set(xlim=(-0.11, 0.11), ylim=(-0.11, 0.11), xlabel="$v_2$", ylabel="$v_3$")
plt.show()

# %% [markdown]
# The color shows an anchor's position on the ring. All three sets of rows form rings,
# with the colors in the same order, yet no two agree:
#
# - **rotation**: $v_2$ and $v_3$ may be rotated into each other, because
#   $\lambda_2 \approx \lambda_3$;
# - **sign**: if $v$ is an eigenvector, so is $-v$, so a batch may be mirrored;
# - **scale**: eigenvectors have unit length, so the entries are smaller in larger
#   batches;
# - **shift**, slightly: in each batch the mean is taken over different points.
#
# If a network gets all of these as targets for the same anchor, it learns their mean,
# which contains no information.

# %% [markdown]
# ## Anchors undo it
#
# Each of these differences is an affine map. The anchors are in every batch, so they
# determine the map: it is the one that best maps their rows $\phi_i$ to their rows in
# the *reference*, $\phi_i^{ref}$ (Eq. 12 and 13),
#
# $$\min_T \sum_{i \in \text{anchors}}
#   \left\| \phi_i^{ref} - T \begin{pmatrix} \phi_i \\ 1 \end{pmatrix} \right\|^2 .$$
#
# `fit_affine` solves this by least squares. The decomposition of its linear part shows
# how each batch differed:

# %%
maps = {
    "batch 1": fit_affine(first, reference),
    "batch 2": fit_affine(second, reference),
}
for name, alignment in maps.items():
    left, scales, right = np.linalg.svd(alignment.linear.numpy())
    turn = left @ right
    kind = "turned" if np.linalg.det(turn) > 0 else "mirrored and turned"
    degrees = np.degrees(np.arctan2(turn[0, 1], turn[0, 0]))
    print(
        f"{name}: {kind} by {degrees:.0f} degrees, scaled by {scales[1]:.2f} to "
        f"{scales[0]:.2f}; what is left: {float(alignment.residual):.1%}"
    )

# %% [markdown]
# Both batches in one plot, before and after. A line connects the two rows of the same
# anchor.

# %%
before = {"batch 1": first, "batch 2": second}
after = {name: maps[name].apply(rows) for name, rows in before.items()}

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.6), layout="constrained")
for ax, title, batches in zip(axes, ("before", "after"), (before, after), strict=True):
    lines = torch.stack(list(batches.values()), dim=1).numpy()
    ax.add_collection(LineCollection(lines, colors="0.8", linewidths=0.8, zorder=0))
    for (name, rows), marker in zip(batches.items(), "o^", strict=True):
        style = {"cmap": "hsv", "marker": marker, "edgecolors": "0.3"}
        ax.scatter(*rows.T, c=angle, s=42, linewidths=0.5, label=name, **style)
    ax.set(title=f"{title} the alignment", xlabel="$v_2$", ylabel="$v_3$")
    ax.set(xlim=(-0.11, 0.11), ylim=(-0.11, 0.11), aspect="equal")
    ax.locator_params(nbins=5)
axes[1].legend(loc="center", frameon=False)
plt.show()

# %% [markdown]
# After the alignment, every anchor has the same row in both batches, up to the noise
# from the other, random points. The map was fitted on the anchors but is valid for the
# whole batch (Eq. 14). All other points of the batch are therefore in the same basis
# too.

# %% [markdown]
# ## Algorithm 1
#
# Now the whole algorithm:
#
# 1. Choose anchors. Embed them with some random points. Their rows are the reference.
# 2. In every step, combine the anchors with new random points and embed this batch.
# 3. Fit $T$ on the anchors (Eq. 12 and 13).
# 4. Align the whole batch: $\phi_i \leftarrow T\,[\phi_i, 1]$ (Eq. 14).
# 5. Take a step of gradient descent on (Eq. 15)
#
# $$\frac{1}{m} \sum_{i=1}^{m} \left\| f(x_i) - \phi_i \right\|^2 .$$
#
# `ExactEmbedding` computes the graph and the eigenvectors in one call. It scales each
# column to mean square 1, so the batch size no longer matters. The learning rate
# decreases toward the end, which averages over the last batches.

# %%
embed = ExactEmbedding(2, num_neighbors=20)
num_anchors, batch_size = len(anchors), 256


def new_batch():
    return torch.cat([anchors, draw(train, batch_size - num_anchors)])


torch.default_generator.manual_seed(0)  # the network's first weights
network = MLP([2, 128, 128, 128, 2], norm=None)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=500)

reference = embed(new_batch()).vectors[:num_anchors]  # 1.
losses, seen = [], {}
for step in range(501):
    if step in (0, 10, 50, 500):
        seen[step] = network(new).detach()
    batch = new_batch()  # 2.
    phi = embed(batch).vectors
    alignment = fit_affine(phi[:num_anchors], reference)  # 3.
    targets = alignment.apply(phi)  # 4.
    loss = F.mse_loss(network(batch), targets)  # 5.
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())

# %% [markdown]
# The plots show the network's output for 1,000 points of the ring that were in no
# batch: at the start, during training, and at the end. The last plot shows their exact
# eigenvectors, rotated into the basis of the reference by the best rotation.

# %%
exact = embed(new).vectors
turned = fit_affine(exact, seen[500], "orthogonal").apply(exact)

figure, axes = plt.subplots(1, 5, figsize=(14, 3.3), layout="constrained")
panels = {f"network, step {step}": rows for step, rows in seen.items()}
panels["exact eigenvectors"] = turned
new_angle = torch.atan2(new[:, 1], new[:, 0])
for ax, (title, rows) in zip(axes, panels.items(), strict=True):
    ax.scatter(*rows.T, c=new_angle, cmap="hsv", s=6)
    ax.set(title=title, xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
plt.show()

# %%
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
plot_loss(losses, ax=ax)
plt.show()

# %% [markdown]
# How accurate is this? The Grassmann distance compares the spaces that two embeddings
# span, independent of their bases (Eq. 16),
#
# $$d_G = K - \sum_{i=1}^{K} \cos^2 \theta_i ,$$
#
# where $\theta_i$ are the angles between the spaces. It is 0 for equal spaces and $K$
# for orthogonal ones. The trivial vector, a column of ones, belongs to the space. It is
# added on both sides, which also makes shifts irrelevant.
#
# The network only ever learns from the embedding of *one batch* at a time. The mean
# over many batches is more accurate than any single batch, because random errors
# average out. To compare a batch with the network, both are compared with $\cos t$ and
# $\sin t$ at the angle $t$, the eigenfunctions of a ring without noise.


# %%
def distance(rows, others):
    return grassmann_distance(
        F.pad(rows, (1, 0), value=1), F.pad(others, (1, 0), value=1)
    )


def distance_to_waves(points, rows):
    t = torch.atan2(points[:, 1], points[:, 0])
    return distance(rows, torch.stack([t.cos(), t.sin()], dim=1))


batches = [new_batch() for _ in range(20)]
of_batches = [distance_to_waves(batch, embed(batch).vectors) for batch in batches]
print(
    f"network to exact eigenvectors of the new points: {distance(seen[500], exact):.4f}"
)
print(
    f"network to cos and sin:                   {distance_to_waves(new, seen[500]):.4f}"
)
print(f"batches to cos and sin, mean of 20:       {np.mean(of_batches):.4f}")

# %% [markdown]
# ## Clusters, with the estimators
#
# `BASiS` is this algorithm with scikit-learn's interface. It adds refinements that
# [docs/design.md](../docs/design.md) explains: a Rayleigh-Ritz step that reads the
# eigenvectors out at the end. `BASiSClustering` adds k-means in the embedding. Both
# accept points that arrive later, without a graph.
#
# Here each set has 6,000 points to learn from and 3,000 to predict. Any point has a
# row, so every point of the plane has one too. The pale colors show which cluster it
# would get.

# %%
sets = {"three moons": three_moons(), "two moons": two_moons(), "circles": circles()}
side = torch.linspace(-2.1, 2.1, 211)
plane = torch.cartesian_prod(side, side)
colors = {
    "cmap": ListedColormap(["#4269d0", "#efb118", "#ff725c"]),
    "vmin": 0,
    "vmax": 2,
}

figure, axes = plt.subplots(2, 3, figsize=(9.5, 6.4), layout="constrained")
for (above, below), (name, (x, y)) in zip(axes.T, sets.items(), strict=True):
    num_clusters = len(y.unique())
    basis = BASiS(
        num_clusters,
        n_neighbors=10,
        n_anchors=100,
        batch_size=256,
        reference_size=None,  # of one batch, as above
        drop_first=False,
        max_iter=300,
    )
    clustering = BASiSClustering(num_clusters, basis=basis, random_state=0)
    clustering.fit(x[:6000])
    clusters = clustering.predict(x[6000:])
    print(f"{name}: accuracy {clustering_accuracy(y[6000:], clusters):.4f}")

    regions = clustering.predict(plane).reshape(len(side), len(side)).T
    above.imshow(regions, alpha=0.25, extent=2 * (-2.1, 2.1), origin="lower", **colors)
    above.scatter(*x[6000:].T, c=clusters, s=3, **colors)
    above.set(title=name, xticks=[], yticks=[])

    columns = [num_clusters - 2, num_clusters - 1]
    rows = clustering.basis_.transform(x[6000:])[:, columns]
    below.scatter(*rows.T, c=clusters, s=4, **colors)
    below.plot(0, 0, "+", color="0.5", markersize=10)
    below.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=(-1, 0, 1))
    below.set(yticks=(-1, 0, 1), xlabel=f"$v_{columns[0] + 1}$")
    below.set_ylabel(f"$v_{columns[1] + 1}$")
plt.show()

# %% [markdown]
# Top: unseen points in the colors of their clusters. Bottom: their learned rows. Each
# cluster is compact there, so k-means is sufficient.
#
# ## What to take along
#
# - Laplacian eigenvectors show clusters and slow directions. Those of each batch come
#   in a different basis.
# - Anchors are points that are in every batch. They fix the basis by one affine map.
# - In a common basis, the batches are good targets for plain regression. What the
#   network learns is valid for any new point.
#
# Next: [2. Cluster images](2_cluster_images.ipynb). If the features themselves are
# being learned: [4. Learn features and spectrum
# together](4_learn_features_and_spectrum.ipynb).
