import time
from itertools import islice

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
        "anchor_index": ANCHORS,
        **settings,
    }
    return AnchorLoader(features() if source is None else source, reference, **settings)


def drawn(batch: Data) -> list[int]:
    """Row numbers of the nodes that are no anchors."""
    return (10 * batch.x[~batch.anchor_mask, 0]).round().int().tolist()


def same(one: Data, other: Data) -> bool:
    return torch.equal(one.x, other.x) and torch.equal(one.y, other.y)


def test_batches_are_anchors_and_distinct_other_nodes(reference) -> None:
    batches = list(loader(reference, num_batches=20))
    assert len(batches) == len(loader(reference, num_batches=20)) == 20
    anchors, seen = set(ANCHORS.tolist()), set()
    for batch in batches:
        nodes = drawn(batch)
        assert len(nodes) == len(set(nodes)) == 20
        assert not anchors & set(nodes)
        assert torch.equal(batch.x[:10], features()[ANCHORS])
        assert torch.equal(batch.x[10:], features()[nodes])
        assert torch.equal(batch.anchor_mask, torch.arange(30) < 10)
        seen |= set(nodes)
    # 400 draws of 90 nodes miss one with a chance of 1e-2 in all.
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


def test_without_anchor_index_all_rows_are_drawn(reference) -> None:
    nodes = set()
    for batch in loader(reference, anchor_index=None, num_batches=40):
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
def test_worker_processes_give_the_same_batches(reference) -> None:
    alone = list(loader(reference, num_batches=6))
    shared = list(loader(reference, num_batches=6, num_workers=2))
    assert all(map(same, alone, shared))
    assert all(batch.converged for batch in shared)


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


def test_a_hundred_million_rows(reference) -> None:
    start = time.perf_counter()
    index = torch.arange(10) * 10**7
    batches = list(loader(reference, Rows(10**8), anchor_index=index))
    assert time.perf_counter() - start < 5  # one permutation takes longer
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
    match = "all 10 nodes are anchors: use fewer anchors than nodes"
    with pytest.raises(ValueError, match=match):
        loader(reference, features()[ANCHORS], anchor_index=torch.arange(10))


@pytest.mark.parametrize("index", [[-1, 5], [5, NUM_NODES]])
def test_anchor_index_out_of_range(reference, index) -> None:
    match = (
        f"anchor_index holds {index[0]} to {index[1]}, but source has 100 nodes: pass"
    )
    with pytest.raises(ValueError, match=match):
        loader(reference, anchor_index=torch.tensor(index))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_errors_of_a_batch_reach_the_caller(reference, num_workers) -> None:
    x = features()
    x[ANCHORS[0] + 1 :: 2] = torch.nan
    with pytest.raises(ValueError, match="x must be finite"):
        list(loader(reference, x, num_batches=1, num_workers=num_workers))


def test_repr(reference) -> None:
    assert repr(loader(reference)) == (
        "AnchorLoader(FeatureSource(100, 3), "
        "AnchorReference(num_anchors=10, num_eigenvectors=3))"
    )
