"""Fitted estimators in files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pyg_basis import BASiS
from tests.estimators.inputs import blocks, network, quick, same, three_blobs

X = three_blobs()
FORMAT = 7


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


def test_holds_plain_values_and_tensors(basis: BASiS, tmp_path: Path) -> None:
    basis.save(tmp_path / "basis.pt")
    saved = torch.load(tmp_path / "basis.pt", weights_only=True)
    assert saved["pyg_basis"] == FORMAT
    assert saved["params"]["n_anchors"] == 30


def test_another_version(basis: BASiS, tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    saved = torch.load(path, weights_only=True)
    for version in (FORMAT - 1, FORMAT + 1, None):
        torch.save(saved | {"pyg_basis": version}, path)
        text = rf"version {version}, this pyg_basis reads version {FORMAT}: fit again"
        with pytest.raises(ValueError, match=text):
            BASiS.load(path)


def test_other_files(basis: BASiS, tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    whole = path.read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"path=.*a file written by BASiS\.save"):
            BASiS.load(path)
    for other in ({"weights": torch.zeros(2)}, torch.zeros(3)):
        torch.save(other, path)
        with pytest.raises(ValueError, match="version None"):
            BASiS.load(path)
    torch.save({"pyg_basis": FORMAT}, path)
    with pytest.raises(ValueError, match=r"basis\.pt.*damaged"):
        BASiS.load(path)
    with pytest.raises(FileNotFoundError):
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
    torch.save({"pyg_basis": FORMAT, "params": Malicious()}, "bad.pt")
    with pytest.raises(ValueError, match="no readable checkpoint"):
        BASiS.load("bad.pt")
    assert not Path("run.txt").exists()


def test_a_full_disk_loses_no_earlier_file(
    basis: BASiS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    before = path.read_bytes()

    def full_disk(_: Any, target: Any) -> None:
        if isinstance(target, (str, Path)):
            Path(target).write_bytes(b"half")
        else:
            target.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("torch.save", full_disk)
    with pytest.raises(OSError, match="no space"):
        basis.save(path)
    assert path.read_bytes() == before


def test_parameters_of_numpy_and_torch(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "n_components": np.int64(2),
        "learning_rate": np.float32(1e-3),
        "device": torch.device("cpu"),
        "laplacian": np.str_("rw"),
        "random_state": np.int32(3),
    }
    basis = quick(max_iter=2, **settings).fit(X)
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.get_params() == basis.get_params()
    assert type(loaded.n_components) is int
    assert same(loaded, basis, X)


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
