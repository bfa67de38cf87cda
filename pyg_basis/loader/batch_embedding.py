from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from pyg_basis.eigen import LOBPCG, Eigenpairs, FilterWindow, Solver, eigenpairs
from pyg_basis.eigen._trivial_first import turned_to_trivial
from pyg_basis.eigen.filtered_subspace import Subspace, filtered_subspace
from pyg_basis.graph import Landmarks, Laplacian, neighbor_laplacian
from pyg_basis.graph.dense_laplacian import dense_laplacian
from pyg_basis.loader.exact_embedding import (
    ZERO_EIGENVALUE,
    ExactEmbedding,
    SpectralRows,
)
from pyg_basis.loader.warm_start import WarmStart

# Eigenpairs that one filter of a known window finds, at most. Of more the window is
# refused in most batches, and its products are lost.
MOST_FILTERED = 64


@dataclass(frozen=True, eq=False)
class BatchEmbedding:
    r"""Embeds batches that share their first nodes, each exactly, from a warm start.

    What all batches have in common is used: the mutual distances of the anchors, and
    their rows of an earlier embedding. These rows, extended to the other nodes by one
    product with the normalised affinities (the Nyström formula without its
    eigenvalue), span a space close to the wanted one. One Chebyshev filter brings it
    there, see :class:`~pyg_basis.eigen.LOBPCG`. The residuals are held against the
    tolerance as ever, and what has not converged starts anew.

    Args:
        anchors (Tensor): Features of the first nodes, :obj:`[l, d]`.
        embedding (ExactEmbedding): How a batch is embedded.
        start (WarmStart): What is known of any batch.
    """

    anchors: Tensor
    embedding: ExactEmbedding
    start: WarmStart

    @cached_property
    def landmarks(self) -> Landmarks:
        r"""The anchors, with what their graphs have in common."""
        return Landmarks(self.anchors)

    def __call__(self, x: Tensor) -> SpectralRows:
        r"""Embeds the anchors and further nodes :obj:`x [m - l, d]`; the result is
        that of :class:`ExactEmbedding` for all of them together.

        Raises:
            ValueError: If features are not finite, or there are too few nodes for
                the neighbours or eigenvectors of the :obj:`embedding`.
        """
        self.embedding.check_num_nodes(self.anchors.size(0) + x.size(0))
        space, window = self.embedding, self.start.window
        if self.anchors.is_cuda and window is not None and space.solver == "auto":
            return self.on_device(x, window)
        operator = neighbor_laplacian(
            self.landmarks, x, space.num_neighbors, space.bandwidth, self.kind
        )
        solver: str | Solver = space.solver
        if solver == "auto":
            is_narrow = space.num_pairs <= MOST_FILTERED
            solver = LOBPCG(window=window) if is_narrow else "lanczos"
        pairs = eigenpairs(
            operator, space.num_pairs, solver, x0=self.extended(operator)
        )
        num_components = _num_components(operator, pairs.values)
        return self._rows(operator, pairs, num_components)

    def on_device(self, x: Tensor, window: FilterWindow) -> SpectralRows:
        r"""The same where the anchors are, without the host reading a number.
        :obj:`num_components` and :obj:`converged` are tensors then, and a batch with
        features that are not finite, or neighbours that are not certain, counts as
        not converged."""
        space = self.embedding
        points = torch.cat([self.anchors, x.to(self.anchors)])
        is_finite = points.isfinite().all()
        points = torch.nan_to_num(points, 0.0, 0.0, 0.0)
        operator, are_certain = dense_laplacian(
            points, space.num_neighbors, space.bandwidth, self.kind
        )
        bound = 2 * operator.degree.max() if self.kind == "comb" else 2.0
        pairs = filtered_subspace(
            operator.matrix / bound, space.num_pairs, window, self.extended(operator)
        )
        values = pairs.values * bound
        is_zero = values < _zero(operator)
        pairs = Subspace(
            values,
            turned_to_trivial(pairs.vectors, is_zero[:-1], operator.trivial()),
            pairs.converged & is_finite & are_certain,
        )
        return self._rows(operator, pairs, is_zero.sum())

    @property
    def kind(self) -> Literal["sym", "comb"]:
        r"""The Laplacian that is decomposed."""
        return "comb" if self.embedding.laplacian == "comb" else "sym"

    def _rows(
        self,
        operator: Laplacian,
        pairs: Eigenpairs | Subspace,
        num_components: int | Tensor,
    ) -> SpectralRows:
        first, last = int(self.embedding.drop_trivial), self.embedding.num_pairs
        vectors = pairs.vectors[:, first:last]
        if self.embedding.laplacian == "rw":
            vectors = vectors * operator.degree.rsqrt().unsqueeze(1)
        scale = operator.num_nodes**0.5 / vectors.norm(dim=0)
        return SpectralRows(
            vectors=(vectors * scale).to(self.anchors),
            values=pairs.values[first:last].to(self.anchors),
            all_values=pairs.values[:last].to(self.anchors),
            degree=operator.degree.to(self.anchors),
            num_components=num_components,
            converged=pairs.converged,
        )

    def extended(self, operator: Laplacian) -> Tensor:
        r"""The anchors' rows and their extension, in the form of the operator's
        eigenvectors, :obj:`[m, p]`. Nodes without an anchor among their neighbours
        have zeros."""
        num_anchors, width = self.start.rows.shape
        kind = self.embedding.laplacian
        root = operator.degree.sqrt() if kind != "comb" else operator.degree.new_ones(1)
        root = root.unsqueeze(1).expand(operator.num_nodes, 1)
        rows = self.start.rows.detach().to(root)
        if kind == "sym":
            rows = rows / root[:num_anchors]
        known = root.new_zeros(operator.num_nodes, width + 1)
        known[:num_anchors, :width] = rows * root[:num_anchors]
        known[:num_anchors, width:] = root[:num_anchors]
        # Off the diagonal the Laplacian is the affinity, normalised and negative.
        start = operator.matrix @ known
        start, mass = start[:, :width], start[:, width:]
        start = root * torch.where(mass < 0, start / mass, 0.0)
        start[:num_anchors] = known[:num_anchors, :width]
        return start


def _num_components(operator: Laplacian, values: Tensor) -> int:
    r"""Parts of the graph: as it is connected, or, where bonds are so weak that they
    count for nothing, as the eigenvalues known show."""
    num_zero = int((values < _zero(operator)).sum())
    return max(int(operator.components.max()) + 1, num_zero)


def _zero(operator: Laplacian) -> float | Tensor:
    r"""Eigenvalues below count as zero."""
    scale = operator.degree.max() if operator.kind == "comb" else 1.0
    return ZERO_EIGENVALUE * scale
