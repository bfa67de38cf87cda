import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import current_process, get_start_method, parent_process
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torch_geometric.data import Data

from pyg_basis._constraints import SEED, at_least, check_arguments
from pyg_basis.algorithm import batch_targets
from pyg_basis.data.feature_source import FeatureSource
from pyg_basis.reference import Reference
from pyg_basis.reference.graph_targets import GraphTargets

# Returns the batch of the drawn nodes, given their features [m, d], their indices [m]
# and a seed.
Targets = Callable[[Tensor, NDArray[np.int64], int], Data]

CONSTRAINTS = {
    "num_batches": [at_least(1)],
    "seed": [SEED],
    "rank": [at_least(0)],
    "num_replicas": [at_least(1)],
}


class _DrawnLoader(DataLoader[Data]):
    r"""Batches of random nodes. Each has a number and its own generator, so the batches
    do not depend on the number of workers. Every pass continues after the last batch
    yielded."""

    def __init__(
        self,
        source: FeatureSource,
        targets: Targets,
        num_drawn: int,
        num_batches: int,
        excluded: NDArray[np.int64],
        seed: int,
        rank: int = 0,
        num_replicas: int = 1,
        **kwargs: Any,
    ) -> None:
        check_arguments(
            CONSTRAINTS,
            type(self).__name__,
            num_batches=num_batches,
            seed=seed,
            rank=rank,
            num_replicas=num_replicas,
        )
        if rank >= num_replicas:
            raise ValueError(
                f"rank={rank} must be below num_replicas={num_replicas}: ranks are "
                f"counted from 0"
            )
        num_batches, seed = int(num_batches), int(seed)
        excluded = np.unique(excluded)
        if np.any((excluded < 0) | (excluded >= len(source))):
            raise ValueError(
                f"excluded holds {excluded[0]} to {excluded[-1]}, but source has "
                f"{len(source)} nodes: pass row numbers of source"
            )
        if len(excluded) >= len(source):
            raise ValueError(
                f"all {len(source)} nodes are excluded: leave some to be drawn"
            )
        self._numbers = _Numbers(num_batches, rank, num_replicas)
        super().__init__(
            _Batches(source, targets, num_drawn, excluded, seed),
            batch_size=None,
            sampler=self._numbers,
            generator=torch.Generator().manual_seed(seed),
            worker_init_fn=partial(
                _begin_worker, then=kwargs.pop("worker_init_fn", None)
            ),
            **kwargs,
        )

    def skip(self, num_batches: int) -> None:
        r"""Skips the next batches, as if they had been yielded."""
        self._numbers.num_yielded += num_batches

    def __iter__(self) -> Iterator[Data]:  # type: ignore[override]
        batches = super().__iter__()
        try:
            for batch in batches:
                self._numbers.num_yielded += 1
                yield batch
        finally:
            # The traceback of an error would keep the iterator and its workers alive.
            if not self.persistent_workers and hasattr(batches, "_shutdown_workers"):
                batches._shutdown_workers()


