from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from pyg_basis.loader.anchor_reference import AnchorReference
from pyg_basis.loader.feature_source import FeatureSource


class AnchorLoader(DataLoader[Any]):
    r"""Yields training batches of Algorithm 1 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_: the anchors and random other nodes,
    with their aligned Laplacian eigenvectors as targets.

    Each batch is the :class:`~torch_geometric.data.Data` that
    :meth:`AnchorReference.targets` describes. The targets are computed in the
    worker processes where :obj:`num_workers` is above 0, ahead of the training.

    Args:
        source (FeatureSource, Tensor, numpy.ndarray or Dataset): The features,
            see :class:`FeatureSource`.
        reference (AnchorReference): The reference space.
        batch_size (int, optional): Nodes of a batch :math:`m`, anchors
            included; at most the number of nodes there are.
            (default: :obj:`512`)
        num_batches (int, optional): Batches of one pass. (default: :obj:`1000`)
        anchor_index (Tensor, optional): Indices of the anchors in
            :obj:`source`, which are then not drawn a second time as random
            nodes, :obj:`[l]`. (default: :obj:`None`)
        seed (int, optional): Seed of the draws; every pass continues the
            sequence. (default: :obj:`0`)
        **kwargs (optional): Arguments of :class:`torch.utils.data.DataLoader`,
            such as :obj:`num_workers`.

    Raises:
        ValueError: If the batch has no room beside the anchors, the source's
            width is not the anchors', :obj:`anchor_index` is out of range, or
            no batch is asked for.
    """

    def __init__(
        self,
        source: Any,
        reference: AnchorReference,
        batch_size: int = 512,
        num_batches: int = 1000,
        anchor_index: Tensor | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(source, FeatureSource):
            source = FeatureSource(source)
        num_anchors, num_features = reference.anchors.shape
        if batch_size <= num_anchors:
            raise ValueError(
                f"batch_size={batch_size} leaves no room beside {num_anchors} anchors: "
                f"raise batch_size or use fewer anchors"
            )
        if source.num_features != num_features:
            raise ValueError(
                f"source has {source.num_features} features and the anchors have "
                f"{num_features}: take the anchors from the same features"
            )
        if num_batches < 1:
            raise ValueError(f"num_batches={num_batches} must be at least 1")
        excluded = np.empty(0, np.int64)
        if anchor_index is not None:
            excluded = np.unique(anchor_index.cpu().numpy())
        if np.any((excluded < 0) | (excluded >= len(source))):
            raise ValueError(
                f"anchor_index holds {excluded[0]} to {excluded[-1]}, but source has "
                f"{len(source)} nodes: pass the anchors' row numbers in source"
            )
        sampler = _RandomNodes(
            len(source), batch_size - num_anchors, num_batches, excluded, seed
        )
        self.reference = reference
        super().__init__(
            source,
            batch_sampler=sampler,
            collate_fn=cast(Any, reference.targets),  # rows come as one tensor
            generator=torch.Generator().manual_seed(seed),
            **kwargs,
        )

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.dataset!r}, {self.reference!r})"


class _RandomNodes(Sampler[list[int]]):
    """Draws of distinct nodes that are not anchors, in memory that does not
    grow with their number."""

    def __init__(
        self,
        num_nodes: int,
        num_drawn: int,
        num_batches: int,
        excluded: np.ndarray,
        seed: int,
    ) -> None:
        self.num_free = num_nodes - len(excluded)
        if self.num_free < 1:
            raise ValueError(
                f"all {num_nodes} nodes are anchors: use fewer anchors than nodes"
            )
        self.num_drawn = min(num_drawn, self.num_free)
        self.num_batches = num_batches
        # The r-th node that is not excluded is r + (excluded nodes below it).
        self.steps = excluded - np.arange(len(excluded))
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.num_batches):
            drawn = self.rng.choice(
                self.num_free, self.num_drawn, replace=False, shuffle=False
            )
            steps = np.searchsorted(self.steps, drawn, side="right")
            yield (drawn + steps).tolist()
