from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from torch import nn

from pyg_basis.estimators._estimator_file import (
    check_network,
    described,
    read_file,
    undescribed,
    write_file,
)


class Plain(BaseEstimator):
    def __init__(self, size: Any = 2, random_state: Any = None) -> None:
        self.size, self.random_state = size, random_state


class WithNetwork(Plain):
    def __init__(
        self, size: Any = 2, random_state: Any = None, network: Any = None
    ) -> None:
        super().__init__(size, random_state)
        self.network = network


def fitted(estimator: Any, names: Any = None) -> Any:
    estimator.n_features_in_ = 3
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return estimator


# --- an estimator as plain values


def test_described() -> None:
    assert described(fitted(Plain(5, 7), ["a", "b", "c"])) == {
        "params": {"size": 5, "random_state": 7},
        "has_network": False,
        "n_features_in": 3,
        "feature_names_in": ["a", "b", "c"],
    }


def test_values_are_plain() -> None:
    saved = described(fitted(Plain(np.float64(0.5), np.int32(3))))
    assert saved["params"] == {"size": 0.5, "random_state": 3}
    types = {name: type(value) for name, value in saved["params"].items()}
    assert types == {"size": float, "random_state": int}
    assert saved["feature_names_in"] == []


def test_generators_and_networks_are_left_out() -> None:
    network = nn.Linear(3, 2)
    estimator = fitted(WithNetwork(2, np.random.RandomState(0), network))
    saved = described(estimator)
    assert saved["params"] == {"size": 2, "random_state": None}
    assert saved["has_network"] is True
    assert estimator.network is network
    assert described(fitted(WithNetwork()))["has_network"] is False


@pytest.mark.parametrize("names", [None, ["a", "b", "c"]])
def test_there_and_back(names: Any) -> None:
    estimator = undescribed(Plain, described(fitted(Plain(5, 7), names)), None)
    assert type(estimator) is Plain
    assert estimator.get_params() == {"size": 5, "random_state": 7}
    assert estimator.n_features_in_ == 3
    assert hasattr(estimator, "feature_names_in_") == (names is not None)
    if names is not None:
        assert estimator.feature_names_in_.tolist() == names
        assert estimator.feature_names_in_.dtype == object


def test_the_network_given_is_copied() -> None:
    network = nn.Linear(3, 2)
    saved = described(fitted(WithNetwork(network=network)))
    estimator = undescribed(WithNetwork, saved, network)
    assert estimator.network is not network
    assert torch.equal(estimator.network.weight, network.weight)
    assert undescribed(WithNetwork, saved, None).network is None
    assert "params" in saved and "network" not in saved["params"]
    # Of one that takes none, it is ignored.
    assert not hasattr(
        undescribed(Plain, described(fitted(Plain())), network), "network"
    )


def test_check_network() -> None:
    check_network({"has_network": True}, "a.pt", nn.Linear(3, 2))
    check_network({"has_network": False}, "a.pt", None)
    check_network({}, "a.pt", None)
    match = r"network=None, but 'a\.pt' was fitted with a network of its own: pass"
    with pytest.raises(ValueError, match=match):
        check_network({"has_network": True}, Path("a.pt"), None)


# --- the file


@pytest.mark.parametrize("version", [3, "Plain, baseline 1"])
@pytest.mark.parametrize("kind", [str, Path])
def test_file_there_and_back(version: Any, kind: Any, tmp_path: Path) -> None:
    path = kind(tmp_path / "one.pt")
    content = {"pyg_basis": version, "rows": torch.arange(3.0), "names": ["a"]}
    write_file(content, path)
    assert [file.name for file in tmp_path.iterdir()] == ["one.pt"]
    saved = read_file(Plain, path, version)
    assert saved["names"] == ["a"] and torch.equal(saved["rows"], content["rows"])
    write_file(content | {"names": []}, path)
    assert read_file(Plain, path, version)["names"] == []
    match = rf"version {version}, this pyg_basis reads version 4: fit again"
    with pytest.raises(ValueError, match=match):
        read_file(Plain, path, 4)


def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "one.pt"
    for content in (b"", b"garbage", np.arange(9).tobytes()):
        path.write_bytes(content)
        match = (
            r"one\.pt' is no readable checkpoint: give a file written by Plain\.save"
        )
        with pytest.raises(ValueError, match=match):
            read_file(Plain, path, 1)
    for other in ({}, [1], torch.zeros(3), {"pyg_basis": None}):
        torch.save(other, path)
        with pytest.raises(ValueError, match="holds checkpoint version None"):
            read_file(Plain, path, 1)
    with pytest.raises(FileNotFoundError):
        read_file(Plain, tmp_path / "nowhere.pt", 1)
    with pytest.raises(IsADirectoryError):
        read_file(Plain, tmp_path, 1)


class Malicious:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("run.txt"),))


def test_no_code_of_the_file_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_file({"pyg_basis": 1, "params": Malicious()}, "bad.pt")
    with pytest.raises(ValueError, match="no readable checkpoint"):
        read_file(Plain, "bad.pt", 1)
    assert not Path("run.txt").exists()


def test_a_full_disk_loses_no_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.pt"
    write_file({"pyg_basis": 1}, path)

    def full_disk(_: Any, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("torch.save", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_file({"pyg_basis": 1}, path)
    monkeypatch.undo()
    assert read_file(Plain, path, 1) == {"pyg_basis": 1}