class AnchorLoader(_DrawnLoader):
    r"""Yields training batches of Algorithm 1 of `BASiS
    <https://arxiv.org/abs/2211.16960>`_: the anchors and random other nodes,
    with their aligned Laplacian eigenvectors as targets.

    Each batch is a :class:`~torch_geometric.data.Data` as of
    :func:`~pyg_basis.algorithm.batch_targets`. With :obj:`num_workers` above 0, targets
    are computed ahead of the training by single-threaded worker processes. The batches
    do not depend on the number of workers.

    Args:
        source (FeatureSource, Tensor, numpy.ndarray or Dataset): The features,
            see :class:`FeatureSource`.
        reference (Reference): The reference space.
        batch_size (int, optional): Nodes per batch :math:`m`, including anchors; at
            most the number of nodes. (default: :obj:`2048`)
        num_batches (int, optional): Batches per pass. (default: :obj:`300`)
        excluded (Tensor, optional): Rows of :obj:`source` that are never drawn, such as
            the anchors, which are in all batches already: for a
            :class:`~pyg_basis.BASiSLayer` the first of its :obj:`nodes`.
            (default: :obj:`None`)
        seed (int, optional): Seed of the sampling. Every pass continues the sequence
            after the last batch yielded. (default: :obj:`0`)
        rank (int, optional), num_replicas (int, optional): Index of this process and
            number of processes, each of which uses other batches of the sequence, as
            for :class:`torch.utils.data.DistributedSampler`.
            (default: :obj:`0`, :obj:`1`)
        **kwargs (optional): Arguments of :class:`torch.utils.data.DataLoader`,
            such as :obj:`num_workers` and :obj:`prefetch_factor`.

    Raises:
        ValueError: If the batch has no room besides the anchors, the source's width is
            not the anchors', :obj:`excluded` is out of range, or :obj:`num_batches` is
            below 1.
    """

    def __init__(
        self,
        source: Any,
        reference: Reference,
        batch_size: int = 2048,
        num_batches: int = 300,
        excluded: Tensor | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(source, FeatureSource):
            source = FeatureSource(source)
        num_anchors, num_features = reference.anchors.shape
        if batch_size <= num_anchors:
            raise ValueError(
                f"batch_size={batch_size} leaves no room for nodes other than the "
                f"{num_anchors} anchors: raise batch_size or use fewer anchors"
            )
        if source.num_features != num_features:
            raise ValueError(
                f"source has {source.num_features} features and the anchors have "
                f"{num_features}: take the anchors from the same features"
            )
        super().__init__(
            source,
            partial(_of_points, reference),
            batch_size - num_anchors,
            num_batches,
            np.empty(0, np.int64) if excluded is None else excluded.cpu().numpy(),
            seed,
            **kwargs,
        )


class GraphLoader(_DrawnLoader):
    r"""Yields training batches of a given graph: random nodes with their features and
    their Laplacian eigenvectors as targets.

    Args:
        source (FeatureSource, Tensor, numpy.ndarray or Data): The features of all
            nodes, see :class:`FeatureSource`.
        targets (WholeGraph or CoarsenedGraph): The targets of the graph's nodes.
        nodes (numpy.ndarray): The graph's nodes as rows of :obj:`source`, ascending,
            :obj:`[n]`.
        num_drawn (int): Nodes drawn per batch.
        num_batches (int): Batches per pass.
        excluded (numpy.ndarray, optional): Nodes of the graph that are not drawn.
            (default: :obj:`None`)
        seed (int, optional): Seed of the sampling. (default: :obj:`0`)
        **kwargs (optional): Arguments of :class:`torch.utils.data.DataLoader`, such
            as :obj:`num_workers`.

    Raises:
        IndexError: If :obj:`nodes` or :obj:`excluded` are out of range.
        ValueError: If there are no nodes to draw, or :obj:`num_batches` is below 1.
    """

    def __init__(
        self,
        source: Any,
        targets: GraphTargets,
        nodes: NDArray[np.int64],
        num_drawn: int,
        num_batches: int,
        excluded: NDArray[np.int64] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(source, FeatureSource):
            source = FeatureSource(source)
        is_free = np.zeros(len(source), dtype=bool)
        is_free[nodes] = True
        if excluded is not None:
            is_free[nodes[excluded]] = False
        super().__init__(
            source,
            partial(_of_nodes, targets, nodes),
            num_drawn,
            num_batches,
            np.flatnonzero(~is_free),
            seed,
            **kwargs,
        )


def _of_points(
    reference: Reference, x: Tensor, drawn: NDArray[np.int64], seed: int
) -> Data:
    return batch_targets(reference, x)


def _of_nodes(
    targets: GraphTargets,
    nodes: NDArray[np.int64],
    x: Tensor,
    drawn: NDArray[np.int64],
    seed: int,
) -> Data:
    batch = targets.targets(np.searchsorted(nodes, drawn), seed)
    batch.x = x.float()
    return batch


class _Numbers(Sampler[int]):
    """The batch numbers of a pass."""

    def __init__(self, num_batches: int, rank: int, num_replicas: int) -> None:
        self.num_batches = num_batches
        self.rank, self.num_replicas = rank, num_replicas
        self.num_yielded = 0

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[int]:
        for i in range(self.num_yielded, self.num_yielded + self.num_batches):
            yield i * self.num_replicas + self.rank


class _Batches(Dataset[Data]):
    """Batches by number. Memory does not grow with the number of nodes."""

    def __init__(
        self,
        source: FeatureSource,
        targets: Targets,
        num_drawn: int,
        excluded: NDArray[np.int64],
        seed: int,
    ) -> None:
        self.source, self.targets = source, targets
        self.num_free = len(source) - len(excluded)
        self.num_drawn = min(num_drawn, self.num_free)
        # The r-th node that is not excluded is r + (number of excluded nodes below it).
        self.steps = excluded - np.arange(len(excluded))
        self.seed = seed

    def __getitem__(self, number: int) -> Data:
        rng = np.random.default_rng([self.seed, number])
        drawn = rng.choice(self.num_free, self.num_drawn, replace=False, shuffle=False)
        drawn = drawn + np.searchsorted(self.steps, drawn, side="right")
        rows = self.source.__getitems__(drawn)
        return self.targets(rows, drawn, int(rng.integers(2**31)))


def _begin_worker(worker: int, then: Callable[[int], object] | None) -> None:
    # torch limits its own threads in a worker, but not those of NumPy and SciPy.
    threadpool_limits(1)
    if then is not None:
        then(worker)
    # torch ends its workers when their parent ends, but determines the parent only
    # later: if it was killed before, they would keep running.
    parent, process = parent_process(), current_process()
    method = getattr(process, "_start_method", None) or get_start_method()
    if parent and method != "forkserver" and os.getppid() != parent.pid:
        sys.exit(1)
