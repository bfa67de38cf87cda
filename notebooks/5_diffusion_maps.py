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
# # 5. Diffusion maps of molecules and cells
#
# A diffusion map embeds points by a random walk on them. Two points are close if walks
# that start at them soon look alike. The coordinates are eigenvectors of the walk, each
# multiplied by its eigenvalue to the power of the diffusion time. Only what decays
# slowly remains: the transitions of a molecule between shapes, or the branches along
# which cells develop.
#
# `DiffusionMap` learns the map from a set of points, stores the eigenvalues, and then
# embeds points that it has never seen. Both data sets in this notebook are generated.
# [1. What BASiS does](1_what_basis_does.ipynb) explains how the map is learned.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import kneighbors_graph
from torch_geometric.data import Data

from pyg_basis import BASiS, DiffusionMap
from pyg_basis.graph import knn_graph
from pyg_basis.metrics import grassmann_distance
from pyg_basis.plot import plot_eigenvalues, plot_embedding
from pyg_basis.transforms import AddSpectralPE

rng = np.random.default_rng(0)

# %% [markdown]
# ## A molecule
#
# A chain of eight atoms has two soft angles, $\varphi$ and $\psi$, which change by
# thermal noise. $\psi$ has two valleys with a barrier between them, which it seldom
# crosses. Ten trajectories of 2,000 frames are simulated.


# %%
def simulate(num_trajectories=10, num_frames=2_000, stride=20, step=0.01):
    phi, psi = rng.uniform(-np.pi, np.pi, (2, num_trajectories))
    frames = []
    for index in range(num_frames * stride):
        force = -6.0 * np.sin(phi + 1.2), -6.0 * np.sin(2 * (psi - 0.8))
        noise = rng.normal(size=(2, num_trajectories)) * np.sqrt(2 * step)
        phi, psi = phi + step * force[0] + noise[0], psi + step * force[1] + noise[1]
        if index % stride == 0:
            frames.append((phi, psi))
    return np.transpose(frames, (2, 0, 1)).reshape(-1, 2)  # one after another


def place(dihedrals, length=1.5):
    """Atoms `[n, 8, 3]` of a chain, each placed by the three before it."""
    bend = np.radians(70)
    start = [[0, 0, 0], [length, 0, 0], [length * (1 + np.cos(bend)), 0.8, 1.1]]
    atoms = [np.tile(np.array(atom, float), (len(dihedrals), 1)) for atom in start]
    for angle in dihedrals.T:
        along = atoms[-1] - atoms[-2]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        normal = np.cross(atoms[-2] - atoms[-3], along)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        side = np.cross(normal, along)
        turned = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * normal
        atoms.append(
            atoms[-1] + length * (np.cos(bend) * along + np.sin(bend) * turned)
        )
    return np.stack(atoms, axis=1)


angles = simulate()
dihedrals = np.pi + rng.normal(0, 0.15, (len(angles), 5))
dihedrals[:, [1, 3]] = angles
atoms = place(dihedrals)
first, second = np.triu_indices(8, 1)
distances = np.linalg.norm(atoms[:, first] - atoms[:, second], axis=2)
distances = distances.astype(np.float32)
print(distances.shape)

# %% [markdown]
# The distances between the atoms do not change when the molecule rotates, so they are
# used as features. Eight trajectories are learned. The other two are embedded as new
# frames, one at a time. The map has not seen the angles. `alpha=0.5` is for dynamics:
# in the limit of many frames, the walk has the slow coordinates of the molecule's own
# motion (those of the Fokker-Planck operator, see Coifman and Lafon 2006).

# %%
learned, new = distances[:16_000], distances[16_000:]
diffusion = DiffusionMap(n_components=4, alpha=0.5, random_state=0).fit(learned)
coordinates = diffusion.transform(new)
psi = (np.degrees(angles[16_000:, 1]) + 180) % 360 - 180
plot_embedding(coordinates, np.round(psi))
_ = plt.gca().set(title="new frames, by ψ in degrees", aspect="auto")

# %% [markdown]
# The first coordinate separates the two valleys of $\psi$, although the map was trained
# without the angles. The area under the ROC curve is close to 1.

# %%
is_right = (psi > -40) & (psi < 140)
area = roc_auc_score(is_right, coordinates[:, 0])
print(f"AUC of the first coordinate: {max(area, 1 - area):.4f}")

# %% [markdown]
# ## Eigenvalues and time
#
# The eigenvalue $\gamma_k$ of the walk is the fraction of coordinate $k$ that remains
# after one step. After $t$ steps, $\gamma_k^t$ remains. You can change the time without
# a new fit. At larger times only the slowest coordinates remain.

