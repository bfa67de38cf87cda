from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_basis.align import LeastSquares, MomentPreserving
from pyg_basis.align.fit_affine import Aligner
from pyg_basis.align.moment_preserving import canonical_correlations
from pyg_basis.graph import Laplacian
from pyg_basis.loader.anchor_reference import AnchorReference
from pyg_basis.loader.choose_anchors import choose_anchors
from pyg_basis.loader.exact_embedding import ExactEmbedding
from pyg_basis.loader.fixing_anchors import are_fixing, fixing_anchors
from pyg_basis.loader.movement import Movement, warn_about_movement
from pyg_basis.loader.warm_start import WarmStart, with_guards

# A direction with a smaller cosine is not in the new space: at 84 degrees and more
# there is nothing left to follow.
LOST = 0.1


class SampleGraph(NamedTuple):
    r"""The graph of a sample of nodes.

    Args:
        x (Tensor): Features of the nodes, :obj:`[m, d]`.
        laplacian (Laplacian): Of their graph, :obj:`[m, m]`.
        eigenvalues (Tensor): Its first eigenvalues with the trivial one, ascending.
    """

    x: Tensor
    laplacian: Laplacian
    eigenvalues: Tensor


@dataclass(frozen=True, eq=False)
class MovingReference:
    r"""A reference space that stays in one basis while the features of its nodes
    change (Algorithm 2 of `BASiS <https://arxiv.org/abs/2211.16960>`_).

    The nodes of the reference set are always the same. When their features have
    changed, :meth:`updated` embeds them again, fits the map :math:`T_G` from their new
    eigenvectors to their rows as they were, and maps everything with it.

    As published, the map is of least squares. What the two spaces do not share makes
    such a map shrink what it maps, and in a chain the shrinkage multiplies, so the
    default is :class:`~pyg_basis.align.MomentPreserving`.

    Args:
        reference (AnchorReference): The anchors with their present features and rows.
        nodes (Tensor): Where the reference set's nodes are among those whose features
            are given, anchors first, :obj:`[m]`.
        rows (Tensor): Their rows, which the next map aims at, :obj:`[m, K]`.
        num_nodes (int): Number of nodes whose features are given.
        graph (SampleGraph, optional): The graph that the rows were embedded by, as long
            as it is known. (default: :obj:`None`)
    """

    reference: AnchorReference
    nodes: Tensor
    rows: Tensor
    num_nodes: int
    graph: SampleGraph | None = None

    @classmethod
    @torch.no_grad()
    def from_sample(
        cls,
        x: Tensor,
        num_anchors: int,
        embedding: ExactEmbedding,
        aligner: Aligner | None = None,
        anchor_index: Tensor | None = None,
        reference_size: int = 512,
        batch_size: int | None = None,
        num_oversamples: int = 0,
        seed: int = 0,
    ) -> "MovingReference":
        r"""Draws and embeds the reference set (Algorithm 1, step 1).

        Where the anchors leave a direction of its embedding open, as where a group of
        nodes has none, some are exchanged for others of the set.

        Args:
            x (Tensor): The nodes' features, :obj:`[n, d]`.
            num_anchors (int): Number of anchors :math:`l`.
            embedding (ExactEmbedding): How the set and all batches are embedded.
            aligner (optional): How batches are aligned to the anchors, see
                :func:`~pyg_basis.align.fit_affine`.
                (default: :class:`~pyg_basis.align.LeastSquares`)
            anchor_index (Tensor, optional): The anchors' rows in :obj:`x`,
                :obj:`[num_anchors]`; by default chosen by
                :func:`~pyg_basis.loader.choose_anchors`. Those in use, after
                exchanges, are the first of :obj:`nodes`.
            reference_size (int, optional): Nodes of the reference set :math:`m`,
                anchors included. (default: :obj:`512`)
            batch_size (int, optional): Nodes that batches will have, anchors
                included, if that is less. Warm starts come from such a set: its
                spectrum is like a batch's. (default: :obj:`None`)
            num_oversamples (int, optional): See
                :class:`~pyg_basis.loader.AnchorReference`. (default: :obj:`0`)
            seed (int, optional): Seed of the draws. (default: :obj:`0`)

        Raises:
            ValueError: If the anchors are no different rows of :obj:`x`, leave no
                other node, or are fewer than an affine map between the embeddings
                needs; or if features are not finite.
        """
        if anchor_index is None:
            anchor_index = choose_anchors(x, num_anchors, seed=seed)
        anchor_index = anchor_index.cpu()
        distinct = anchor_index.unique()
        in_range = bool(((distinct >= 0) & (distinct < x.size(0))).all())
        if distinct.shape != (num_anchors,) or not in_range:
            raise ValueError(
                f"anchor_index must hold num_anchors={num_anchors} different rows of "
                f"x, from 0 to {x.size(0) - 1}, got {distinct.numel()} different ones "
                f"in shape {tuple(anchor_index.shape)}"
            )
        size = min(reference_size, x.size(0))
        embedding.check_num_anchors(
            num_anchors, min(size, batch_size or size), num_oversamples
        )
        generator = torch.Generator().manual_seed(seed)
        others = torch.randperm(x.size(0), generator=generator)
        others = others[~torch.isin(others, anchor_index)]
        nodes = torch.cat([anchor_index, others[: size - num_anchors]]).to(x.device)
        points = x[nodes]
        rows, start, graph = _embed(points, embedding, num_oversamples)
        order = fixing_anchors(rows[:, embedding.num_constant :], num_anchors)
        nodes, points, rows = nodes[order], points[order], rows[order]
        start = replace(start, rows=start.rows[order])
        if batch_size is not None and batch_size < size:
            _, start, _ = _embed(points[:batch_size], embedding, num_oversamples)
        reference = AnchorReference(
            points[:num_anchors],
            rows[:num_anchors],
            embedding,
            aligner or LeastSquares(),
            replace(start, rows=start.rows[:num_anchors]),
            num_oversamples,
        )
        return cls(reference, nodes, rows, x.size(0), graph)

    @torch.no_grad()
    def updated(
        self, x: Tensor, aligner: Aligner | None = None, momentum: float = 0.0
    ) -> tuple["MovingReference", Movement]:
        r"""The same basis under new features of the same nodes.

        Args:
            x (Tensor): Features of all nodes, in the order they had at first,
                :obj:`[n, d]`.
            aligner (optional): How :math:`T_G` is fitted, see
                :func:`~pyg_basis.align.fit_affine`. Where directions are lost, the
                default is used. (default: :class:`~pyg_basis.align.MomentPreserving`)
            momentum (float, optional): Weight of the rows that this map aims at among
                those that the next one does: 0 takes the newest, as published; else
                it is an exponential average. (default: :obj:`0.0`)

        Returns:
            tuple: The new reference, and how far it moved.

        Raises:
            ValueError: If there are more or fewer nodes, or features are not finite.
                Nothing has changed then.

        Warns:
            RuntimeWarning: If directions were lost, or the anchors had to be chosen
                anew. The basis remains complete and finite.
        """
        if not 0 <= momentum < 1:
            raise ValueError(
                f"momentum={momentum} must be at least 0 and below 1: 0 aligns to the "
                f"newest rows"
            )
        num_anchors, num_features = self.reference.anchors.shape
        if x.shape != (self.num_nodes, num_features):
            raise ValueError(
                f"x has shape {tuple(x.shape)}, but the reference was made of "
                f"{self.num_nodes} nodes with {num_features} features: give the "
                f"present features of the same nodes in the same order"
            )
        embedding = self.reference.embedding
        points = x[self.nodes].to(self.reference.anchors)
        vectors, start, graph = _embed(
            points, embedding, self.reference.num_oversamples
        )
        values = graph.eigenvalues

        constant = embedding.num_constant
        mapped, target = vectors[:, constant:], self.rows[:, constant:]
        cosines = canonical_correlations(mapped, target)
        num_lost = int((cosines < LOST).sum())
        # What is lost, least squares flattens, and in all references to come.
        aligner = MomentPreserving() if num_lost or aligner is None else aligner
        alignment = aligner.fit(mapped, target)
        aligned = alignment.apply(mapped)
        rows = torch.cat([vectors[:, :constant], aligned], dim=1)
        change = (rows - self.rows).norm() / self.rows.norm()

        order = torch.arange(len(rows), device=rows.device)
        reanchored = not are_fixing(aligned, num_anchors)
        if reanchored:
            chosen = choose_anchors(points, num_anchors).to(order)
            order = torch.cat([chosen, order[~torch.isin(order, chosen)]])
            order = order[fixing_anchors(aligned[order], num_anchors)]
        warn_about_movement(num_lost, reanchored)

        anchors = order[:num_anchors]
        moved = replace(
            self,
            reference=replace(
                self.reference,
                anchors=points[anchors],
                rows=rows[anchors],
                start=replace(start, rows=start.rows[anchors]),
            ),
            nodes=self.nodes[order],
            rows=_averaged(self.rows, rows, momentum)[order],
            graph=graph,
        )
        first, last = int(embedding.drop_trivial), embedding.num_pairs
        return moved, Movement(
            alignment=alignment,
            cosines=cosines,
            change=change,
            eigenvalues=values[first:last],
            eigengap=values[last] - values[last - 1],
            num_lost=num_lost,
            reanchored=reanchored,
        )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(num_nodes={self.nodes.size(0)}, "
            f"num_anchors={self.reference.anchors.size(0)}, "
            f"num_eigenvectors={self.rows.size(1)})"
        )


def _embed(
    points: Tensor, embedding: ExactEmbedding, num_oversamples: int
) -> tuple[Tensor, WarmStart, SampleGraph]:
    r"""The first eigenvectors of the points' graph, mean square 1 per column,
    :obj:`[m, K]`; what batches that begin with the same points start from; and the
    graph, with the eigenvalues that are known."""
    operator = embedding.operator(points)
    num_pairs = embedding.num_pairs + num_oversamples
    pairs = with_guards(operator, num_pairs, embedding.solver)
    start = WarmStart.of_pairs(operator, pairs, num_pairs, len(points))
    start = replace(start, rows=start.rows.to(points))
    rows = start.rows[:, int(embedding.drop_trivial) : embedding.num_pairs]
    return rows, start, SampleGraph(points, operator, pairs.values.to(points))


def _averaged(before: Tensor, rows: Tensor, momentum: float) -> Tensor:
    r"""The mean of both with the newer rows' second moments: a mean of what differs is
    shorter, and the next map would hand that on."""
    if momentum == 0:
        return rows
    mean = momentum * before + (1 - momentum) * rows
    return MomentPreserving().fit(mean, rows).apply(mean)
