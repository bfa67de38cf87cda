from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pyg_basis.align import Aligner
from pyg_basis.align.align_to_anchors import align_to_anchors
from pyg_basis.align.aligner import keeps_width
from pyg_basis.reference.choose_anchors import choose_anchors
from pyg_basis.reference.exact_embedding import ExactEmbedding, SpectralRows

# Number of eigenvectors of a batch beyond its first K that the map to a larger
# reference uses.
NUM_OVERSAMPLES = 6


@dataclass(frozen=True, eq=False)
class Reference:
    r"""The reference space: an embedding that is computed once, and the rule that
    aligns batches to it (`BASiS <https://arxiv.org/abs/2211.16960>`_).

    Args:
        anchors (Tensor): Features of the anchors, :obj:`[l, d]`.
        rows (Tensor): Rows of the reference embedding, anchors first, :obj:`[m, K]`.
        nodes (Tensor): Indices of these rows among the given nodes, :obj:`[m]`.
        num_nodes (int): Number of given nodes.
        embedding (ExactEmbedding): How the set and all batches are embedded.
        aligner (LeastSquares or RANSAC or Orthogonal or MomentPreserving): How the
            affine map from a batch to the reference is fitted.
    """

    anchors: Tensor
    rows: Tensor
    nodes: Tensor
    num_nodes: int
    embedding: ExactEmbedding
    aligner: Aligner

    @property
    def num_anchors(self) -> int:
        r"""The number of anchors :math:`l`."""
        return self.anchors.size(0)

    @property
    def anchor_rows(self) -> Tensor:
        r"""The anchors' rows of the reference embedding, :obj:`[l, K]`."""
        return self.rows[: self.num_anchors]

    def to(self, device: str | torch.device) -> "Reference":
        r"""Returns the same reference on another device."""
        return replace(
            self,
            anchors=self.anchors.to(device),
            rows=self.rows.to(device),
            nodes=self.nodes.to(device),
        )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(reference_size={self.rows.size(0)}, "
            f"num_anchors={self.num_anchors}, num_eigenvectors={self.rows.size(1)})"
        )


def aligned(
    embed: Callable[[ExactEmbedding], SpectralRows],
    embedding: ExactEmbedding,
    aligner: Aligner,
    anchor_rows: Tensor,
    reference_size: int,
    num_nodes: int,
) -> tuple[SpectralRows, Tensor, dict[str, Any]]:
    r"""Embeds a batch and aligns it to a reference (Eq. 12-14).

    Without a gap, the first eigenvectors of a larger set are not all among the first of
    a small one. The map to a larger reference then uses some more columns, as many as
    the anchors determine.

    Args:
        embed (callable): Embeds the batch, anchors first, as its argument says.
        embedding (ExactEmbedding): How the reference set is embedded.
        aligner (LeastSquares or RANSAC or Orthogonal or MomentPreserving): How the
            affine map is fitted.
        anchor_rows (Tensor): The anchors' rows of the reference, :obj:`[l, K]`.
        reference_size (int): Number of nodes of the reference set.
        num_nodes (int): Number of nodes in the graph of the batch.

    Returns:
        tuple: The embedding of the batch, its aligned rows :obj:`[m, K]`, and its
        diagnostics: :obj:`residual`, :obj:`rank` and :obj:`consensus` of the alignment,
        :obj:`num_components` of the graph, :obj:`converged` and :obj:`fell_back` of the
        eigensolver.
    """
    num_more = 0
    if reference_size > num_nodes and not keeps_width(aligner):
        # A map fitted to few anchors would follow their noise.
        room = max(len(anchor_rows) // 3 - embedding.least_anchors, 0)
        num_more = min(NUM_OVERSAMPLES, room)
    found = embed(embedding.widened(num_more))
    rows, alignment = align_to_anchors(
        found.vectors, anchor_rows, aligner, embedding.num_constant
    )
    diagnostics = {
        "residual": float(alignment.residual),
        "rank": int(alignment.rank),
        "consensus": alignment.consensus,
        "num_components": found.num_components,
        "converged": found.converged,
        "fell_back": found.fell_back,
    }
    return found, rows, diagnostics


def reference_nodes(
    x: Tensor,
    num_anchors: int,
    anchor_index: Tensor | None,
    reference_size: int,
    seed: int,
) -> Tensor:
    r"""Draws the nodes of a reference set, the anchors first, :obj:`[m]`.

    Args:
        x (Tensor): The nodes' features, :obj:`[n, d]`.
        num_anchors (int): Number of anchors :math:`l`.
        anchor_index (Tensor, optional): The anchors' rows in :obj:`x`, :obj:`[l]`; by
            default chosen by :func:`~pyg_basis.reference.choose_anchors`.
        reference_size (int): Nodes of the set :math:`m`, or all if there are fewer.
        seed (int): Seed of the sampling.

    Raises:
        ValueError: If the anchors are not distinct rows of :obj:`x`.
    """
    if anchor_index is None:
        anchor_index = choose_anchors(x, num_anchors, seed=seed)
    anchor_index = anchor_index.cpu()
    distinct = anchor_index.unique()
    is_index = anchor_index.dtype == torch.long
    in_range = bool(((distinct >= 0) & (distinct < x.size(0))).all())
    shapes = {anchor_index.shape, distinct.shape}
    if shapes != {(num_anchors,)} or not is_index or not in_range:
        raise ValueError(
            f"anchor_index must hold num_anchors={num_anchors} different rows of "
            f"x, from 0 to {x.size(0) - 1}, got {distinct.numel()} different ones "
            f"in shape {tuple(anchor_index.shape)} of {anchor_index.dtype}"
        )
    generator = torch.Generator().manual_seed(int(seed))
    others = torch.randperm(x.size(0), generator=generator)
    others = others[~torch.isin(others, anchor_index)]
    size = min(reference_size, x.size(0))
    return torch.cat([anchor_index, others[: size - num_anchors]]).to(x.device)
