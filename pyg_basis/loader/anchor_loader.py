from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import wait
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, get_worker_info
from torch_geometric.data import Data

from pyg_basis.loader._packed_batch import PackedBatch
from pyg_basis.loader._worker import init_worker, one_pass
from pyg_basis.loader.anchor_reference import AnchorReference
from pyg_basis.loader.feature_source import FeatureSource


class AnchorLoader(DataLoader[Any]):
    r"""Yields training batches of Algorithm 1 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_: the anchors and random other nodes,
    with their aligned Laplacian eigenvectors as targets.

    Each batch is the :class:`~torch_geometric.data.Data` that
    :meth:`AnchorReference.targets` describes. With :obj:`num_workers` above 0
    the targets are computed ahead of the training, by worker processes of one
    thread each; at most :obj:`num_workers * prefetch_factor` batches wait for
    the training (:obj:`prefetch_factor` is 2 if not given). The batches are
    the same for any number of workers.

    The workers end with the pass, whether it is run through, broken off or
    ended by an error (in a worker, too); with :obj:`persistent_workers` they
    end with the loader.

    Args:
        source (FeatureSource, Tensor, numpy.ndarray or Dataset): The features,
            see :class:`FeatureSource`.
        reference (AnchorReference): The reference space.
        batch_size (int, optional): Nodes of a batch :math:`m`, anchors
            included; at most the number of nodes there are.
            (default: :obj:`512`)
        num_batches (int, optional): Batches of one pass. (default: :obj:`1000`)
        excluded (Tensor, optional): Rows of :obj:`source` that are never drawn, such
            as the anchors, which all batches have already: of a
            :class:`~pyg_basis.BASiSLayer` the first of its :obj:`nodes`.
            (default: :obj:`None`)
        seed (int, optional): Seed of the draws; every pass continues the
            sequence after the last batch that was yielded. (default: :obj:`0`)
        **kwargs (optional): Arguments of :class:`torch.utils.data.DataLoader`,
            such as :obj:`num_workers`, :obj:`prefetch_factor` and
            :obj:`worker_init_fn`.

    Raises:
        ValueError: If the batch has no room beside the anchors, the source's
            width is not the anchors', :obj:`excluded` is out of range, or
            no batch is asked for.
    """

    def __init__(
        self,
        source: Any,
        reference: AnchorReference,
        batch_size: int = 512,
        num_batches: int = 1000,
        excluded: Tensor | None = None,
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
        left_out = np.empty(0, np.int64)
        if excluded is not None:
            left_out = np.unique(excluded.cpu().numpy())
        if np.any((left_out < 0) | (left_out >= len(source))):
            raise ValueError(
                f"excluded holds {left_out[0]} to {left_out[-1]}, but source has "
                f"{len(source)} nodes: pass row numbers of source"
            )
        self._draws = _RandomNodes(
            len(source), batch_size - num_anchors, num_batches, left_out, seed
        )
        self.reference = reference
        if kwargs.get("num_workers", 0) > 0:
            _ = reference.batches.landmarks  # prepared once, before workers are made
        super().__init__(
            source,
            batch_sampler=cast(Any, self._draws),
            collate_fn=partial(_targets, reference),  # rows come as one tensor
            generator=torch.Generator().manual_seed(seed),
            worker_init_fn=partial(
                init_worker, then=kwargs.pop("worker_init_fn", None)
            ),
            **kwargs,
        )

    def __iter__(self) -> Iterator[Data]:  # type: ignore[override]
        with one_pass(self) as batches:
            try:
                for batch in batches:
                    self._draws.num_yielded += 1
                    yield batch.unpack() if isinstance(batch, PackedBatch) else batch
            except (ConnectionError, EOFError) as error:
                # The socket of a worker that dies, amid a batch, may be the first to
                # tell, and closes before the process has ended.
                workers = getattr(batches, "_workers", [])
                if not wait([worker.sentinel for worker in workers], timeout=5):
                    raise
                raise RuntimeError("a worker of the AnchorLoader has died") from error

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.dataset!r}, {self.reference!r})"


def _targets(reference: AnchorReference, x: Tensor) -> Data | PackedBatch:
    batch = reference.targets(x)
    return batch if get_worker_info() is None else PackedBatch.of(batch)


class _RandomNodes(Sampler[NDArray[np.int64]]):
    """Draws of distinct nodes that are not anchors, in memory that does not
    grow with their number.

    Each draw has a generator of its own. A pass begins after the
    :obj:`num_yielded` batches that were used, however many were drawn ahead.
    """

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
                f"all {num_nodes} nodes are excluded: leave some to be drawn"
            )
        self.num_drawn = min(num_drawn, self.num_free)
        self.num_batches = num_batches
        self.num_yielded = 0
        # The r-th node that is not excluded is r + (excluded nodes below it).
        self.steps = excluded - np.arange(len(excluded))
        self.entropy = np.random.SeedSequence(seed).entropy

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        start = self.num_yielded
        for draw in range(start, start + self.num_batches):
            rng = np.random.default_rng(
                np.random.SeedSequence(self.entropy, spawn_key=(draw,))
            )
            drawn = rng.choice(
                self.num_free, self.num_drawn, replace=False, shuffle=False
            )
            yield drawn + np.searchsorted(self.steps, drawn, side="right")
