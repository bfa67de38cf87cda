"""Fitted estimators in files."""

import copy
import hashlib
import io
import resource
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn

from pyg_basis import BASiS
from pyg_basis.estimators._checkpoint import is_checkpoint
from tests.disks import full_disk
from tests.estimators.inputs import QUICK, blocks, network, quick, same, three_blobs

X = three_blobs()
FORMAT = 9


@pytest.fixture(scope="module")
def basis() -> BASiS:
    return quick(max_iter=3).fit(X)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"laplacian": "sym", "bandwidth": np.float64(0.7)},
        {"laplacian": "comb", "readout": False},
    ],
)
def test_there_and_back(tmp_path: Path, settings: dict[str, Any]) -> None:
    basis = quick(**settings).fit(X)
    basis.save(str(tmp_path / "basis.pt"))
    assert [path.name for path in tmp_path.iterdir()] == ["basis.pt"]
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.get_params() == basis.get_params()
    assert same(loaded, basis, X) and same(loaded, basis, X.astype(np.float32))
    assert loaded.n_iter_ == basis.n_iter_ and loaded.n_features_in_ == 3
    assert np.array_equal(loaded.eigenvalues_, basis.eigenvalues_)
    assert loaded.quality_ == basis.quality_
    assert loaded.score(X) == basis.score(X)
    x = torch.from_numpy(X[:50]).float()
    assert torch.equal(*(b.layer_.targets(x).y for b in (loaded, basis)))
    assert same(loaded.fit(X), basis, X)


@pytest.mark.parametrize("graph_targets", ["exact", "coarsened"])
def test_of_a_given_graph(tmp_path: Path, graph_targets: Any) -> None:
    basis = quick(graph_targets=graph_targets).fit(blocks())
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert same(loaded, basis, blocks())
    assert torch.equal(*(b.layer_.loss(blocks().x[:99]) for b in (loaded, basis)))


def test_with_a_network(tmp_path: Path) -> None:
    basis, path = quick(network=network()).fit(X), tmp_path / "basis.pt"
    basis.save(path)
    with pytest.raises(ValueError, match=r"network=None.*same build"):
        BASiS.load(path)
    with pytest.raises(ValueError, match="does not fit network="):
        BASiS.load(path, network=nn.Linear(3, 3))
    given = network()
    loaded = BASiS.load(path, network=given)
    assert same(loaded, basis, X)
    assert loaded.network is not given


def first_line(payload: bytes, version: int = FORMAT) -> bytes:
    checksum = hashlib.sha256(payload).hexdigest()
    return f"pyg_basis model, format {version}, SHA-256 {checksum}\n".encode()


def content(path: Path) -> Any:
    payload = path.read_bytes().partition(b"\n")[2]
    return torch.load(io.BytesIO(payload), weights_only=True)


