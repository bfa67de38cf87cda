from itertools import islice
from multiprocessing import active_children
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torch_geometric.data import Data

from pyg_basis.align import LeastSquares
from pyg_basis.loader import (
    ExactEmbedding,
    FeatureSource,
    GraphLoader,
    SampledGraph,
    WholeGraph,
)
from pyg_basis.loader.graph_loader import GraphTargets
from tests.graph.test_given_graph import given_graph

NUM_NODES = 60
# The graph's nodes among a hundred points, in no order.
NODES = np.random.default_rng(0).permutation(100)[:NUM_NODES]


def features() -> Tensor:
    """Column 0 says which point it is: the batches can be traced back."""
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.arange(100).unsqueeze(1) / 10, x], dim=1)


def targets(kind: str = "whole") -> WholeGraph | SampledGraph:
    graph = given_graph(nx.planted_partition_graph(3, 20, 0.6, 0.1, seed=0))
    embedding = ExactEmbedding(3, laplacian="rw")
    if kind == "whole":
        return WholeGraph.from_graph(graph, embedding)
    return SampledGraph.from_graph(
        graph,
        embedding,
        LeastSquares(),
        kind,  # type: ignore[arg-type]
        num_anchors=15,
        reference_size=40,
    )


def loader(source: Any = None, kind: str = "whole", **settings: Any) -> GraphLoader:
    settings = {"num_drawn": 20, "num_batches": 4, "targets": targets(kind), **settings}
    return GraphLoader(
        features() if source is None else source, nodes=NODES, **settings
    )


def same(one: Data, other: Data) -> bool:
    return all(torch.equal(one[key], other[key]) for key in ("node", "x", "y"))


KINDS = ["whole", "coarsened", "induced"]


@pytest.mark.parametrize("kind", KINDS)
def test_features_and_targets_belong_to_the_nodes(kind: str) -> None:
    batches = list(loader(kind=kind))
    assert len(batches) == len(loader(kind=kind)) == 4
    whole = targets()
    for batch in batches:
        assert isinstance(batch, Data)
        point = (10 * batch.x[:, 0]).round().int().numpy()
        assert np.array_equal(point, NODES[batch.node])
        assert torch.equal(batch.x, features()[point])
        assert len(set(batch.node.tolist())) == batch.num_nodes
        if kind == "induced":
            assert 20 < batch.num_nodes <= 35
        else:
            assert batch.num_nodes == 20
        if kind == "whole":
            assert torch.equal(batch.y, whole.targets(batch.node.numpy()).y)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_the_data_of_the_targets(kind: str) -> None:
    class Recorded:
        """Hands on the calls."""

        calls: list[Any]

        def __init__(self) -> None:
            self.calls = []

        def targets(self, drawn: Any, seed: int = 0) -> Data:
            self.calls.append((drawn, seed))
            return made.targets(drawn, seed)

    made: GraphTargets = targets(kind)
    recorded = Recorded()
    for batch in loader(targets=recorded):
        drawn, seed = recorded.calls[-1]
        expected = made.targets(drawn, seed)
        assert set(batch.keys()) == {*expected.keys(), "x"}
        for name, value in expected.to_dict().items():
            if isinstance(value, Tensor):
                assert torch.equal(batch[name], value), name
            else:
                assert batch[name] == value, name
    seeds = [seed for _, seed in recorded.calls]
    assert len(set(seeds)) == len(seeds) == 4


def test_all_nodes_are_drawn_alike() -> None:
    counts = np.zeros(NUM_NODES)
    for batch in loader(num_batches=300):
        counts[batch.node] += 1
    # 100 expected of each, with a standard deviation of 8.
    assert np.abs(counts - 100).max() < 45


@pytest.mark.parametrize("num_drawn", [60, 61, 1000])
def test_batches_of_all_nodes(num_drawn: int) -> None:
    for batch in loader(num_drawn=num_drawn, num_batches=2):
        assert sorted(batch.node.tolist()) == list(range(NUM_NODES))


