import os
import signal
import time
from dataclasses import replace
from itertools import chain, islice
from multiprocessing import Process, Value, active_children
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_geometric.data import Data

from pyg_basis.loader import (
    AnchorLoader,
    AnchorReference,
    ExactEmbedding,
    FeatureSource,
)
from pyg_basis.loader.anchor_loader import _RandomNodes

NUM_NODES = 100
ANCHORS = torch.tensor([3, 99, 0, 41, 42, 43, 17, 60, 81, 80])


def features() -> Tensor:
    """Column 0 says which row it is: the batches can be traced back."""
    x = torch.rand(NUM_NODES, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.arange(NUM_NODES).unsqueeze(1) / 10, x], dim=1)


@pytest.fixture(scope="module")
def reference() -> AnchorReference:
    x = features()
    others = x[~torch.isin(torch.arange(NUM_NODES), ANCHORS)]
    return AnchorReference.from_sample(x[ANCHORS], others, ExactEmbedding(3, 6))


def loader(reference: AnchorReference, source=None, **settings) -> AnchorLoader:
    settings = {
        "batch_size": 30,
        "num_batches": 4,
        "excluded": ANCHORS,
        **settings,
    }
    return AnchorLoader(features() if source is None else source, reference, **settings)


def drawn(batch: Data) -> list[int]:
    """Row numbers of the nodes that are no anchors."""
    return (10 * batch.x[~batch.anchor_mask, 0]).round().int().tolist()


def same(one: Data, other: Data) -> bool:
    return torch.equal(one.x, other.x) and torch.equal(one.y, other.y)


def test_batches_are_anchors_and_distinct_other_nodes(reference) -> None:
    batches = list(loader(reference, num_batches=40))
    assert len(batches) == len(loader(reference, num_batches=40)) == 40
    anchors, seen = set(ANCHORS.tolist()), set()
    for batch in batches:
        nodes = drawn(batch)
        assert len(nodes) == len(set(nodes)) == 20
        assert not anchors & set(nodes)
        assert torch.equal(batch.x[:10], features()[ANCHORS])
        assert torch.equal(batch.x[10:], features()[nodes])
        assert torch.equal(batch.anchor_mask, torch.arange(30) < 10)
        seen |= set(nodes)
    # 800 draws of 90 nodes miss one with a chance of 1e-2 in all.
    assert seen == set(range(NUM_NODES)) - anchors


def test_batches_are_the_data_of_the_reference(reference) -> None:
    for batch in loader(reference):
        assert isinstance(batch, Data)
        assert set(batch.keys()) == {
            *("x", "y", "eigenvalues", "anchor_mask", "degree"),
            *("residual", "rank", "num_components", "converged"),
        }
        expected = reference.targets(batch.x[10:])
        for name, value in expected.to_dict().items():
            if isinstance(value, Tensor):
                assert torch.equal(batch[name], value), name
            else:
                assert batch[name] == value, name
        assert batch.x.dtype == batch.y.dtype == torch.float32
        assert batch.y.shape == (30, 3)
        assert batch.eigenvalues.shape == (3,)
        assert batch.degree.shape == (30,)


def test_is_a_data_loader(reference) -> None:
    assert isinstance(loader(reference), DataLoader)


def test_without_excluded_all_rows_are_drawn(reference) -> None:
    nodes = set()
    for batch in loader(reference, excluded=None, num_batches=40):
        nodes |= set(drawn(batch))
    assert nodes == set(range(NUM_NODES))


@pytest.mark.parametrize("batch_size", [100, 101, 512])
def test_batches_of_all_nodes(reference, batch_size) -> None:
    (batch,) = loader(reference, batch_size=batch_size, num_batches=1)
    assert batch.num_nodes == NUM_NODES
    everything = drawn(batch) + ANCHORS.tolist()
    assert sorted(everything) == list(range(NUM_NODES))


@pytest.mark.usefixtures("untouched_global_generators")
def test_one_seed_gives_the_same_batches(reference) -> None:
    one, again, other = (list(loader(reference, seed=s)) for s in (5, 5, 6))
    assert all(map(same, one, again))
    assert not any(map(same, one, other))


