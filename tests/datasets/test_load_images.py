import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pyg_basis.datasets import _openml, load_images
from pyg_basis.datasets._openml import OPENML_SOURCES, OpenMLSource


def write(path, value=0):
    images = np.full((10, 4, 4), value, dtype=np.uint8)
    labels = np.arange(10, dtype=np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)


@pytest.fixture
def openml(monkeypatch):
    """OpenML with a tiny "mnist" on it; returns the list of downloads."""
    source = OpenMLSource(554, "mnist_784", 20, (1,) * 10, (4, 4))
    monkeypatch.setitem(OPENML_SOURCES, "mnist", source)
    downloads = []

    def fetch_openml(data_id, **arguments):
        downloads.append(data_id)
        rows = np.arange(480.0).reshape(30, 16) % 256
        return SimpleNamespace(data=rows, target=(np.arange(30) % 10).astype(str))

    monkeypatch.setattr(_openml, "fetch_openml", fetch_openml)
    return downloads


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "svhn"])
def test_local_file(tmp_path, name, capsys):
    write(tmp_path / f"{name}.npz", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = load_images(name, str(tmp_path))
    assert split.x_train.shape == (10, 4, 4) and bool((split.x_train == 7).all())
    assert str(tmp_path / f"{name}.npz") in capsys.readouterr().err


def test_partial_svhn_comes_with_a_warning(tmp_path):
    write(tmp_path / "svhn_partial.npz", 3)
    with pytest.warns(UserWarning, match=r"svhn_partial.npz, a part of SVHN") as caught:
        assert int(load_images("svhn", tmp_path, progress=False).x_test[0, 0, 0]) == 3
    assert caught[0].filename == __file__
    write(tmp_path / "svhn.npz", 5)
    assert int(load_images("svhn", tmp_path, progress=False).x_test[0, 0, 0]) == 5


def test_only_svhn_may_be_partial(tmp_path):
    write(tmp_path / "mnist_partial.npz")
    with pytest.raises(FileNotFoundError, match=r"data_root must .*mnist.npz.*OpenML"):
        load_images("mnist", tmp_path)


def test_download_once_then_read_the_cache(tmp_path, openml, capsys):
    first = load_images("mnist", cache_dir=tmp_path / "cache")
    assert (tmp_path / "cache" / "mnist.npz").is_file()
    message = capsys.readouterr().err
    assert "downloading mnist_784 from OpenML" in message
    second = load_images("mnist", cache_dir=tmp_path / "cache", progress=False)
    assert openml == [554]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first.x_train.shape == (20, 4, 4)
    assert capsys.readouterr().err == ""


def test_the_default_cache_is_scikit_learns(tmp_path, openml, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "home"))
    load_images("mnist", progress=False)
    assert (tmp_path / "home" / "mnist.npz").is_file()


def test_a_local_file_needs_no_download(tmp_path, openml):
    write(tmp_path / "mnist.npz")
    load_images("mnist", tmp_path, progress=False)
    assert openml == []


def test_bad_input(tmp_path):
    with pytest.raises(
        ValueError, match=r"name must be one of 'mnist', .* got 'MNIST'"
    ):
        load_images("MNIST", tmp_path)
    with pytest.raises(FileNotFoundError, match="data_root must be a folder"):
        load_images("cifar10", tmp_path / "nowhere")
    (tmp_path / "cifar10.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"cifar10.npz is not a readable"):
        load_images("cifar10", tmp_path, progress=False)