def test_excluded_nodes_are_not_drawn() -> None:
    made = targets("induced")
    assert isinstance(made, SampledGraph)
    excluded = made.anchors
    seen = set()
    for batch in loader(targets=made, excluded=excluded, num_batches=30):
        # Fixed by the targets, they come first.
        assert np.array_equal(batch.node[:15], excluded)
        assert batch.num_nodes == 15 + 20
        seen |= set(batch.node[15:].tolist())
    assert seen == set(range(NUM_NODES)) - set(excluded.tolist())
    for batch in loader(targets=made, excluded=excluded, num_drawn=60):
        assert batch.num_nodes == NUM_NODES


@pytest.mark.usefixtures("untouched_global_generators")
def test_one_seed_gives_the_same_batches() -> None:
    one, again, other = (list(loader(seed=s)) for s in (5, 5, 6))
    assert all(map(same, one, again))
    assert not any(map(same, one, other))


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [{"num_workers": 1}, {"num_workers": 2}])
def test_workers_change_nothing(kind: str, workers: Any) -> None:
    expected = list(loader(kind=kind))
    found = list(loader(kind=kind, **workers))
    assert len(found) == 4
    assert all(map(same, found, expected))
    assert found[0].residual == expected[0].residual
    assert found[0].converged is True
    assert active_children() == []


def test_every_pass_begins_anew() -> None:
    passes = loader(num_batches=3)
    first = list(islice(passes, 2))
    assert all(map(same, first, passes))
    assert all(map(same, passes, loader(num_batches=6)))
    one, two, three = passes
    assert not (same(one, two) or same(two, three) or same(one, three))


@pytest.mark.parametrize(
    "convert",
    [
        Tensor.numpy,
        Tensor.double,
        FeatureSource,
        lambda x: TensorDataset(x, x),
        lambda x: Data(x=x),
    ],
)
def test_all_kinds_of_sources_in_single_precision(convert: Any) -> None:
    found = list(loader(convert(features())))
    assert all(map(same, found, loader()))
    for batch in found:
        assert batch.x.dtype == batch.y.dtype == batch.eigenvalues.dtype
        assert batch.x.dtype == torch.float32


def test_whole_numbers_as_features() -> None:
    source = torch.arange(300).view(100, 3)
    for batch in loader(source):
        assert batch.x.dtype == torch.float32
        assert batch.x[:, 0].tolist() == (3 * NODES[batch.node]).tolist()


def test_is_a_data_loader() -> None:
    assert isinstance(loader(), DataLoader)


class Broken:
    def targets(self, drawn: Any, seed: int = 0) -> Data:
        raise ArithmeticError("no targets for these")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_of_a_batch_reach_the_caller(num_workers: int) -> None:
    with pytest.raises(ArithmeticError, match="no targets for these"):
        list(loader(targets=Broken(), num_workers=num_workers, num_batches=40))
    assert active_children() == []


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"num_drawn": 0}, "num_drawn=0 of 60 nodes"),
        ({"num_batches": 0}, "num_batches=0 gives nothing"),
        ({"excluded": np.arange(60)}, "of 0 nodes .* exclude not all"),
        ({"excluded": np.array([60])}, "excluded holds 60 to 60, but there are 60 of"),
        ({"source": torch.rand(50, 3)}, r"nodes holds 0 to 98, .* 50 of the rows of"),
        ({"batch_size": 3, "shuffle": True}, "does not take batch_size, shuffle"),
        ({"sampler": range(3)}, "does not take sampler: its batches are drawn by"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        loader(**settings)


def _end_at_once(worker_id: int) -> None:
    raise LookupError(f"worker {worker_id} was set up")


def test_workers_are_set_up_as_asked_for() -> None:
    with pytest.raises(LookupError, match="was set up"):
        next(iter(loader(num_workers=2, worker_init_fn=_end_at_once)))


def test_passes_broken_off_end_their_workers() -> None:
    passes = iter(loader(num_workers=2, num_batches=40))
    next(passes)
    assert len(active_children()) == 2
    del passes
    assert active_children() == []