@pytest.mark.usefixtures("untouched_global_generators")
def test_every_pass_continues(reference) -> None:
    passes = loader(reference, num_batches=3)
    first, second = list(passes), list(passes)
    whole = list(loader(reference, num_batches=6))
    assert all(map(same, first + second, whole))
    assert not any(map(same, first, second))


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize(
    "workers",
    [
        {"num_workers": 0},
        {"num_workers": 1, "prefetch_factor": 1},
        {"num_workers": 2},
        {"num_workers": 2, "prefetch_factor": 5},
        {"num_workers": 2, "persistent_workers": True},
    ],
)
def test_workers_and_passes_broken_off_change_nothing(reference, workers) -> None:
    whole = list(loader(reference, num_batches=12))
    passes = loader(reference, num_batches=4, **workers)
    found = list(chain(*(islice(passes, count) for count in (1, 4, 0, 3, 4))))
    assert len(found) == len(whole)
    assert all(map(same, found, whole))
    assert all(batch.converged for batch in found)


def test_batches_are_the_same_under_autocast(reference) -> None:
    expected = list(loader(reference))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = list(loader(reference))
    assert all(map(same, expected, found)) and len(found) == len(expected) > 1


def test_global_seed_does_not_matter(reference) -> None:
    state = torch.get_rng_state()
    batches = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        batches.append(list(loader(reference)))
    torch.set_rng_state(state)
    assert all(map(same, *batches))


@pytest.mark.parametrize(
    "convert",
    [
        Tensor.numpy,
        Tensor.double,
        FeatureSource,
        lambda x: torch.utils.data.TensorDataset(x, x),
    ],
)
def test_all_kinds_of_sources(reference, convert) -> None:
    found = list(loader(reference, convert(features())))
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


@given(
    st.integers(2, 40).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.integers(0, n - 1), max_size=n - 1), st.just(n)
        )
    ),
    st.integers(1, 50),
    st.integers(0, 2**32),
)
def test_draws_are_distinct_and_never_excluded(sizes, num_drawn, seed) -> None:
    num_nodes, excluded, _ = sizes
    excluded = np.unique(np.array(excluded, np.int64))
    sampler = _RandomNodes(num_nodes, num_drawn, 3, excluded, seed)
    free = set(range(num_nodes)) - set(excluded.tolist())
    assert len(sampler) == 3
    for nodes in sampler:
        assert len(nodes) == len(set(nodes)) == min(num_drawn, len(free))
        assert set(nodes) <= free


def test_draws_are_uniform() -> None:
    excluded = np.array([0, 3, 4, 9])
    counts = np.zeros(10)
    for nodes in _RandomNodes(10, 2, 1500, excluded, 0):
        counts[nodes] += 1
    # 500 expected of each, with a standard deviation of 18.
    assert (counts[excluded] == 0).all()
    assert np.abs(np.delete(counts, excluded) - 500).max() < 90


def test_draws_from_a_hundred_million_nodes() -> None:
    excluded = np.arange(0, 10**8, 10**5)
    for nodes in islice(_RandomNodes(10**8, 500, 10, excluded, 0), 10):
        assert len(set(nodes)) == 500
        assert all(node % 10**5 for node in nodes)
        assert max(nodes) < 10**8
        assert max(nodes) > 0.9 * 10**8


@pytest.mark.parametrize("batch_size", [10, 3, 0])
def test_no_room_beside_the_anchors(reference, batch_size) -> None:
    match = (
        f"batch_size={batch_size} leaves no room beside 10 anchors: raise batch_size"
    )
    with pytest.raises(ValueError, match=match):
        loader(reference, batch_size=batch_size)


def test_source_of_another_width(reference) -> None:
    match = "source has 2 features and the anchors have 3: take the anchors from the"
    with pytest.raises(ValueError, match=match):
        loader(reference, features()[:, :2])


@pytest.mark.parametrize("num_batches", [0, -1])
def test_no_batches(reference, num_batches) -> None:
    match = f"num_batches={num_batches} must be at least 1"
    with pytest.raises(ValueError, match=match):
        loader(reference, num_batches=num_batches)


def test_nothing_but_anchors(reference) -> None:
    match = "all 10 nodes are excluded: leave some to be drawn"
    with pytest.raises(ValueError, match=match):
        loader(reference, features()[ANCHORS], excluded=torch.arange(10))


@pytest.mark.parametrize("index", [[-1, 5], [5, NUM_NODES]])
def test_excluded_out_of_range(reference, index) -> None:
    match = (
        f"excluded holds {index[0]} to {index[1]}, but source has 100 nodes: pass row "
    )
    with pytest.raises(ValueError, match=match):
        loader(reference, excluded=torch.tensor(index))


class CountedRows(Rows):
    """Counts the rows that all processes have read."""

    def __init__(self) -> None:
        super().__init__(NUM_NODES)
        self.count: Any = Value("q", 0)

    def __getitem__(self, index: int) -> Tensor:
        with self.count.get_lock():
            self.count.value += 1
        return super().__getitem__(index)


