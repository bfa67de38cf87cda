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
# # 3. Positional encodings in a GNN
#
# A graph neural network sees the neighbors of a node, and their neighbors. It does not
# see where in the graph these nodes are. *Positional encodings* provide this: a few
# numbers for each node, in addition to its features. The usual ones are the node's row
# of the first eigenvectors of the graph Laplacian. These are its coordinates in the
# layout that bends the graph least.
#
# This notebook shows the problems of these encodings and two ways to avoid them: exact
# encodings that are the same in every call, and learned ones that do not move when the
# graph changes. [1. What BASiS does](1_what_basis_does.ipynb) explains the terms.

# %%
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GCNConv
from torch_geometric.transforms import AddLaplacianEigenvectorPE

from pyg_basis import BASiS
from pyg_basis.datasets import digits
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.transforms import AddBASiSPE, AddSpectralPE

K = 8
images = digits()
_ = torch.default_generator.manual_seed(0)

# %% [markdown]
# The graph connects each of scikit-learn's digits to the ten most similar ones. You can
# use any PyG `Data` with `edge_index` instead, for example
# `Planetoid(root, "Cora")[0]`.

# %%
neighbors = affinity(knn_graph(images.x_train, 10))
graph = Data(x=images.x_train, y=images.y_train, edge_index=neighbors.edge_index)
print(graph)

# %% [markdown]
# ## Signs
#
# If $v$ is an eigenvector, so is $-v$. PyG draws the sign of every column at random in
# every call. A model trained with one choice does not know the other. In the left plot,
# positive values in one call are negative in the next. `AddSpectralPE` makes the entry
# of largest magnitude positive and starts its solver from a seed. It gives the same
# rows in each call and each process.

# %%
pyg = AddLaplacianEigenvectorPE(K, "pe", is_undirected=True)
ours = AddSpectralPE(K, "pe")
shown = torch.randperm(graph.num_nodes)[:300]

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), dpi=100)
for axis, transform in zip(axes, (pyg, ours), strict=True):
    first, second = (transform(graph).pe[shown, 0] for _ in range(2))
    while transform is pyg and torch.equal(first.sign(), second.sign()):
        second = transform(graph).pe[shown, 0]  # in half of the calls
    scale = first.abs().max()
    axis.scatter(first / scale, second / scale, c=graph.y[shown], cmap="tab10", s=12)
    axis.set(xlabel="first column, one call", title=type(transform).__name__)
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
axes[0].set_ylabel("the same column, another call")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Graphs of several parts
#
# In a disconnected graph, the first eigenvectors only separate the components: they are
# constant on each. `AddSpectralPE` embeds every component separately. So a graph has
# the same rows alone and in a batch. The eigenvalues are stored too, for models that
# use them.

# %%
edges = torch.stack([torch.arange(29), torch.arange(1, 30)])
path = Data(edge_index=torch.cat([edges, edges.flip(0)], dim=1), num_nodes=30)
ring = path.clone()
ring.edge_index = torch.cat([path.edge_index, torch.tensor([[0, 29], [29, 0]])], dim=1)
batch = Batch.from_data_list([path, ring, path])

figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), dpi=100, sharey=True)
for axis, transform in zip(axes, (pyg, ours), strict=True):
    rows = transform(batch).pe[:, :2]
    axis.plot(rows / rows.abs().amax(dim=0), lw=1.5)
    axis.set(title=type(transform).__name__, xlabel="node")
    for border in (29.5, 59.5):
        axis.axvline(border, color="0.7", lw=1)
    for place, name in ((15, "path"), (45, "ring"), (75, "path")):
        axis.text(place, 1.15, name, ha="center", va="bottom", color="0.4")
    axis.set_ylim(-1.2, 1.4)
axes[0].set_ylabel("first two columns")
figure.tight_layout()
plt.show()
print("eigenvalues of the path:", ours(path).pe_eigenvalues[0, :3].tolist())

# %% [markdown]
# ## Nodes that come and go
#
# Exact eigenvectors belong to one graph. If a few nodes are removed, all rows change. A
# node that arrives later has no row until the whole graph is decomposed again, and then
# all other rows have moved.
#
# A `BASiS` model learns to predict a node's row from its features. `fit` takes the
# graph with its edges, and `AddBASiSPE` gives the rows. A node's row then depends only
# on that node.

# %%
model = BASiS(K, random_state=0)
model.set_params(batch_size=1024, max_iter=150).fit(graph)
learned = AddBASiSPE(model, "pe")

