from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyg_basis import BASiS
from pyg_basis.estimators._checkpoint import FORMAT


@pytest.fixture(scope="module")
def basis() -> BASiS:
    x = np.random.default_rng(0).normal(size=(200, 3))
    settings: dict[str, Any] = {"n_anchors": 30, "batch_size": 80, "n_neighbors": 10}
    return BASiS(2, max_iter=3, random_state=0, **settings).fit(x)


def test_holds_plain_values_and_tensors(basis: BASiS, tmp_path: Path) -> None:
    basis.save(tmp_path / "basis.pt")
    saved = torch.load(tmp_path / "basis.pt", weights_only=True)
    assert saved["pyg_basis"] == FORMAT
    assert FORMAT == 6
    assert saved["params"]["n_anchors"] == 30
    assert saved["quality"] == basis.quality_
    assert [path.name for path in tmp_path.iterdir()] == ["basis.pt"]


def test_another_version(basis: BASiS, tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    saved = torch.load(path, weights_only=True)
    for version in (FORMAT + 1, None, "1"):
        torch.save(saved | {"pyg_basis": version}, path)
        with pytest.raises(
            ValueError, match=rf"version {version}.*reads version {FORMAT}"
        ):
            BASiS.load(path)


def test_other_files(basis: BASiS, tmp_path: Path) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    whole = path.read_bytes()
    contents = (b"", b"garbage", np.arange(9).tobytes(), whole[: len(whole) // 2])
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"path=.*a file written by BASiS\.save"):
            BASiS.load(path)
    for other in ({"weights": torch.zeros(2)}, [1, 2], torch.zeros(3)):
        torch.save(other, path)
        with pytest.raises(ValueError, match="version None"):
            BASiS.load(path)


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


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        BASiS.load(tmp_path / "nowhere.pt")


def test_failed_save_keeps_the_earlier_file(
    basis: BASiS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "basis.pt"
    basis.save(path)
    before = path.read_bytes()

    def full_disk(_: Any, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("torch.save", full_disk)
    with pytest.raises(OSError, match="no space"):
        basis.save(path)
    assert path.read_bytes() == before


def test_parameters_of_numpy_and_torch(basis: BASiS, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    settings: dict[str, Any] = {
        "n_components": np.int64(2),
        "learning_rate": np.float32(1e-3),
        "device": torch.device("cpu"),
        "laplacian": np.str_("rw"),
    }
    other = BASiS(**(basis.get_params() | settings | {"random_state": np.int32(3)}))
    other.fit(x).save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.get_params() == other.get_params()
    assert type(loaded.n_components) is int
    assert np.array_equal(loaded.transform(x), other.transform(x))


def test_a_generator_is_left_out(basis: BASiS, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    params = basis.get_params() | {"random_state": np.random.RandomState(0)}
    other = BASiS(**params).fit(x)
    other.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.random_state is None
    assert np.array_equal(loaded.transform(x), other.transform(x))


def test_feature_names(basis: BASiS, tmp_path: Path) -> None:
    basis.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    try:
        basis.save(tmp_path / "basis.pt")
    finally:
        del basis.feature_names_in_
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c"]
    assert loaded.feature_names_in_.dtype == object


def test_half_a_checkpoint_is_a_value_error(tmp_path) -> None:
    path = tmp_path / "half.pt"
    torch.save({"pyg_basis": FORMAT}, path)
    with pytest.raises(ValueError, match=r"half.pt.*damaged"):
        BASiS.load(path)


def test_a_network_of_another_build_is_a_value_error(tmp_path) -> None:
    x = torch.randn(80, 2, generator=torch.Generator().manual_seed(0))
    sizes = {"batch_size": 60, "n_anchors": 20, "n_neighbors": 10, "max_iter": 2}
    basis = BASiS(2, network=torch.nn.Linear(2, 2), random_state=0, **sizes).fit(x)
    basis.save(tmp_path / "basis.pt")
    with pytest.raises(ValueError, match="does not fit network="):
        BASiS.load(tmp_path / "basis.pt", network=torch.nn.Linear(2, 3))
