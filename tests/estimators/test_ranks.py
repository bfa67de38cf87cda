"""Trainings in the two processes of a group."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from scipy.sparse import csr_matrix
from torch import nn
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from pyg_basis import BASiS, BASiSClustering
from pyg_basis._ranks import Ranks
from pyg_basis.data import FeatureSource
from pyg_basis.data.sharded_rows import ShardedRows
from pyg_basis.graph import Laplacian
from pyg_basis.metrics import normalized_mutual_information
from pyg_basis.readout import RayleighRitz
from pyg_basis.reference import ExactEmbedding
from tests.process_group import Failure, ProcessGroup, process_group

SMALL: dict[str, Any] = {
    "n_components": 3,
    "n_anchors": 40,
    "batch_size": 160,
    "n_neighbors": 10,
    "reference_size": 240,
    "max_iter": 12,
    "tol": None,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessGroup]:
    with process_group(2, tmp_path_factory.mktemp("group")) as group:
        yield group


def strip(num_points: int = 1200, seed: int = 0) -> np.ndarray:
    """A strip, whose eigenvectors are cosines along it, and a gap follows each."""
    rng = np.random.default_rng(seed)
    x = rng.random((num_points, 3)) * [8, 1, 0.1]
    return x.astype(np.float32)


def fitted(rank: int, parameters: dict[str, Any], x: list[Any], **options: Any) -> Any:
    """The model of a rank, in what can be compared."""
    basis = BASiS(**{**SMALL, **parameters}).fit(x[rank % len(x)], **options)
    return content(basis)


def content(basis: BASiS) -> dict[str, Any]:
    return {
        "layer": {name: x.numpy() for name, x in basis.layer_.state_dict().items()},
        "eigenvalues": basis.eigenvalues_,
        "history": basis.history_,
        "quality": basis.quality_,
        "rows": basis.transform(strip(seed=1)),
    }


def are_same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            are_same(one[name], other[name]) for name in one
        )
    return np.array_equal(one, other)


def captured(found: dict[str, Any]) -> float:
    return float(np.mean(found["quality"]["captured"]))


# --- one training


def test_all_ranks_have_one_model(group: ProcessGroup) -> None:
    x = [strip()]
    first, second = group.run(fitted, {}, x)
    assert are_same(first, second)
    assert captured(first) > 0.95 and first["quality"]["held_out"]
    assert len(first["history"]["loss"]) == 12
    again = group.run(fitted, {"num_workers": 1}, x)[0]
    assert are_same(first, again)
    other = group.run(fitted, {"random_state": 1}, x)[0]
    assert not np.array_equal(first["rows"], other["rows"])
    alone = fitted(0, {}, x)
    # As in one process all is of the same basis.
    assert np.abs(first["rows"] - alone["rows"]).mean() < 0.1


@pytest.mark.parametrize("laplacian", ["rw", "sym", "comb"])
def test_shards_that_are_unlike(group: ProcessGroup, laplacian: str) -> None:
    x = strip()
    x = x[x[:, 0].argsort()]
    shards = [x[:300], x[300:]]  # the left end, and the rest
    first, second = group.run(fitted, {"laplacian": laplacian}, shards)
    assert are_same(first, second)
    assert captured(first) > 0.95
    assert first["layer"]["num_nodes"] == 1200
    # Rows of both shards, in one numbering.
    nodes, anchors = first["layer"]["nodes"], first["layer"]["anchors"]
    assert np.array_equal(x[nodes[: len(anchors)]], anchors)
    assert (nodes < 300).any() and (nodes >= 300).any()


def test_shards_of_two_precisions_and_wide_ones(group: ProcessGroup) -> None:
    x = strip()
    wide = np.tile(x, 1500)  # of 4,500 columns, which are projected
    shards = [wide[:500], wide[500:].astype(np.float64)]
    results = group.run(_num_columns, shards)
    assert results == [(2048, 4500)] * 2


def _num_columns(rank: int, shards: list[np.ndarray]) -> tuple[int, int]:
    basis = BASiS(**{**SMALL, "max_iter": 1}).fit(shards[rank])
    return basis.layer_.in_channels, basis.n_features_in_


def test_the_number_of_components_is_common(group: ProcessGroup) -> None:
    blobs = strip(800)
    blobs[:, 1] += 50 * (np.arange(800) % 4)
    parameters = {"n_components": "eigengap", "max_iter": 2}
    for x in ([blobs], [blobs[:400], blobs[400:]]):
        found = group.run(fitted, parameters, x)
        assert [len(each["rows"].T) for each in found] == [3, 3]


def test_regression(group: ProcessGroup) -> None:
    first, second = group.run(fitted, {"readout": False}, [strip()])
    assert are_same(first, second)
    assert first["history"]["learning_rate"][-1] < SMALL["max_iter"] * 1e-3


class Branches(nn.Module):
    """Dropout, batch normalization, and a part that each pass takes by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = (nn.Linear(3, 32) for _ in range(3))
        self.norm, self.dropout = nn.BatchNorm1d(32), nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        takes_first = not self.training or torch.rand(()) < 0.5
        hidden = self.first(x) if takes_first else self.second(x)
        return self.dropout(self.norm(hidden).relu())