def write(path: Path, content: Any) -> None:
    """A file whose checksum is right, whatever is in it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(first_line(buffer.getvalue()) + buffer.getvalue())


def test_holds_plain_values_and_tensors_behind_their_checksum(
    basis: BASiS, tmp_path: Path
) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    line, newline, payload = path.read_bytes().partition(b"\n")
    assert line + newline == first_line(payload)
    assert content(path)["params"]["n_anchors"] == 30


def test_another_version(basis: BASiS, tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    payload = path.read_bytes().partition(b"\n")[2]
    for version in (FORMAT - 1, FORMAT + 1):
        path.write_bytes(first_line(payload, version) + payload)
        text = rf"version {version}, this pyg_basis reads version {FORMAT}: fit again"
        with pytest.raises(ValueError, match=text):
            BASiS.load(path)
        assert is_checkpoint(path)


@pytest.fixture(scope="module")
def saved(basis: BASiS, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("saved") / "basis.pt"
    basis.save(path)
    return path.read_bytes()


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@example(place=0, bit=0)
def test_any_changed_missing_or_added_byte_is_noticed(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    path: Path = tmp_path_factory.mktemp("changed") / "basis.pt"
    at = int(place * len(saved))
    flipped = bytes([saved[at] ^ 1 << bit])
    for changed in (
        saved[:at] + flipped + saved[at + 1 :],
        saved[:at] + saved[at + 1 :],
        saved[:at],
        saved[:at] + flipped + saved[at:],
        saved + flipped,
    ):
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"path=.*basis\.pt"):
            BASiS.load(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    others = ({"weights": torch.zeros(2)}, torch.zeros(3), {"pyg_basis": None})
    for other in (b"", b"garbage", *others):
        if isinstance(other, bytes):
            path.write_bytes(other)
        else:
            torch.save(other, path)
        with pytest.raises(ValueError, match=r"path=.*a file written by BASiS\.save"):
            BASiS.load(path)
        assert not is_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        BASiS.load(tmp_path / "nowhere.pt")
    with pytest.raises(IsADirectoryError):
        BASiS.load(tmp_path)


class Malicious:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("run.txt"),))


def test_no_code_of_the_file_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"pyg_basis": 7, "params": Malicious()}, "old.pt")
    write(Path("new.pt"), {"params": Malicious()})
    for name in ("old.pt", "new.pt"):
        with pytest.raises(
            ValueError, match=f"path='{name}' (is no|holds no)"
        ) as raised:
            BASiS.load(name)
        assert "weights_only" not in str(raised.value)
    assert not Path("run.txt").exists()


def test_an_archive_that_expands_is_not_read(tmp_path: Path) -> None:
    buffer, expanding = io.BytesIO(), io.BytesIO()
    torch.save({"params": bytearray(10**6)}, buffer)
    with (
        zipfile.ZipFile(buffer) as archive,
        zipfile.ZipFile(expanding, "w", zipfile.ZIP_DEFLATED) as smaller,
    ):
        for name in archive.namelist():
            smaller.writestr(name, archive.read(name))
    payload = expanding.getvalue()
    path = tmp_path / "basis.pt"
    path.write_bytes(first_line(payload) + payload)
    assert len(payload) < 10**5
    with pytest.raises(ValueError, match="holds no model"):
        BASiS.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_features_in": 10**9}, r"anchors of shape \[30, 3\], expected \[30, 1000"),
        ({"sizes": [80, 10**9, 10, 300]}, r"\[30, 3\], expected \[1000000000, 3\]"),
        ({"sizes": [80]}, "missing"),
        ({"sizes": [80, 30, None, 300]}, "NoneType"),
        ({"eigenvalues": torch.zeros(2)}, "eigenvalues is no list"),
        ({"has_network": torch.zeros(2), "history": None}, "None"),
        ({"params": {"n_components": 10**9}}, "n_components=1000000000"),
        ({"params": {"batch_size": -1}}, "'batch_size' parameter"),
        ({"params": {"other": 1}}, "other"),
        ({"state_dict": {}}, "anchors"),
        ({"state_dict": [1]}, "list"),
        ({"history": {}}, "loss"),
        ({"clusters": {"centers": torch.zeros(3, 5)}}, "centers"),
    ],
)
def test_what_a_file_declares_is_checked(
    saved: bytes, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "basis.pt"
    path.write_bytes(saved)
    changed = content(path)
    change = dict(change)
    changed["params"] |= change.pop("params", {})
    write(path, changed | change)
    with pytest.raises(ValueError, match=rf"path=.*basis\.pt.*damaged.*{message}"):
        BASiS.load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss")
@pytest.mark.parametrize("kind", ["one number", "few rows"])
def test_declared_sizes_take_no_memory(saved: bytes, tmp_path: Path, kind: str) -> None:
    """A layer of as many features would take 3 GB, the file has megabytes."""
    path, width = tmp_path / "basis.pt", 300_000
    path.write_bytes(saved)
    changed = content(path)
    state = changed["state_dict"]
    if kind == "one number":
        shapes = {"anchors": (30, width), "degree.centers": (2000, width)}
        state |= {name: torch.zeros(1).expand(s) for name, s in shapes.items()}
    else:
        changed["sizes"][1] = 3
        state |= {
            "anchors": torch.zeros(3, width),
            "degree.centers": torch.ones(1, width),
        }
    changed["n_features_in"] = width
    write(path, changed)
    assert path.stat().st_size < 10**7
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="damaged"):
        BASiS.load(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 500_000


def test_a_full_disk_loses_no_earlier_file(basis: BASiS, tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    before = path.read_bytes()
    with full_disk(), pytest.raises(OSError, match=r"File too large: .*basis\.pt'$"):
        basis.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.float32, np.float64])
def test_parameters_of_numpy(tmp_path: Path, kind: type[Any]) -> None:
    """What a search over np.arange or np.linspace sets."""
    names = {
        int: "n_components n_anchors batch_size reference_size n_neighbors "
        "max_iter num_workers random_state",
        float: "bandwidth learning_rate tol",
    }
    settings = BASiS().get_params() | QUICK | {"reference_size": 200, "bandwidth": 0.5}
    is_integer = issubclass(kind, np.integer)
    chosen = names[int if is_integer else float].split()
    # There are no points for a batch of so many: sizes are lowered, and saved as such.
    basis = BASiS(**settings | {n: kind(settings[n]) for n in chosen})
    with pytest.warns(UserWarning, match="n_samples = 70"):
        basis.fit(X[:70])
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.get_params() == basis.get_params()
    assert {type(getattr(loaded, n)) for n in chosen} == {int if is_integer else float}
    assert same(loaded, basis, X)


def test_parameters_of_other_kinds(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "device": torch.device("cpu"),
        "laplacian": np.str_("rw"),
        "verbose": np.bool_(False),
    }
    basis = quick(max_iter=2, **settings).fit(X)
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.get_params() == basis.get_params()
    assert same(loaded, basis, X)


def test_what_load_could_not_read_is_not_saved(basis: BASiS, tmp_path: Path) -> None:
    class Remembering(nn.Linear):
        def get_extra_state(self) -> Any:
            return Path("somewhere")

        def set_extra_state(self, state: Any) -> None:
            pass

    changed = copy.copy(basis).set_params(n_components=3)
    other = quick(network=Remembering(3, 16), max_iter=2).fit(X)
    for estimator in (changed, other):
        with pytest.raises(ValueError, match=r"path=.*is not written.*fit again if"):
            estimator.save(tmp_path / "basis.pt")
    assert not list(tmp_path.iterdir())


def test_a_network_keeps_what_is_in_no_state(tmp_path: Path) -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 16)
            self.register_buffer("scale", torch.full((16,), 2.0), persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * self.scale + torch.arange(16)

    basis = quick(network=Scaled(), max_iter=2).fit(X)
    basis.save(tmp_path / "basis.pt")
    assert same(BASiS.load(tmp_path / "basis.pt", network=Scaled()), basis, X)


def test_a_generator_is_left_out(tmp_path: Path) -> None:
    basis = quick(max_iter=2, random_state=np.random.RandomState(0)).fit(X)
    basis.save(tmp_path / "basis.pt")
    assert BASiS.load(tmp_path / "basis.pt").random_state is None


def test_feature_names(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    basis = quick(max_iter=2).fit(pandas.DataFrame(X, columns=["a", "b", "c"]))
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c"]
    assert loaded.feature_names_in_.dtype == object
