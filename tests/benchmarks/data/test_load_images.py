import numpy as np
import pytest
import torch

from benchmarks.data import load_images as module
from benchmarks.data.load_images import load_images
from pyg_basis.datasets import ImageSplit


def write(path, value=0):
    images = np.full((10, 4, 4), value, dtype=np.uint8)
    labels = np.arange(10, dtype=np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)


@pytest.fixture
def downloads(monkeypatch):
    """OpenML with a tiny set in the place of each; the list of downloads."""
    done = []

    def fetch_images(source, cache_dir):
        done.append(source.data_id)
        images, labels = torch.ones(3, 4, 4, dtype=torch.uint8), torch.arange(3)
        return ImageSplit(images, labels, images, labels)

    monkeypatch.setattr(module, "fetch_images", fetch_images)
    return done


def test_a_local_file_needs_no_download(tmp_path, downloads):
    write(tmp_path / "mnist.npz", 7)
    split = load_images("mnist", tmp_path, tmp_path / "cache")
    assert split.x_train.shape == (10, 4, 4) and bool((split.x_train == 7).all())
    assert downloads == []


def test_partial_svhn_comes_with_a_warning(tmp_path):
    write(tmp_path / "svhn_partial.npz", 3)
    with pytest.warns(UserWarning, match=r"svhn_partial.npz, a part of SVHN"):
        assert int(load_images("svhn", tmp_path, tmp_path).x_test[0, 0, 0]) == 3
    write(tmp_path / "svhn.npz", 5)
    assert int(load_images("svhn", tmp_path, tmp_path).x_test[0, 0, 0]) == 5


def test_a_folder_without_the_set_is_named(tmp_path):
    write(tmp_path / "mnist_partial.npz")  # only SVHN may be partial
    with pytest.raises(FileNotFoundError, match=r"data_root must .*mnist.npz.*OpenML"):
        load_images("mnist", tmp_path, tmp_path)


def test_download_once_then_read_the_cache(tmp_path, downloads):
    first, second = (load_images("cifar10", None, tmp_path / "c") for _ in range(2))
    assert downloads == [40927]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
