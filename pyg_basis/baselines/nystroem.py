from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from pyg_basis.baselines._baseline import Baseline
from pyg_basis.baselines._batches import draw
from pyg_basis.estimators._parameters import Rule, is_positive, one_of
from pyg_basis.graph import knn_graph
from pyg_basis.graph.affinity import median_distance

# Share of an eigenvector that its neighbours' average keeps, below which the rest is
# rounding.
LOST = 1e-6
# Times the neighbours of a new point: among so many, those are looked for that it is
# itself a neighbour of.
CANDIDATES = 4
# Relative, of distances in single precision.
ROUNDING = 1e-5


class NystroemEmbedding(Baseline):
    r"""The exact eigenvectors of the graph of the points, or of a sample of them,
    extended to new ones by the Nystroem formula: `"Out-of-Sample Extensions for LLE,
    Isomap, MDS, Eigenmaps, and Spectral Clustering" <https://papers.nips.cc/paper/2003/
    hash/cf05968255451bdefe3c5bc64d550517-Abstract.html>`_ (Bengio et al. 2004),
    Section 3.

    .. math::
        \phi_j(x) = \frac{1}{1 - \lambda_j} \sum_i
        \frac{w(x, x_i)}{\sqrt{d(x) \, d_i}} \phi_{ij},
        \qquad d(x) = \sum_i w(x, x_i)

    The sum is over the points that the new one would have an edge with: its nearest
    ones, and those to which it is among the nearest (as far as they are among its own
    nearest four times as many), with the bandwidths that the graph's own affinities
    have; without the degrees' roots and with :math:`1 / d(x)` for
    :obj:`laplacian="rw"`. All points of the graph are kept, and searched for each new
    one. Their rows, in :obj:`embedding_`, are exact; :meth:`transform` takes every
    point for a new one.

    Args:
        n_components (int): Columns of the embedding :math:`K`. (default: :obj:`2`)
        sample_size (int, optional): Points that the graph is made of, drawn at
            random; all of them if not given. (default: :obj:`None`)
        n_neighbors (int): Neighbours of a node. (default: :obj:`50`)
        laplacian (str): :obj:`"sym"` or :obj:`"rw"`. (default: :obj:`"sym"`)
        bandwidth (str or float): See :func:`~pyg_basis.graph.affinity`.
            (default: :obj:`"self_tuning"`)
        random_state (int, RandomState or None): Which points the sample has. Nothing
            else is random here. (default: :obj:`None`)
    """

    _rules: ClassVar[dict[str, Rule]] = {"laplacian": one_of("sym", "rw")}

    def __init__(
        self,
        n_components: int = 2,
        *,
        sample_size: int | None = None,
        n_neighbors: int = 50,
        laplacian: Literal["sym", "rw"] = "sym",
        bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.sample_size = sample_size
        self.n_neighbors = n_neighbors
        self.laplacian = laplacian
        self.bandwidth = bandwidth
        self.random_state = random_state

    @property
    def embedding_(self) -> Tensor:
        r"""The exact rows of the points of the graph, :obj:`[n, K]`."""
        return self.module_.get_buffer("embedding")

    def _new_module(self, num_features: int, num_points: int) -> nn.Module:
        num_nodes = self._num_in_graph(num_points)
        return _Extension(num_features, num_nodes, self.n_components, self.n_neighbors)

    def _train(
        self, module: "_Extension", x: Tensor, generator: torch.Generator
    ) -> list[float]:
        if len(module.points) < len(x):
            x = x[draw(len(x), len(module.points), generator)]
        exact = self._space()(x)
        graph = knn_graph(x, self.n_neighbors)
        radii = graph.edge_distance.view(-1, self.n_neighbors)[:, -1]
        scales = radii
        if self.bandwidth != "self_tuning":
            sigma = self.bandwidth
            if not is_positive(sigma):
                sigma = median_distance(graph.edge_distance)
            # exp(-d^2 / (2 sigma^2)) is the self-tuning form with equal scales.
            scales = torch.full_like(scales, float(sigma) * 2**0.5)
            module.has_own_scale.fill_(False)
        is_sym = self.laplacian == "sym"
        module.points.copy_(x)
        module.embedding.copy_(exact.vectors)
        module.eigenvalues.copy_(exact.values)
        module.radii.copy_(radii)
        module.scales.copy_(scales)
        root = exact.degree.sqrt() if is_sym else torch.ones_like(exact.degree)
        module.roots.copy_(root)
        module.power.fill_(0.5 if is_sym else 1.0)
        return []


class _Extension(nn.Module):
    points: Tensor
    embedding: Tensor
    eigenvalues: Tensor
    radii: Tensor
    scales: Tensor
    roots: Tensor
    power: Tensor
    has_own_scale: Tensor

    def __init__(
        self, num_features: int, num_points: int, num_columns: int, num_neighbors: int
    ) -> None:
        super().__init__()
        self.num_neighbors = num_neighbors
        self.register_buffer("points", torch.zeros(num_points, num_features))
        self.register_buffer("embedding", torch.zeros(num_points, num_columns))
        self.register_buffer("eigenvalues", torch.zeros(num_columns))
        self.register_buffer("radii", torch.zeros(num_points))
        self.register_buffer("scales", torch.ones(num_points))
        self.register_buffer("roots", torch.ones(num_points))
        self.register_buffer("power", torch.tensor(1.0))
        self.register_buffer("has_own_scale", torch.tensor(True))

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[n, K]`` of points ``[n, d]``."""
        num_candidates = min(CANDIDATES * self.num_neighbors, len(self.points))
        search = NearestNeighbors(n_neighbors=num_candidates, algorithm="brute")
        distance, index = search.fit(self.points.numpy()).kneighbors(x.numpy())
        distance, near = torch.from_numpy(distance).to(x), torch.from_numpy(index)
        s_near = self.scales[near]
        radius = distance[:, self.num_neighbors - 1, None]
        s_own = radius if self.has_own_scale else s_near
        # As in the graph: a scale of 0 is that of the other end.
        s_near = torch.where(s_near > 0, s_near, s_own)
        s_own = torch.where(s_own > 0, s_own, s_near)
        ratio = torch.where(distance > 0, (distance / s_own) * (distance / s_near), 0.0)
        weight = torch.exp(-ratio).clamp(min=torch.finfo(x.dtype).tiny)
        # An edge has either end among the nearest of the other, ties included.
        has_edge = distance <= self.radii[near] * (1 + ROUNDING)
        has_edge[:, : self.num_neighbors] = True
        weight = weight * has_edge
        share = weight / weight.sum(dim=1, keepdim=True) ** self.power
        share = share / self.roots[near]
        rows = torch.einsum("nk,nkj->nj", share, self.embedding[near])
        kept = 1 - self.eigenvalues
        # What averaging loses, as where all points are equal, cannot be extended.
        return torch.where(kept.abs() > LOST, rows / kept, 0.0)