def test_batches_ahead_of_the_training_are_bounded(reference) -> None:
    rows = CountedRows()
    workers = {"num_workers": 2, "prefetch_factor": 3}
    batches = iter(loader(reference, rows, num_batches=40, **workers))
    before = rows.count.value
    for num_used in range(1, 4):
        next(batches)
        expected = before + 20 * (num_used + 2 * 3)
        deadline = time.monotonic() + 300
        while rows.count.value < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)  # for rows beyond the bound: one batch takes a hundredth of it
        assert rows.count.value == expected


class BrokenRows(Rows):
    def __getitem__(self, index: int) -> Tensor:
        if index == 50:
            raise OSError(f"row {index} cannot be read")
        return super().__getitem__(index)


class BrokenAligner:
    def fit(self, source: Tensor, target: Tensor) -> None:
        raise ArithmeticError("no map between these")


@pytest.mark.parametrize(
    "workers",
    [
        {"num_workers": 0},
        {"num_workers": 1},
        {"num_workers": 2, "prefetch_factor": 5},
    ],
)
def test_errors_of_a_batch_reach_the_caller(reference, workers) -> None:
    infinite = features()
    infinite[50] = torch.inf
    settings = {"num_batches": 40, **workers}
    with pytest.raises(ValueError, match="x must be finite"):
        list(loader(reference, infinite, **settings))
    assert active_children() == []
    with pytest.raises(OSError, match="row 50 cannot be read"):
        list(loader(reference, BrokenRows(NUM_NODES), **settings))
    assert active_children() == []
    unaligned = replace(reference, aligner=BrokenAligner())
    with pytest.raises(ArithmeticError, match="no map between these"):
        list(loader(unaligned, **settings))
    assert active_children() == []


def test_errors_of_the_training_end_the_workers(reference) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        for batch in loader(reference, num_workers=2):
            assert len(active_children()) == 2
            batch.x / (1 // 0)
    # The error, with its traceback, is still there.
    assert raised.value.__traceback__ is not None
    assert active_children() == []


def test_interrupt_while_the_workers_start(reference, monkeypatch) -> None:
    def interrupted_start(process: Process) -> None:
        start(process)
        signal.raise_signal(signal.SIGINT)

    start = Process.start
    monkeypatch.setattr(Process, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt) as raised:
        list(loader(reference, num_workers=2))
    assert raised.value.__traceback__ is not None
    assert active_children() == []


def test_workers_that_stay(reference) -> None:
    batches = loader(reference, num_workers=2, persistent_workers=True)
    next(iter(batches))
    workers = {process.pid for process in active_children()}
    assert len(workers) == 2
    list(batches)
    assert {process.pid for process in active_children()} == workers
    del batches
    assert active_children() == []


def test_a_killed_worker_is_an_error(reference) -> None:
    batches = iter(loader(reference, num_batches=1000, num_workers=2))
    next(batches)
    killed = active_children()[0]
    with pytest.raises(
        RuntimeError, match=rf"{killed.pid}.*(killed|unexpectedly)|has died"
    ):
        os.kill(killed.pid, signal.SIGKILL)
        list(batches)
    batches.close()  # the error may have come outside of it
    assert active_children() == []


@pytest.mark.parametrize("error", [EOFError, ConnectionResetError])
def test_a_worker_that_is_still_dying_is_an_error(
    reference, monkeypatch, error
) -> None:
    """Its socket closes a moment before the process can be seen to have ended."""

    class Batches:
        _workers: ClassVar = [Process(target=time.sleep, args=(0.3,))]

        def __init__(self) -> None:
            self._workers[0].start()

        def __iter__(self) -> "Batches":
            return self

        def __next__(self) -> None:
            raise error

    monkeypatch.setattr(DataLoader, "__iter__", lambda _: Batches())
    with pytest.raises(RuntimeError, match="a worker of the AnchorLoader has died"):
        list(loader(reference))


def test_worker_init_fn(reference) -> None:
    def refuse(worker_id: int) -> None:
        raise LookupError(f"worker {worker_id} has no data")

    with pytest.raises(LookupError, match="worker 0 has no data"):
        list(loader(reference, num_workers=1, worker_init_fn=refuse))


def test_repr(reference) -> None:
    assert repr(loader(reference)) == (
        "AnchorLoader(FeatureSource(100, 3), "
        "AnchorReference(num_anchors=10, num_eigenvectors=3))"
    )
