from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_geometric.data import Data

from pyg_basis.loader._worker import init_worker, one_pass
from pyg_basis.loader.feature_source import FeatureSource


class GraphTargets(Protocol):
    r"""Where the targets of a given graph's nodes come from."""

    def targets(self, drawn: NDArray[np.int64], seed: int = 0) -> Data:
        r"""Nodes and their targets, see :meth:`SampledGraph.targets`."""
        ...

    def known_rows(self) -> tuple[NDArray[np.int64], Tensor]:
        r"""The nodes of the reference, :obj:`[l]`, and their rows, :obj:`[l, K]`."""
        ...

    @property
    def eigenvalues(self) -> Tensor:
        r"""The first eigenvalues of the reference, the trivial one included."""
        ...


class GraphLoader(DataLoader[Any]):
    r"""Yields training batches of a given graph: random nodes with their features and
    their aligned Laplacian eigenvectors as targets.

    Each batch is the :class:`~torch_geometric.data.Data` of
    :meth:`SampledGraph.targets`, with the features :obj:`x [m, d]` of its nodes. The
    batches are the same for any number of workers, and in every pass.

    Args:
        source (FeatureSource, Tensor, numpy.ndarray or Data): The features of all
            nodes, see :class:`FeatureSource`.
        targets (WholeGraph or SampledGraph): The targets of the graph's nodes.
        nodes (numpy.ndarray): The graph's nodes as rows of :obj:`source`, :obj:`[n]`.
        num_drawn (int): Nodes drawn for a batch.
        num_batches (int): Batches of one pass.
        seed (int, optional): Seed of the draws. (default: :obj:`0`)
        excluded (numpy.ndarray, optional): Nodes of the graph that are not drawn, such
            as those that all batches have. (default: :obj:`None`)
        **kwargs (optional): Arguments of :class:`torch.utils.data.DataLoader`, such
            as :obj:`num_workers`; not those that say what a batch is made of.

    Raises:
        ValueError: If :obj:`nodes` or :obj:`excluded` are not there, no node is left
            to be drawn, or no node or batch is asked for.
    """

    def __init__(
        self,
        source: Any,
        targets: GraphTargets,
        nodes: NDArray[np.int64],
        num_drawn: int,
        num_batches: int,
        seed: int = 0,
        excluded: NDArray[np.int64] | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(source, FeatureSource):
            source = FeatureSource(source)
        _check_within(nodes, len(source), "nodes", "the rows of source")
        free = np.arange(len(nodes))
        if excluded is not None:
            _check_within(excluded, len(nodes), "excluded", "nodes")
            free = np.setdiff1d(free, excluded)
        if min(num_drawn, num_batches, len(free)) < 1:
            raise ValueError(
                f"num_drawn={num_drawn} of {len(free)} nodes in "
                f"num_batches={num_batches} gives nothing: draw a node and a batch at "
                f"least, and exclude not all of the nodes"
            )
        taken = sorted(set(kwargs) & {"batch_size", "shuffle", "sampler"})
        if taken:
            raise ValueError(
                f"GraphLoader does not take {', '.join(taken)}: its batches are drawn "
                f"by num_drawn, num_batches and seed"
            )
        batches = _Batches(source, targets, nodes, free, num_drawn, num_batches, seed)
        super().__init__(
            batches,
            batch_size=None,
            generator=torch.Generator().manual_seed(seed),
            worker_init_fn=partial(
                init_worker, then=kwargs.pop("worker_init_fn", None)
            ),
            **kwargs,
        )

    def __iter__(self) -> Iterator[Data]:  # type: ignore[override]
        with one_pass(self) as batches:
            yield from batches


def _check_within(numbers: NDArray[np.int64], size: int, name: str, of: str) -> None:
    if np.any((numbers < 0) | (numbers >= size)):
        raise ValueError(
            f"{name} holds {numbers.min()} to {numbers.max()}, but there are {size} of "
            f"{of}: pass numbers from 0 to {size - 1}"
        )


class _Batches(Dataset[Data]):
    """Batches by number; each has a generator of its own."""

    def __init__(
        self,
        source: FeatureSource,
        targets: GraphTargets,
        nodes: NDArray[np.int64],
        free: NDArray[np.int64],
        num_drawn: int,
        num_batches: int,
        seed: int,
    ) -> None:
        self.source = source
        self.targets = targets
        self.nodes = nodes
        self.free = free
        self.num_drawn = min(num_drawn, len(free))
        self.num_batches = num_batches
        self.entropy = np.random.SeedSequence(seed).entropy

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, number: int) -> Data:
        sequence = np.random.SeedSequence(self.entropy, spawn_key=(number,))
        rng = np.random.default_rng(sequence)
        drawn = rng.choice(self.free, self.num_drawn, replace=False)
        batch = self.targets.targets(drawn, int(rng.integers(2**31)))
        batch.x = self.source.__getitems__(self.nodes[batch.node.numpy()]).float()
        return batch
