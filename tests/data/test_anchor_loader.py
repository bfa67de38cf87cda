from itertools import chain, islice
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch_geometric.data import Data

from pyg_basis.algorithm import batch_targets, fix_reference
from pyg_basis.align import LeastSquares
from pyg_basis.data import AnchorLoader, FeatureSource, GraphLoader
from pyg_basis.graph import GivenGraph
from pyg_basis.reference import CoarsenedGraph, ExactEmbedding, Reference

NUM_NODES = 100
ANCHORS = torch.tensor([3, 99, 0, 41, 42, 43, 17, 60, 81, 80])
# The nodes of a graph among the points.
NODES = np.flatnonzero(np.arange(NUM_NODES) % 5 > 1)


def features() -> Tensor:
    """Column 0 says which row it is: the batches can be traced back."""
    x = torch.rand(NUM_NODES, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.arange(NUM_NODES).unsqueeze(1) / 10, x], dim=1)


def points_of(x: Tensor) -> list[int]:
    return (10 * x[:, 0]).round().int().tolist()


@pytest.fixture(scope="module")
def reference() -> Reference:
    embedding = ExactEmbedding(3, 6)
    return fix_reference(features(), 10, embedding, anchor_index=ANCHORS)[0]


def loader(reference: Reference, source: Any = None, **settings: Any) -> AnchorLoader:
    settings = {
        "batch_size": 30,
        "num_batches": 4,
        "excluded": reference.nodes[:10],
        **settings,
    }
    return AnchorLoader(features() if source is None else source, reference, **settings)


@pytest.fixture(scope="module")
def targets() -> CoarsenedGraph:
    graph = nx.planted_partition_graph(3, 20, 0.6, 0.1, seed=0)
    return CoarsenedGraph.from_graph(
        GivenGraph.from_data(graph), ExactEmbedding(3), LeastSquares(), 40
    )


class Recording:
    """Targets that only say what they were asked for."""

    def targets(self, drawn: NDArray[np.int64], seed: int = 0) -> Data:
        return Data(node=torch.from_numpy(drawn), seed=seed)


def graph_loader(
    targets: Any = None, source: Any = None, **settings: Any
) -> GraphLoader:
    settings = {"nodes": NODES, "num_drawn": 20, "num_batches": 4, **settings}
    source = features() if source is None else source
    return GraphLoader(source, targets or Recording(), **settings)


def same(one: Data, other: Data) -> bool:
    """In all that they hold, with its type."""
    assert set(one.keys()) == set(other.keys())
    return all(
        torch.equal(value, other[key])
        if isinstance(value, Tensor)
        else (type(value), value) == (type(other[key]), other[key])
        for key, value in one.to_dict().items()
    )


def test_batches_are_the_targets_of_distinct_nodes(reference) -> None:
    batches = loader(reference)
    assert isinstance(batches, DataLoader)
    assert len(list(batches)) == len(batches) == 4
    for batch in batches:
        new = points_of(batch.x[10:])
        assert len(set(new)) == len(new) == 20
        assert not set(new) & set(reference.nodes[:10].tolist())
        assert same(batch, batch_targets(reference, features()[new]))


def test_graph_batches_are_the_targets_of_distinct_nodes(targets) -> None:
    asked = list(graph_loader(seed=5))
    assert len({batch.seed for batch in asked}) == len(asked) == 4
    for ask, batch in zip(asked, graph_loader(targets, seed=5), strict=True):
        expected = targets.targets(ask.node.numpy(), ask.seed)
        expected.x = features()[NODES[ask.node]]
        assert same(batch, expected)