def test_networks_with_parts_that_a_batch_does_not_use(group: ProcessGroup) -> None:
    first, second = group.run(_of_branches)
    assert are_same(first, second)
    assert np.isfinite(first["rows"]).all()


def _of_branches(rank: int) -> dict[str, Any]:
    torch.manual_seed(rank)
    return fitted(rank, {"network": Branches()}, [strip()])


def test_ranks_begin_with_the_weights_of_the_first(group: ProcessGroup) -> None:
    first, second = group.run(_first_weights)
    assert are_same(first, second)


class WithState(nn.Linear):
    """A layer with a state that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: dict[str, int]) -> None:
        assert state == {"version": 1}


def _first_weights(rank: int) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def keep(state: Any) -> bool:
        network = state.layer.network.state_dict()
        found.append({name: x for name, x in network.items() if "extra" not in name})
        return True

    torch.manual_seed(rank)
    BASiS(**SMALL, network=WithState(3, 32)).fit(strip(), callback=keep)
    return {name: x.numpy() for name, x in found[0].items()}


def test_an_update_is_of_one_process(group: ProcessGroup) -> None:
    x = strip()
    shards = [x[:500], x[500:]]
    found = group.run(_updated, shards)
    assert found[0] is None or found[0] < 0.5
    assert found[1] is None


def _updated(rank: int, shards: list[np.ndarray]) -> float | None:
    basis = BASiS(**SMALL, updatable=True).fit(shards[rank])
    return float(basis.update(strip(seed=2)).change) if rank == 0 else None


# --- clusters


def blobs(num_points: int = 900) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(num_points) % 3
    noise = np.random.default_rng(0).normal(size=(num_points, 3))
    return (noise + 6 * np.eye(3)[labels]).astype(np.float32), labels


@pytest.mark.parametrize("is_sharded", [False, True])
def test_clusters_are_those_of_all(group: ProcessGroup, is_sharded: bool) -> None:
    x, labels = blobs()
    order = labels.argsort(kind="stable")  # each rank has clusters of its own
    x, labels = x[order], labels[order]
    found = group.run(_clustered, [x[:400], x[400:]] if is_sharded else [x])
    assert np.array_equal(found[0][1], found[1][1])  # of the same points
    own = np.concatenate([found[0][0], found[1][0]]) if is_sharded else found[0][0]
    assert normalized_mutual_information(labels, own) > 0.95


def _clustered(rank: int, x: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    basis = BASiS(**{**SMALL, "random_state": None}, drop_first=False)
    clustering = BASiSClustering(3, basis=basis).fit(x[rank % len(x)])
    return clustering.labels_, clustering.predict(blobs()[0])


# --- what ends all


def failures(group: ProcessGroup, *arguments: Any) -> list[Failure]:
    found = group.run(*arguments)
    assert all(isinstance(each, Failure) for each in found), found
    return found


def test_bad_points_of_one_rank(group: ProcessGroup) -> None:
    x = strip()
    bad = x.copy()
    bad[7, 1] = np.nan
    first, second = failures(group, fitted, {}, [x, bad])
    assert second.kind == "ValueError" and "NaN" in second.message
    assert first.kind == "RankError" and "rank 1 of 2 raised" in first.message
    assert "NaN" in first.message


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([strip(), strip(100)], "rank 1 has 100 points, fewer than batch_size=160"),
        ([strip(159), strip()], "rank 0 has 159 points"),
        ([strip(), strip()[:, :2]], r"\[3, 2\] features"),
    ],
)
def test_shards_that_cannot_be_used(
    group: ProcessGroup, x: list[np.ndarray], message: str
) -> None:
    for failure in failures(group, fitted, {}, x):
        assert failure.kind == "ValueError"
        assert pytest.raises(ValueError, match=message).matches(
            ValueError(failure.message)
        )


def test_an_empty_shard(group: ProcessGroup) -> None:
    first, second = failures(group, fitted, {}, [strip(), strip()[:0]])
    assert second.kind == "ValueError" and "0 sample" in second.message
    assert "rank 1 of 2" in first.message


def test_parameters_that_differ(group: ProcessGroup) -> None:
    for failure in failures(group, _of_other_neighbors):
        assert failure.kind == "ValueError"
        assert "rank 1 has n_neighbors=11 and rank 0 has 10" in failure.message


def _of_other_neighbors(rank: int) -> None:
    fitted(rank, {"n_neighbors": 10 + rank}, [strip()])


def test_columns_and_clusters_that_differ(group: ProcessGroup) -> None:
    for failure in failures(group, _of_other_columns):
        assert "rank 1 has columns=['c', 'b', 'a'] and rank 0" in failure.message
    for failure in failures(group, _of_other_clusters):
        assert failure.kind == "ValueError" and "'n_clusters': 4" in failure.message


def _of_other_columns(rank: int) -> None:
    names = list("abc") if rank == 0 else list("cba")
    BASiS(**SMALL).fit(pd.DataFrame(strip(seed=rank), columns=names))


def _of_other_clusters(rank: int) -> None:
    BASiSClustering(3 + rank, basis=BASiS(**SMALL)).fit(strip())


@pytest.mark.parametrize("option", ["sample_weight", "y", "edges"])
def test_what_is_of_all_points(group: ProcessGroup, option: str) -> None:
    for failure in failures(group, _with, option):
        assert failure.kind == "ValueError"
        words = "given graph" if option == "edges" else f"{option} is of all points"
        assert words in failure.message


def _with(rank: int, option: str) -> None:
    x = strip(seed=rank)
    ones = np.ones(len(x), dtype=int)
    if option == "y":
        BASiS(**SMALL, anchor_method="per_class").fit(x, ones)
    elif option == "sample_weight":
        BASiS(**SMALL).fit(x, sample_weight=ones)
    else:
        node = torch.arange(300)
        ring = to_undirected(torch.stack([node, (node + 1) % 300]))
        BASiS(**SMALL).fit(Data(torch.from_numpy(x[:300]), ring))


def test_weights_of_common_points(group: ProcessGroup) -> None:
    first, second = group.run(_weighted)
    assert are_same(first, second) and captured(first) > 0.9


def _weighted(rank: int) -> dict[str, Any]:
    x = strip()
    basis = BASiS(**SMALL).fit(x, sample_weight=1 + (np.arange(len(x)) % 2))
    return content(basis)


class Unreadable(torch.utils.data.Dataset):
    """Points of which one cannot be read from some time on."""

    def __init__(self, x: np.ndarray, num_readable: float) -> None:
        self.x, self.num_left = torch.from_numpy(x), num_readable

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> torch.Tensor:
        self.num_left -= 1
        if self.num_left < 0:
            raise OSError("the disk is gone")
        return self.x[index]


@pytest.mark.parametrize("num_readable", [300, 1500])
@pytest.mark.parametrize("is_sharded", [False, True])
def test_an_error_in_the_training_of_one(
    group: ProcessGroup, num_readable: int, is_sharded: bool
) -> None:
    first, second = failures(group, _unreadable, num_readable, is_sharded)
    assert second == Failure("OSError", "the disk is gone")
    assert first.message == "rank 1 of 2 raised OSError: the disk is gone"
    # The group goes on.
    assert captured(group.run(fitted, {}, [strip()])[1]) > 0.9


def _unreadable(rank: int, num_readable: int, is_sharded: bool) -> None:
    x = strip(seed=rank if is_sharded else 0)
    BASiS(**SMALL).fit(Unreadable(x, num_readable if rank else np.inf))


def test_shards_of_very_different_lengths(group: ProcessGroup) -> None:
    """Some samples have no point of the second one."""
    first, second = group.run(_of_datasets)
    assert are_same(first, second)


def _of_datasets(rank: int) -> dict[str, Any]:
    x = strip(20_000)
    shard = x[:-160] if rank == 0 else x[-160:]
    return content(BASiS(**{**SMALL, "max_iter": 2}).fit(Unreadable(shard, np.inf)))


def test_an_error_at_the_very_end_of_one(group: ProcessGroup) -> None:
    first, second = failures(group, _warning_as_error)
    assert first.kind == "UserWarning" and "rank 0 of 2 raised" in second.message
    assert captured(group.run(fitted, {}, [strip()])[1]) > 0.9


def _warning_as_error(rank: int) -> None:
    x, _ = blobs()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        BASiS(**{**SMALL, "n_components": 5, "max_iter": 2}).fit(10 * x)


def test_a_signal_waits_until_the_ranks_have_met(group: ProcessGroup) -> None:
    first, second = failures(group, _interrupted)
    assert first.kind == "KeyboardInterrupt"
    assert "rank 0 of 2 raised KeyboardInterrupt" in second.message
    assert captured(group.run(fitted, {}, [strip()])[1]) > 0.9


def _interrupted(rank: int) -> None:
    def late(state: Any) -> None:
        if rank == 1 and state.num_batches == 3:
            time.sleep(1.5)

    if rank == 0:
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    settings = {**SMALL, "max_iter": 10_000}
    BASiS(**settings).fit(strip(), callback=late)


def test_a_callback_of_one(group: ProcessGroup) -> None:
    assert group.run(_stopped) == [5, 5]
    first, second = failures(group, _raising)
    assert first.kind == "KeyError"
    assert second.message == "rank 0 of 2 raised KeyError: 'odd'"


def _stopped(rank: int) -> int:
    stop = (lambda state: state.num_batches == 5) if rank == 1 else None
    return BASiS(**SMALL).fit(strip(), callback=stop).n_iter_


def _raising(rank: int) -> None:
    BASiS(**SMALL).fit(strip(), callback=(lambda _: {}["odd"]) if rank == 0 else None)


def test_a_rank_that_dies(tmp_path: Path) -> None:
    with process_group(2, tmp_path) as group:
        start = time.perf_counter()
        first, second = failures(group, _dying)
        assert second == Failure("ended", str(-signal.SIGKILL))
        assert first.kind == "RankError"
        assert "rank 0 of 2 lost the others" in first.message
        assert time.perf_counter() - start < 60  # not the timeout of the group


def _dying(rank: int) -> None:
    def die(state: Any) -> None:
        if rank == 1 and state.num_batches == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    BASiS(**SMALL).fit(strip(), callback=die)


# --- checkpoints


@pytest.mark.parametrize("is_sharded", [False, True])
def test_a_checkpoint(group: ProcessGroup, tmp_path: Path, is_sharded: bool) -> None:
    x = strip()
    shards = [x[:700], x[700:]] if is_sharded else [x]
    whole = group.run(_with_dropout, shards, None, None)
    assert are_same(*whole)
    first, second = failures(group, _with_dropout, shards, tmp_path / "new", 11)
    assert second == Failure("ArithmeticError", "stopped")
    assert first.message == "rank 1 of 2 raised ArithmeticError: stopped"
    done = torch.load(tmp_path / "new/training.pt", weights_only=True)
    assert len(done["state"]["records"]) == 11
    with pytest.raises(ValueError, match="ranks: 2 there, None here"):
        _with_dropout(0, shards, tmp_path / "new", None)
    found = group.run(_with_dropout, shards, tmp_path / "new", None)
    assert are_same(*found) and are_same(found[0], whole[0])
    assert os.listdir(tmp_path / "new") == ["finished.pt"]


def test_a_checkpoint_that_cannot_be_written(
    group: ProcessGroup, tmp_path: Path
) -> None:
    first, second = failures(group, _without_folder, tmp_path / "gone")
    assert first.kind == "FileNotFoundError"
    assert "rank 0 of 2 raised FileNotFoundError" in second.message
    assert captured(group.run(fitted, {}, [strip()])[1]) > 0.9


def _without_folder(rank: int, folder: Path) -> None:
    def remove(state: Any) -> None:
        if rank == 0 and state.num_batches == 9:
            folder.rmdir()

    BASiS(**SMALL).fit(strip(), checkpoint=folder, callback=remove)


def _with_dropout(
    rank: int, x: list[np.ndarray], folder: Path | None, last: int | None
) -> dict[str, Any]:
    def stop(state: Any) -> None:
        if rank == 1 and state.num_batches == last:
            raise ArithmeticError("stopped")

    torch.manual_seed(rank)
    network = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Dropout(0.2))
    return fitted(
        rank,
        {"network": network},
        x,
        checkpoint=folder,
        callback=stop if last else None,
    )


# --- the parts


def test_rows_of_shards(group: ProcessGroup) -> None:
    x = strip(50)
    for rows, own, dtype in group.run(_rows_of_shards, x):
        assert np.array_equal(rows, x[[49, 0, 30, 29, 49]].astype(np.float64))
        assert dtype == torch.float64
        assert own in ([0, 29], [0, 19, 19])


def _rows_of_shards(rank: int, x: np.ndarray) -> Any:
    shard = x[:30] if rank == 0 else x[30:].astype(np.float64)
    rows = ShardedRows(FeatureSource(shard), Ranks(in_group=True))
    index = np.array([49, 0, 30, 29, 49])
    assert len(rows) == 50
    found = rows.__getitems__(index)
    return found.numpy(), sorted(rows.own_numbers(index).tolist()), found.dtype


@pytest.mark.parametrize("has_second", [True, False])
def test_moments_are_those_of_all_graphs(group: ProcessGroup, has_second: bool) -> None:
    x = torch.from_numpy(strip(600)).double()
    graphs = [x[:300], x[300:] if has_second else x[:0]]
    alone = _moments(x, Ranks(), *graphs[: 1 + has_second])
    for found in group.run(_moments_of_ranks, x, graphs):
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            np.testing.assert_allclose(found[name], expected, atol=1e-9)


def _moments_of_ranks(rank: int, x: torch.Tensor, graphs: list[torch.Tensor]) -> Any:
    # The features are of rank 0, as machines may round differently.
    return _moments(x * (1 + 1e-7 * rank), Ranks(in_group=True), graphs[rank])


def _moments(x: torch.Tensor, ranks: Ranks, *graphs: torch.Tensor) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    moments = RayleighRitz(
        lambda x: torch.cat([x, x**2, x**3], dim=1), x, 600, 4, generator, ranks=ranks
    )
    embedding = ExactEmbedding(3)
    for graph in graphs:
        if len(graph) > 0:
            moments.add(graph, embedding.operator(graph))
        else:
            moments.add(graph, Laplacian.of_weights(csr_matrix((0, 0)), "sym"))
    values, coefficients = moments.solve(4)
    return {
        "values": values,
        "coefficients": coefficients.abs(),
        "eigenvalues": moments.eigenvalues(coefficients),
        "mass": moments.moments().mass,
        "num_nodes": moments.moments().num_nodes,
    }


def test_gradients_are_averaged(group: ProcessGroup) -> None:
    expected = np.array([[0.5, 1.0]]), np.array([1.5])
    for found in group.run(_averaged):
        for mean, part in zip(expected, found, strict=True):
            assert np.array_equal(mean, part)


def _averaged(rank: int) -> tuple[np.ndarray, np.ndarray]:
    layer = nn.Linear(2, 1)
    layer.weight.grad = None if rank == 0 else torch.tensor([[1.0, 2.0]])
    layer.bias.grad = torch.tensor([1.0 + rank])
    Ranks(in_group=True).average_gradients(layer)
    return layer.weight.grad.numpy(), layer.bias.grad.numpy()


def test_without_a_group_there_is_one_rank() -> None:
    assert not dist.is_initialized()
    ranks = Ranks(in_group=True)
    assert (ranks.rank, ranks.size, ranks.gather(3)) == (0, 1, [3])
