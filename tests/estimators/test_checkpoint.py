"""A training that was cut off goes on, and a callback follows it."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering, DiffusionMap
from pyg_basis.estimators import _training_checkpoint
from pyg_basis.training_state import TrainingState
from tests.estimators.inputs import QUICK, blocks, quick, same, three_blobs

# The trainings are short.
pytestmark = pytest.mark.filterwarnings("ignore:the embedding holds")
MAX_ITER = 33


class CutOff(Exception):
    """Ends a fit at once, as a kill does."""


class Fragile(nn.Sequential):
    """A network with dropout and running statistics, which may be cut off in one of its
    passes, counted from 1 at the first of the training."""

    def __init__(self, fails_at: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            super().__init__(
                nn.Linear(3, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3)
            )
        self.fails_at, self.count = fails_at, 0

    def forward(self, x: Any) -> Any:
        self.count += self.training
        if self.training and self.count == self.fails_at:
            raise CutOff
        return super().forward(x)


def training(fails_at: int = 0, **kwargs: Any) -> BASiS:
    settings = {"network": Fragile(fails_at), "max_iter": MAX_ITER, "tol": None}
    return quick(**(settings | kwargs))


def cut_off(
    folder: Path,
    x: Any = None,
    leaves: Sequence[str] = ("training.pt",),
    **kwargs: Any,
) -> None:
    """Leaves the checkpoint of ten batches."""
    with pytest.raises(CutOff):
        training(14, **kwargs).fit(three_blobs() if x is None else x, checkpoint=folder)
    assert sorted(path.name for path in folder.iterdir()) == list(leaves)


class Seen:
    """A callback that remembers the batches, and may end the training."""

    def __init__(self, ends_at: int = 0) -> None:
        self.numbers: list[int] = []
        self.ends_at = ends_at

    def __call__(self, state: TrainingState) -> bool:
        self.numbers.append(state.num_batches)
        return state.num_batches == self.ends_at


# --- the same to the bit


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"tol": 0.0},
        {"readout": False},
        {"laplacian": "sym"},
        {"n_components": "eigengap"},
        {"num_workers": 2},
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_it_goes_on_to_the_bit(
    tmp_path: Path, kwargs: dict[str, Any], given: bool
) -> None:
    x: Any = blocks() if given else three_blobs()
    whole = training(**kwargs).fit(x)
    # In passes 14 and 19 (of batch 29): ten batches are done, then twenty.
    for fails_at in 14, 19:
        with pytest.raises(CutOff):
            training(fails_at, **kwargs).fit(x, checkpoint=tmp_path)
    seen = Seen()
    resumed = training(**kwargs).fit(x, checkpoint=tmp_path, callback=seen)
    assert seen.numbers == list(range(21, whole.n_iter_ + 1))
    assert same(resumed, whole, x)
    assert resumed.quality_ == whole.quality_
    states = resumed.layer_.state_dict(), whole.layer_.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3)])
def test_it_goes_on_with_its_own_seed(tmp_path: Path, random_state: Any) -> None:
    cut_off(tmp_path, random_state=random_state)
    seed = torch.load(tmp_path / "training.pt", weights_only=True)["seed"]

    class Known(np.random.RandomState):
        def randint(self, *_: Any) -> int:  # type: ignore[override]
            return seed

    whole = training(random_state=Known()).fit(three_blobs())
    resumed = training(random_state=random_state)
    assert same(resumed.fit(three_blobs(), checkpoint=tmp_path), whole, three_blobs())


def test_what_the_result_does_not_depend_on_may_change(tmp_path: Path) -> None:
    cut_off(tmp_path)
    resumed = training(num_workers=1, verbose=True)
    resumed.fit(three_blobs(), checkpoint=tmp_path)
    assert same(resumed, training().fit(three_blobs()), three_blobs())


def test_an_interrupted_training_goes_on(tmp_path: Path) -> None:
    def interrupt(state: TrainingState) -> None:
        if state.num_batches == 14:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted after 14"):
        training().fit(three_blobs(), checkpoint=tmp_path, callback=interrupt)
    seen = Seen()
    resumed = training().fit(three_blobs(), checkpoint=tmp_path, callback=seen)
    assert seen.numbers[0] in (11, 15)  # the signal may come a moment later
    assert same(resumed, training().fit(three_blobs()), three_blobs())


@pytest.mark.parametrize("random_state", [0, None])
def test_of_a_clustering(tmp_path: Path, random_state: int | None) -> None:
    def clustering(fails_at: int = 0) -> BASiSClustering:
        basis = training(fails_at, random_state=None)
        return BASiSClustering(3, basis=basis, random_state=random_state)

    with pytest.raises(CutOff):
        clustering(14).fit(three_blobs(), checkpoint=tmp_path)
    seen = Seen()
    resumed = clustering().fit(three_blobs(), checkpoint=tmp_path, callback=seen)
    assert seen.numbers[0] == 11
    if random_state is not None:
        whole = clustering().fit(three_blobs())
        assert np.array_equal(resumed.labels_, whole.labels_)
        assert same(resumed.basis_, whole.basis_, three_blobs())


def test_of_a_diffusion_map(tmp_path: Path) -> None:
    def diffusion(fails_at: int = 0) -> DiffusionMap:
        settings = QUICK | {"max_iter": MAX_ITER, "n_neighbors": 20}
        return DiffusionMap(**settings, network=Fragile(fails_at))

    with pytest.raises(CutOff):
        diffusion(14).fit(three_blobs(), checkpoint=tmp_path)
    resumed = diffusion().fit(three_blobs(), checkpoint=tmp_path)
    assert same(resumed, diffusion().fit(three_blobs()), three_blobs())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_after_sigkill(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from tests.estimators.test_checkpoint import three_blobs, training\n"
        "def kill(state):\n"
        "    if state.num_batches == 17: os.kill(os.getpid(), signal.SIGKILL)\n"
        "training().fit(three_blobs(), checkpoint=sys.argv[1], callback=kill)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, cwd=root).returncode == -signal.SIGKILL
    seen = Seen()
    resumed = training().fit(three_blobs(), checkpoint=tmp_path, callback=seen)
    assert seen.numbers[0] == 11
    assert same(resumed, training().fit(three_blobs()), three_blobs())


# --- what is left


@pytest.mark.parametrize("ends_at", [0, 12])
def test_a_finished_training_gives_the_same_model_again(
    tmp_path: Path, ends_at: int
) -> None:
    folder = tmp_path / "new" / "folder"
    one, again = Seen(ends_at), Seen(ends_at)
    first = training().fit(three_blobs(), checkpoint=str(folder), callback=one)
    second = training().fit(three_blobs(), checkpoint=str(folder), callback=again)
    last = ends_at or MAX_ITER
    assert one.numbers == list(range(1, last + 1))
    assert again.numbers == list(range(last // 10 * 10 + 1, last + 1))
    assert same(first, second, three_blobs())
    assert [path.name for path in folder.iterdir()] == ["finished.pt"]


def test_another_one_begins_anew_after_a_finished_one(tmp_path: Path) -> None:
    training().fit(three_blobs(), checkpoint=tmp_path)
    other = three_blobs(seed=1)
    found = training(n_neighbors=12).fit(other, checkpoint=tmp_path)
    assert same(found, training(n_neighbors=12).fit(other), other)
    cut_off(tmp_path, leaves=["finished.pt", "training.pt"])


# --- what is refused


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_neighbors": 12}, "n_neighbors: 10 there, 12 here"),
        ({"max_iter": 50, "alpha": 0.5}, "alpha: 0.0 there, 0.5 here; max_iter: 33 th"),
        ({"random_state": 1}, "random_state: 0 there, 1 here"),
        ({"network": None}, "network: Fragile"),
        ({"network": nn.Linear(3, 8)}, r"network: Fragile\(.* there, Linear\("),
    ],
)
def test_other_parameters(tmp_path: Path, kwargs: dict[str, Any], message: str) -> None:
    cut_off(tmp_path)
    before = (tmp_path / "training.pt").read_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        training(**kwargs).fit(three_blobs(), checkpoint=tmp_path)
    assert "choose another folder or remove" in str(caught.value)
    assert (tmp_path / "training.pt").read_bytes() == before


def test_a_network_of_the_same_words(tmp_path: Path) -> None:
    class Wide(Fragile):
        def __init__(self, width: int, fails_at: int = 0) -> None:
            super().__init__(fails_at)
            self.extra = nn.Parameter(torch.zeros(width))

    with pytest.raises(CutOff):
        training(network=Wide(1, fails_at=14)).fit(three_blobs(), checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"cannot go on .*network: .*size mism"):
        training(network=Wide(2)).fit(three_blobs(), checkpoint=tmp_path)


def test_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_training_checkpoint, "__version__", "0.0.9")
        cut_off(tmp_path)
    with pytest.raises(ValueError, match=r"pyg_basis: 0\.0\.9 there, "):
        training().fit(three_blobs(), checkpoint=tmp_path)
    monkeypatch.setattr(_training_checkpoint, "__version__", "0.0.9.dev5+g1234567")
    training().fit(three_blobs(), checkpoint=tmp_path)


def test_another_estimator(tmp_path: Path) -> None:
    cut_off(tmp_path)
    with pytest.raises(ValueError, match="estimator: BASiS there, DiffusionMap here"):
        DiffusionMap(2, **{k: v for k, v in QUICK.items() if k != "n_components"}).fit(
            three_blobs(), checkpoint=tmp_path
        )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (three_blobs(299), "shape of X: 300 x 3 there, 299 x 3 here; rows of X"),
        (three_blobs(seed=1), "rows of X: SHA-256 .* there, SHA-256 .* here"),
        (blocks(), "edges: None there, SHA-256 .* here"),
    ],
)
def test_other_points(tmp_path: Path, x: Any, message: str) -> None:
    cut_off(tmp_path)
    with pytest.raises(ValueError, match=message):
        training().fit(x, checkpoint=tmp_path)


def test_other_edges(tmp_path: Path) -> None:
    graph = blocks()
    cut_off(tmp_path, graph)
    weight = graph.edge_weight.clone()
    weight[graph.edge_index.sum(dim=0) == graph.edge_index[:, 0].sum()] *= 2
    other = Data(graph.x, graph.edge_index, edge_weight=weight)
    with pytest.raises(ValueError, match=r"\(edges: SHA-256 .* there, SHA-256 .* h"):
        training().fit(other, checkpoint=tmp_path)


def test_other_labels(tmp_path: Path) -> None:
    x, y = three_blobs(), np.arange(300) % 3
    settings = {"anchor_method": "per_class", "max_iter": MAX_ITER}
    with pytest.raises(CutOff):
        training(14, **settings).fit(x, y, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"\(y: SHA-256 .* there, SHA-256 .* here"):
        training(**settings).fit(x, y // 2, checkpoint=tmp_path)
    names = np.array(["one", "three", "two"])[y]
    training(**settings).fit(x, names, checkpoint=tmp_path)


def test_other_weights(tmp_path: Path) -> None:
    x, weight = three_blobs(), np.tile([1.0, 2.0, 0.5], 100)
    with pytest.raises(CutOff):
        training(14).fit(x, sample_weight=weight, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"\(sample_weight: SHA-256 .* there, None h"):
        training().fit(x, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"\(sample_weight: SHA-256 .* there, SHA"):
        training().fit(x, sample_weight=weight + 1, checkpoint=tmp_path)
    resumed = training().fit(x, sample_weight=weight, checkpoint=tmp_path)
    assert same(resumed, training().fit(x, sample_weight=weight), x)


def test_an_anchor_that_few_rows_do_not_show(tmp_path: Path) -> None:
    x = three_blobs()
    cut_off(tmp_path)
    compared = np.linspace(0, 299, 256).astype(int)
    anchors = training(max_iter=1).fit(x).layer_.nodes[:30].numpy()
    x[np.setdiff1d(anchors, compared)[0]] += 1e-3
    with pytest.raises(ValueError, match="X: other anchors"):
        training().fit(x, checkpoint=tmp_path)


def test_a_reference_of_another_machine(tmp_path: Path) -> None:
    """Rounding may differ there, and the sign of an eigenvector."""
    cut_off(tmp_path)
    saved = torch.load(tmp_path / "training.pt", weights_only=True)
    rows = saved["state"]["layer"]["rows"]
    rows[:, 1] *= -1
    torch.save(saved, tmp_path / "training.pt")
    with pytest.raises(ValueError, match=r"of the reference: \d+% apart"):
        training().fit(three_blobs(), checkpoint=tmp_path)
    rows[:, 1] *= -1 - 1e-5
    torch.save(saved, tmp_path / "training.pt")
    with pytest.warns(UserWarning, match="goes on, but not to the bit"):
        training().fit(three_blobs(), checkpoint=tmp_path)


@pytest.mark.parametrize("content", [b"", b"half a fi", None])
def test_a_damaged_file(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        torch.save([1, 2], tmp_path / "training.pt")
    else:
        (tmp_path / "training.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"training\.pt.* remove it to begin anew"):
        training().fit(three_blobs(), checkpoint=tmp_path)


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="file"):
        training().fit(three_blobs(), checkpoint=tmp_path / "file")
    with pytest.raises(ValueError, match="'checkpoint' parameter of fit"):
        training().fit(three_blobs(), checkpoint=7)  # type: ignore[arg-type]


def test_a_state_that_could_not_be_read_again(tmp_path: Path) -> None:
    class Odd(Fragile):
        def get_extra_state(self) -> Any:
            return Path("of a class of its own")

        def set_extra_state(self, state: Any) -> None:
            pass

    with pytest.raises(ValueError, match="let the state of the network be of tensors"):
        training(network=Odd()).fit(three_blobs(), checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- the callback


def test_it_sees_each_batch() -> None:
    records, lengths = [], []

    def callback(state: TrainingState) -> None:
        assert not torch.is_inference_mode_enabled() and state.layer.training
        records.append(state.records[-1])
        lengths.append((state.num_batches, len(state.missing), state.is_finished))

    basis = training(max_iter=12, tol=0.2).fit(three_blobs(), callback=callback)
    assert lengths == [(i, int(i >= 10), i == 12) for i in range(1, 13)]
    for name, values in basis.history_.items():
        if name != "missing":
            assert [record[name] for record in records] == values
    assert same(basis, training(max_iter=12, tol=0.2).fit(three_blobs()), three_blobs())


@pytest.mark.parametrize("ends_at", [5, 10])
def test_it_ends_the_training(ends_at: int) -> None:
    settings = {"tol": 1e-9}
    basis = training(**settings).fit(three_blobs(), callback=Seen(ends_at))
    assert basis.n_iter_ == ends_at and len(basis.history_["missing"]) == 1
    whole = training(**settings, max_iter=ends_at).fit(three_blobs())
    assert same(basis, whole, three_blobs())


def test_what_it_raises_is_passed_on_after_a_checkpoint(tmp_path: Path) -> None:
    def callback(state: TrainingState) -> None:
        if state.num_batches == 13:
            raise SystemExit(143)

    basis = training()
    with pytest.raises(SystemExit, match="143"):
        basis.fit(three_blobs(), checkpoint=tmp_path, callback=callback)
    assert not hasattr(basis, "layer_")
    seen = Seen()
    basis.fit(three_blobs(), checkpoint=tmp_path, callback=seen)
    assert seen.numbers[0] == 14
    assert same(basis, training().fit(three_blobs()), three_blobs())


def test_what_cannot_be_called() -> None:
    with pytest.raises(ValueError, match="'callback' parameter of fit"):
        training().fit(three_blobs(), callback="print")  # type: ignore[arg-type]


def test_signals_are_left_alone(tmp_path: Path) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM]
    before, found = [signal.getsignal(number) for number in numbers], []

    def callback(_: TrainingState) -> None:
        found.append([signal.getsignal(number) for number in numbers])

    training(max_iter=2).fit(three_blobs(), checkpoint=tmp_path, callback=callback)
    assert found == [before, before]