@given(
    st.sets(st.integers(0, 99), min_size=1).flatmap(
        lambda nodes: st.tuples(
            st.just(np.array(sorted(nodes))),
            st.sets(st.integers(0, len(nodes) - 1), max_size=len(nodes) - 1),
        )
    ),
    st.integers(1, 120),
    st.integers(0, 2**31),
)
def test_draws_are_distinct_and_never_excluded(graph, num_drawn, seed) -> None:
    nodes, excluded = graph
    free = set(range(len(nodes))) - excluded
    for batch in graph_loader(
        nodes=nodes,
        num_drawn=num_drawn,
        excluded=np.array(sorted(excluded), np.int64),
        seed=seed,
    ):
        drawn = batch.node.tolist()
        assert len(drawn) == len(set(drawn)) == min(num_drawn, len(free))
        assert set(drawn) <= free
        assert torch.equal(batch.x, features()[nodes[drawn]])


def test_draws_are_uniform() -> None:
    counts = np.zeros(10)
    excluded = np.array([0, 3, 4, 9])
    for batch in graph_loader(
        nodes=np.arange(10), num_drawn=2, num_batches=1500, excluded=excluded
    ):
        counts[batch.node] += 1
    # 500 expected of each, with a standard deviation of 18.
    assert np.abs(np.delete(counts, excluded) - 500).max() < 90


@pytest.mark.parametrize("batch_size", [100, 101, 512])
def test_batches_of_all_nodes(reference, batch_size) -> None:
    (batch,) = loader(reference, batch_size=batch_size, num_batches=1)
    assert sorted(points_of(batch.x)) == list(range(NUM_NODES))
    (batch,) = loader(reference, batch_size=512, num_batches=1, excluded=None)
    assert sorted(points_of(batch.x[10:])) == list(range(NUM_NODES))


@pytest.mark.usefixtures("untouched_global_generators")
def test_one_seed_gives_the_same_batches(reference) -> None:
    one, again, other = (list(loader(reference, seed=s)) for s in (5, 5, 6))
    assert all(map(same, one, again))
    assert not any(map(same, one, other))
    assert not any(map(same, one, one[1:]))


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize(
    "workers",
    [
        {"num_workers": 0},
        {"num_workers": 1, "prefetch_factor": 1},
        {"num_workers": 2, "prefetch_factor": 5},
        {"num_workers": 2, "persistent_workers": True},
    ],
)
def test_workers_and_passes_broken_off_change_nothing(
    reference, targets, workers
) -> None:
    whole = list(loader(reference, num_batches=12))
    passes = loader(reference, num_batches=4, **workers)
    # Every pass goes on after the last batch that was yielded.
    found = list(chain(*(islice(passes, count) for count in (1, 4, 0, 3, 4))))
    assert len(found) == len(whole)
    assert all(map(same, found, whole))
    expected = list(graph_loader(targets))
    assert all(map(same, graph_loader(targets, **workers), expected))
    del passes
    assert active_children() == []


def test_batches_may_be_skipped(reference) -> None:
    whole, rest = loader(reference, num_batches=5), loader(reference, num_batches=2)
    rest.skip(3)
    assert all(map(same, list(whole)[3:], rest))


def test_replicas_share_the_sequence(reference) -> None:
    whole = list(loader(reference, num_batches=6))
    for rank in range(3):
        own = loader(reference, num_batches=2, rank=rank, num_replicas=3)
        assert all(map(same, whole[rank::3], own))
    rest = loader(reference, num_batches=1, rank=2, num_replicas=3, num_workers=1)
    rest.skip(1)
    assert same(next(iter(rest)), whole[5])


def npy_file(folder: Path) -> Path:
    np.save(folder / "x.npy", features().numpy())
    return folder / "x.npy"


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    "convert",
    [
        lambda x, _: FeatureSource(x.double()),
        lambda x, _: TensorDataset(x, x),
        lambda _, folder: npy_file(folder),
        lambda _, folder: np.load(npy_file(folder), mmap_mode="r"),
    ],
    ids=["source", "dataset", "file", "memory map"],
)
def test_all_kinds_of_sources(reference, convert, num_workers, tmp_path) -> None:
    source = convert(features(), tmp_path)
    found = list(loader(reference, source, num_workers=num_workers))
    assert all(map(same, found, loader(reference)))
    of_graph = list(graph_loader(source=source, num_workers=num_workers))
    assert all(map(same, of_graph, graph_loader()))


