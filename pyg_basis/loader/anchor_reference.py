from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_basis.align import Alignment, LeastSquares
from pyg_basis.align.fit_affine import Aligner
from pyg_basis.align.fixed_part import fixed_part
from pyg_basis.loader._without_autocast import without_autocast
from pyg_basis.loader.batch_embedding import BatchEmbedding
from pyg_basis.loader.exact_embedding import ExactEmbedding
from pyg_basis.loader.warm_start import WarmStart


@dataclass(frozen=True, eq=False)
class AnchorReference:
    r"""The reference space: the anchors, their rows in it, and the rule that
    brings any batch into it (Algorithm 1 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_).

    Args:
        anchors (Tensor): Features of the anchors, :obj:`[l, d]`.
        rows (Tensor): Their rows of the reference embedding, :obj:`[l, K]`.
        embedding (ExactEmbedding): How a batch is embedded.
        aligner (LeastSquares or RANSAC or Orthogonal, optional): How the
            affine map is fitted. (default: :class:`LeastSquares`)
        start (WarmStart, optional): What batches start from; without one, the
            :obj:`rows`, which tell less. (default: :obj:`None`)
        num_oversamples (int, optional): Eigenvectors of a batch, beyond its first
            :math:`K`, that the map to the reference may draw on. The eigenvectors of
            a larger set are not all among the first of a small one where no gap
            follows. (default: :obj:`0`)
    """

    anchors: Tensor
    rows: Tensor
    embedding: ExactEmbedding
    aligner: Aligner = field(default_factory=LeastSquares)
    start: WarmStart | None = None
    num_oversamples: int = 0

    @classmethod
    def from_sample(
        cls,
        anchors: Tensor,
        others: Tensor,
        embedding: ExactEmbedding,
        aligner: Aligner | None = None,
    ) -> "AnchorReference":
        r"""Embeds the reference set, the :obj:`anchors [l, d]` and
        :obj:`others [m - l, d]`, and keeps the anchors' rows. The anchors remain what
        they are, also where they leave a direction open, which then is learned as zero
        (see :meth:`MovingReference.from_sample`).

        Raises:
            ValueError: If there are no other nodes, fewer anchors than an
                affine map between the embeddings needs, or the two differ in
                width.
        """
        num_anchors = anchors.size(0)
        if anchors.shape[1:] != others.shape[1:]:
            raise ValueError(
                f"anchors have shape {tuple(anchors.shape)} and others "
                f"{tuple(others.shape)}: give both the same features"
            )
        embedding.check_num_anchors(num_anchors, num_anchors + others.size(0))
        operator = embedding.operator(torch.cat([anchors, others]))
        start = WarmStart.of(
            operator, embedding.num_pairs, num_anchors, embedding.solver
        )
        rows = start.rows[:, int(embedding.drop_trivial) : embedding.num_pairs]
        return cls(anchors, rows, embedding, aligner or LeastSquares(), start)

    @cached_property
    def batches(self) -> BatchEmbedding:
        r"""How batches are embedded."""
        start = self.start or WarmStart(self.rows)
        widened = self.embedding.widened(self.num_oversamples)
        return BatchEmbedding(self.anchors, widened, start)

    def targets(self, x: Tensor) -> Data:
        r"""Joins the anchors and the new nodes :obj:`x [m - l, d]`, embeds
        them together and aligns the result to the reference (Eq. 12-14).

        Returns:
            Data: With features :obj:`x [m, d]` (anchors first), targets
            :obj:`y [m, K]`, :obj:`eigenvalues [K]`, :obj:`degree [m]`,
            :obj:`anchor_mask [m]`, and the batch's diagnostics:
            :obj:`residual` and :obj:`rank` of the alignment,
            :obj:`num_components` and :obj:`converged` of the graph's
            eigenpairs.

        Raises:
            ValueError: If :obj:`x` is no matrix of the anchors' width.
        """
        num_anchors, num_features = self.anchors.shape
        if x.dim() != 2 or x.size(1) != num_features or x.size(0) == 0:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected [nodes, {num_features}] with "
                f"at least one node: the anchors have {num_features} features"
            )
        # The anchors say where and how precisely the work is done.
        x = x.to(self.anchors)
        # The targets are constants of the regression.
        with torch.no_grad(), without_autocast(x.device):
            embedded = self.batches(x.detach())
            rows, alignment = aligned_to(
                self.rows, embedded.vectors, self.aligner, self.embedding.num_constant
            )
        joined = torch.cat([self.anchors, x])
        is_anchor = torch.arange(joined.size(0), device=joined.device) < num_anchors
        return Data(
            x=joined,
            y=rows,
            eigenvalues=embedded.values[: self.embedding.num_eigenvectors],
            degree=embedded.degree,
            anchor_mask=is_anchor,
            residual=alignment.residual,
            rank=alignment.rank,
            num_components=embedded.num_components,
            converged=embedded.converged,
        )

    def to(self, device: str | torch.device) -> "AnchorReference":
        r"""The same reference on another device."""
        return replace(
            self,
            anchors=self.anchors.to(device),
            rows=self.rows.to(device),
            start=self.start and self.start.to(device),
        )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(num_anchors={self.rows.size(0)}, "
            f"num_eigenvectors={self.rows.size(1)})"
        )


def aligned_to(
    reference: Tensor, vectors: Tensor, aligner: Aligner, num_constant: int
) -> tuple[Tensor, Alignment]:
    r"""Brings a batch's eigenvectors :obj:`[m, p]` into the basis of the anchors' rows
    :obj:`reference [l, K]`; the anchors are the batch's first nodes.

    The first :obj:`num_constant` columns are the same in every batch. Left in, they
    would make the anchors rank-deficient beside the shift of the map.
    """
    mapped = vectors[:, num_constant:]
    num_anchors = reference.size(0)
    alignment = aligner.fit(
        mapped[:num_anchors], reference[:, num_constant:].to(mapped)
    )
    mapped, rank = fixed_part(mapped, alignment.inliers)
    alignment = replace(alignment, rank=torch.minimum(alignment.rank, rank))
    rows = torch.cat([vectors[:, :num_constant], alignment.apply(mapped)], dim=1)
    return rows, alignment