# %%
print("eigenvalues of the walk:", np.round(diffusion.transition_eigenvalues_, 3))
for time in (1, 10, 100):
    rows = diffusion.set_params(diffusion_time=time).transform(new)
    print(f"t = {time:3}: spread of the coordinates", np.round(rows.std(axis=0), 3))
plot_eigenvalues(diffusion.eigenvalues_)
_ = plt.gca().set(title="eigenvalues of the Laplacian, 1 − γ")

# %% [markdown]
# ## What the density does
#
# `alpha` sets how much of the point density is removed from the walk. With `alpha=0`,
# the walk stays longer where points are dense. With `alpha=1`, the default of
# `DiffusionMap`, the map depends only on the shape of the set. A circle is a simple
# test. Its eigenvalues are 1, 1, 4, 4, 9, ... in units of the first, and its
# eigenvectors are waves along the circle, for any distribution of the points. Here one
# side has 19 times as many points as the other.

# %%
angle = rng.uniform(0, 2 * np.pi, 40_000)
angle = angle[rng.uniform(0, 1.9, len(angle)) < 1 + 0.9 * np.cos(angle)][:12_000]
circle = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
waves = np.stack([f(k * angle) for k in (1, 2) for f in (np.cos, np.sin)], axis=1)
num_neighbors = 400  # of 4,000 points
neighbors = knn_graph(torch.from_numpy(circle[:4_000]), num_neighbors)
bandwidth = 0.5 * float(neighbors.edge_distance.median())
constant = np.ones(len(circle))
for alpha in (0.0, 1.0):
    uneven = DiffusionMap(
        4,
        alpha=alpha,
        bandwidth=bandwidth,
        n_neighbors=num_neighbors,
        reference_size=4_000,
        random_state=0,
    ).fit(circle)
    values = uneven.eigenvalues_[:4] / uneven.eigenvalues_[0]
    rows = np.column_stack([constant, uneven.transform(circle)])
    distance = grassmann_distance(rows, np.column_stack([constant, waves]))
    print(f"alpha={alpha}: eigenvalues {np.round(values, 2)}, d_G {distance:.3f}")

# %% [markdown]
# To remove the density, the kernel must be near zero at the farthest neighbor where
# points are densest, and still reach some neighbors where they are sparsest. An uneven
# set therefore needs more neighbors, and a bandwidth well below their distances.
#
# ## Cells
#
# Developing cells lie along a tree. Here a stem splits into two branches. Each branch
# moves through 30 genes of its own, and every measurement is noisy.


# %%
def cells(num_cells):
    progress, branch = rng.uniform(0, 2, num_cells), rng.integers(0, 2, num_cells)
    programs = np.random.default_rng(1).normal(size=(3, 30))
    stem, later = np.minimum(progress, 1), np.maximum(progress - 1, 0)
    means = stem[:, None] * programs[0] + later[:, None] * programs[1 + branch]
    genes = means + 0.15 * rng.normal(size=means.shape)
    stage = np.where(progress < 1, "stem", np.where(branch == 0, "left", "right"))
    return genes.astype(np.float32), stage


genes, stage = cells(3_000)
query, query_stage = cells(1_000)

# %% [markdown]
# Single-cell tools build a graph of the cells first. Here the graph is from
# scikit-learn; scanpy stores its graph in `adata.obsp["connectivities"]`.
# `AddSpectralPE` gives the exact diffusion map of such a graph. `BASiS` learns it, so
# query cells, which are not in the graph, are embedded from their genes alone.

# %%
graph = kneighbors_graph(genes, 15)
graph = graph.maximum(graph.T).tocoo()
data = Data(
    x=torch.from_numpy(genes),
    edge_index=torch.from_numpy(np.stack([graph.row, graph.col]).astype(np.int64)),
    edge_weight=torch.from_numpy(graph.data),
)
exact = AddSpectralPE(2, laplacian="rw", alpha=1.0)(data.clone()).spectral_pe
basis = BASiS(n_components=2, alpha=1.0, diffusion_time=1.0, random_state=0).fit(data)
print(f"d_G to the exact map: {grassmann_distance(basis.transform(data), exact):.4f}")
plot_embedding(basis.transform(torch.from_numpy(query)), query_stage)
_ = plt.gca().set(title="query cells, never in the graph", aspect="auto")

# %% [markdown]
# ## Where to go from here
#
# - `model.save("map.pt")` and `DiffusionMap.load("map.pt")` store a map for the next
#   experiment.
# - `python -m benchmarks run diffusion_maps` does the same on alanine dipeptide and on
#   scanpy's cells, and compares with pydiffmap and scanpy.
# - [3. Positional encodings](3_positional_encodings.ipynb) covers given graphs in more
#   detail.