@pytest.mark.slow
def test_spawned_workers_open_files_by_themselves(reference, tmp_path) -> None:
    settings = {"num_workers": 1, "multiprocessing_context": "spawn"}
    found = list(loader(reference, npy_file(tmp_path), **settings))
    assert all(map(same, found, loader(reference)))


class Rows(Dataset):
    """Rows made when they are asked for."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        assert 0 <= index < self.length
        return features()[index % NUM_NODES] + index / self.length


def test_more_rows_than_memory_has_room_to_count(reference) -> None:
    # No permutation of them could be made.
    index = torch.arange(10) * 10**13
    batches = list(loader(reference, Rows(10**14), excluded=index))
    assert [batch.num_nodes for batch in batches] == [30] * 4


class BrokenRows(Rows):
    def __getitem__(self, index: int) -> Tensor:
        if index == 50:
            raise OSError(f"row {index} cannot be read")
        return super().__getitem__(index)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_of_a_batch_reach_the_caller(reference, num_workers) -> None:
    infinite = features()
    infinite[50] = torch.inf
    settings = {"num_batches": 40, "num_workers": num_workers}
    with pytest.raises(ValueError, match="x must be finite"):
        list(loader(reference, infinite, **settings))
    with pytest.raises(OSError, match="row 50 cannot be read"):
        list(loader(reference, BrokenRows(NUM_NODES), **settings))


class NumThreads(Rows):
    def __getitem__(self, index: int) -> Tensor:
        pools = [pool["num_threads"] for pool in threadpool_info()]
        return torch.tensor([max(pools), torch.get_num_threads()])


def test_workers_have_one_thread_each() -> None:
    with threadpool_limits(2):
        settings = {"source": NumThreads(NUM_NODES), "num_drawn": 1, "num_batches": 2}
        alone = next(iter(graph_loader(**settings)))
        batches = list(graph_loader(**settings, num_workers=2))
    assert alone.x.max() == 2 and len(batches) == 2
    assert all((batch.x == 1).all() for batch in batches)


def refuse(worker_id: int) -> None:
    raise LookupError(f"worker {worker_id} has no data")


def test_workers_are_set_up_as_asked_for() -> None:
    with pytest.raises(LookupError, match="worker 0 has no data"):
        list(graph_loader(num_workers=1, worker_init_fn=refuse))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"batch_size": 10},
            "batch_size=10 leaves no room for nodes other than the 10",
        ),
        ({"source": torch.rand(9, 2)}, "source has 2 features and the anchors have 3"),
        ({"num_batches": 0}, "'num_batches' .* Got 0"),
        ({"rank": 2, "num_replicas": 2}, "rank=2 must be below num_replicas=2"),
        ({"excluded": torch.arange(100)}, "all 100 nodes are excluded: leave some to"),
        ({"excluded": torch.tensor([-1, 5])}, "excluded holds -1 to 5, but source has"),
        (
            {"excluded": torch.tensor([5, 100])},
            "excluded holds 5 to 100, .* has 100 no",
        ),
    ],
)
def test_what_is_refused(reference, settings, match) -> None:
    with pytest.raises(ValueError, match=match):
        loader(reference, **settings)


def test_graphs_whose_nodes_are_not_there() -> None:
    with pytest.raises(ValueError, match="all 100 nodes are excluded"):
        graph_loader(excluded=np.arange(60))
    with pytest.raises(IndexError, match="60 is out of bounds"):
        graph_loader(excluded=np.array([60]))
    with pytest.raises(IndexError, match="99 is out of bounds"):
        graph_loader(source=torch.rand(99, 3))


class _WithGradients(Dataset[Tensor]):
    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> Tensor:
        return (torch.arange(3.0) + index).requires_grad_() * 2


def test_rows_are_constants() -> None:
    rows = FeatureSource(_WithGradients()).__getitems__([0, 5])
    assert not rows.requires_grad
