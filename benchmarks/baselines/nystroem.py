from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from benchmarks.baselines.baseline import Baseline
from benchmarks.baselines.training import draw
from benchmarks.lib.exact import exact_space
from pyg_basis.graph import knn_graph

# Share of an eigenvector that its neighbors' average keeps, below which the rest is
# rounding.
LOST = 1e-6
# Times the neighbors of a new point: among so many, those are looked for that it is
# itself a neighbor of.
CANDIDATES = 4
# Relative, of distances in single precision.
ROUNDING = 1e-5


@dataclass(eq=False, repr=False)
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
    nearest four times as many), with the self-tuning bandwidths of the graph; without
    the degrees' roots and with :math:`1 / d(x)` for :obj:`laplacian="rw"`. All points
    of the graph are kept, and searched for each new one. Their rows, in
    :obj:`embedding_`, are exact; :meth:`transform` takes every point for a new one.

    Args:
        sample_size: Points that the graph is made of, drawn at random, which is all
            that is random here; all of them if not given.
        laplacian: :obj:`"sym"` or :obj:`"rw"`.
    """

    _: KW_ONLY
    sample_size: int | None = None
    laplacian: Literal["sym", "rw"] = "sym"

    def _fitted(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[Callable[[Tensor], Tensor], list[float]]:
        if self.sample_size is not None and self.sample_size < len(x):
            x = x[draw(len(x), self.sample_size, generator)]
        space = exact_space(self.n_components, self.n_neighbors, self.laplacian)
        exact = space(x)
        graph = knn_graph(x, self.n_neighbors)
        self._radii = graph.edge_distance.view(len(x), -1)[:, -1].to(x)
        self._points, self.embedding_ = x, exact.vectors.to(x)
        self.eigenvalues_ = exact.values.numpy()
        self._kept, self._roots = 1 - exact.values.to(x), exact.degree.sqrt().to(x)
        return self._extended, []

    def _extended(self, x: Tensor) -> Tensor:
        num_candidates = min(CANDIDATES * self.n_neighbors, len(self._points))
        search = NearestNeighbors(n_neighbors=num_candidates, algorithm="brute")
        found = search.fit(self._points.numpy()).kneighbors(x.numpy())
        distance, near = torch.from_numpy(found[0]).to(x), torch.from_numpy(found[1])
        s_near, radius = self._radii[near], distance[:, self.n_neighbors - 1, None]
        # As in the graph: a scale of 0 is that of the other end.
        s_near = torch.where(s_near > 0, s_near, radius)
        s_own = torch.where(radius > 0, radius, s_near)
        ratio = torch.where(distance > 0, (distance / s_own) * (distance / s_near), 0.0)
        weight = torch.exp(-ratio).clamp(min=torch.finfo(x.dtype).tiny)
        # An edge has either end among the nearest of the other, ties included.
        has_edge = distance <= self._radii[near] * (1 + ROUNDING)
        has_edge[:, : self.n_neighbors] = True
        weight = weight * has_edge
        total = weight.sum(dim=1, keepdim=True)
        if self.laplacian == "sym":
            share = weight / total**0.5 / self._roots[near]
        else:
            share = weight / total
        rows = torch.einsum("nk,nkj->nj", share, self.embedding_[near])
        # What averaging loses, as where all points are equal, cannot be extended.
        return torch.where(self._kept.abs() > LOST, rows / self._kept, 0.0)