order = torch.randperm(graph.num_nodes)
kept = order[graph.num_nodes // 100 :].sort().values  # without 1 % of the nodes
smaller = graph.subgraph(kept)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), dpi=100)
for axis, transform in zip(axes, (pyg, ours, learned), strict=True):
    before, after = transform(graph).pe[kept, :2], transform(smaller).pe[:, :2]
    scale = before.square().mean().sqrt() * 2**0.5
    moved = (after - before).norm(dim=1) / scale
    for start, end in zip(before[::7] / scale, after[::7] / scale, strict=True):
        axis.plot(*zip(start, end, strict=True), color="0.75", lw=0.8, zorder=1)
    points = (after[::7] / scale).T
    axis.scatter(*points, c=smaller.y[::7], cmap="tab10", s=10, zorder=2)
    axis.set(aspect="equal", xticks=[], yticks=[])
    axis.set_title(f"{type(transform).__name__}\nmoved by {100 * moved.mean():.1f} %")
figure.suptitle(
    "two columns with all nodes (line's start) and without 1 % (dot)", y=0.04
)
figure.tight_layout(rect=(0, 0.06, 1, 1))
plt.show()

# %% [markdown]
# Digits that the model has never seen have rows as well, without any edges or graph.

# %%
later = learned(Data(x=images.x_test))
seen = learned(graph)
figure, axis = plt.subplots(figsize=(5, 4), dpi=100)
axis.scatter(*seen.pe[:, :2].T, color="0.85", s=10, label="in the graph")
dots = axis.scatter(*later.pe[:, :2].T, c=images.y_test, cmap="tab10", s=10)
axis.legend(
    *dots.legend_elements(),
    title="later",
    loc="center left",
    bbox_to_anchor=(1, 0.5),
    frameon=False,
)
axis.set(xlabel="first column", ylabel="second column", aspect="equal")
plt.show()

# %% [markdown]
# ## In a network
#
# The comparison uses a small GCN with few labels: without encodings, and with each of
# the three encodings in addition to the pixels (all scaled to mean square 1). All runs
# use the same five splits of the nodes and the same starting weights. 200 nodes select
# the epoch, and the others measure the accuracy.


# %%
class GCN(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.first, self.second = GCNConv(in_channels, 32), GCNConv(32, 10)

    def forward(self, x, edge_index):
        hidden = self.first(F.dropout(x, 0.3, self.training), edge_index).relu()
        return self.second(F.dropout(hidden, 0.3, self.training), edge_index)


def accuracy_of(x, seed, labels=3):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x), generator=generator)
    y = graph.y
    train = torch.cat([order[y[order] == digit][:labels] for digit in range(10)])
    rest = order[~torch.isin(order, train)]
    torch.default_generator.manual_seed(seed)
    gcn, best = GCN(x.size(1)), (0.0, 0.0)
    optimizer = torch.optim.Adam(gcn.parameters(), lr=0.01, weight_decay=5e-4)
    for _ in range(100):
        gcn.train()
        optimizer.zero_grad()
        F.cross_entropy(gcn(x, graph.edge_index)[train], y[train]).backward()
        optimizer.step()
        gcn.eval()
        with torch.no_grad():
            right = gcn(x, graph.edge_index).argmax(dim=1) == y
        parts = right[rest].float().split([200, len(rest) - 200])
        best = max(best, tuple(float(part.mean()) for part in parts))
    return best[1]


print("three labels a digit, accuracy of a GCN in %")
for transform in (None, pyg, ours, learned):
    name, x = "no encodings", graph.x
    if transform is not None:
        name, rows = type(transform).__name__, transform(graph).pe
        x = torch.cat([x, rows / rows.square().mean(dim=0).sqrt()], dim=1)
    found = 100 * torch.tensor([accuracy_of(x, seed) for seed in range(5)])
    print(f"  {name:26} {found.mean():.1f} ± {found.std():.1f}")

# %% [markdown]
# The neighbors already contain most of the information about a digit, so encodings add
# little here. This can differ on other graphs, and in a graph transformer, whose
# attention does not see neighbors. `examples/` contains scripts to try.
#
# ## What to take along
#
# - Use `AddSpectralPE(k)` for one graph or for many small ones. It is exact, the same
#   in every call, and embeds each component separately.
# - Use `BASiS(...).fit(data)` and `AddBASiSPE(model)` if nodes arrive later or the
#   graph changes. A row is then a function of the node's features, and it is only as
#   good as these. Adding the means over a node's neighbors gives the network more
#   information.
# - `laplacian="rw"` is the form to learn. The other form contains the square root of
#   the degree as a factor, which the features do not contain.
