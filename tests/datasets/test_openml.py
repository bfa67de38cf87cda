from types import SimpleNamespace

import numpy as np
import pytest

from pyg_basis.datasets import _openml
from pyg_basis.datasets._openml import OPENML_SOURCES, OpenMLSource, fetch_images

TINY = OpenMLSource(
    data_id=7,
    title="tiny",
    num_train=20,
    test_counts=(1,) * 10,
    row_shape=(3, 2, 4),
    channels_first=True,
)


def bunch(source, ten_for_zero=False):
    """What fetch_openml gives: float rows and labels as strings."""
    num_rows = source.num_train + sum(source.test_counts)
    width = int(np.prod(source.row_shape))
    rows = (np.arange(num_rows * width) % 256).astype(np.float64)
    labels = np.arange(num_rows) % 10
    if ten_for_zero:
        labels[labels == 0] = 10
    return SimpleNamespace(
        data=rows.reshape(num_rows, width), target=labels.astype(str).astype(object)
    )


def serve(monkeypatch, answer):
    calls = []

    def fetch_openml(**arguments):
        calls.append(arguments)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(_openml, "fetch_openml", fetch_openml)
    return calls


def test_the_official_sizes():
    sizes = {
        name: (source.num_train, sum(source.test_counts), source.data_id)
        for name, source in OPENML_SOURCES.items()
    }
    assert sizes == {
        "mnist": (60_000, 10_000, 554),
        "fashion_mnist": (60_000, 10_000, 40996),
        "cifar10": (50_000, 10_000, 40927),
        "svhn": (73_257, 26_032, 41081),
    }


def test_split_by_order_with_channels_last(monkeypatch, tmp_path):
    answer = bunch(TINY)
    calls = serve(monkeypatch, answer)
    split = fetch_images(TINY, tmp_path)
    assert split.x_train.shape == (20, 2, 4, 3) and split.x_test.shape == (10, 2, 4, 3)
    assert split.x_train.is_contiguous()
    planes = split.x_test[0].permute(2, 0, 1).flatten()
    assert planes.tolist() == answer.data[20].tolist()
    assert split.y_test.tolist() == list(range(10))
    assert calls[0]["data_id"] == 7 and calls[0]["as_frame"] is False
    assert calls[0]["data_home"] == str(tmp_path)


@pytest.mark.parametrize("found, parser", [(None, "liac-arff"), (1, "pandas")])
def test_pandas_is_not_needed(monkeypatch, tmp_path, found, parser):
    monkeypatch.setattr(_openml, "find_spec", lambda name: found)
    calls = serve(monkeypatch, bunch(TINY))
    fetch_images(TINY, tmp_path)
    assert calls[0]["parser"] == parser


def test_label_ten_is_the_digit_zero(monkeypatch, tmp_path):
    serve(monkeypatch, bunch(TINY, ten_for_zero=True))
    assert fetch_images(TINY, tmp_path).y_test.tolist() == list(range(10))


def test_a_failed_download_says_what_to_do(monkeypatch, tmp_path):
    serve(monkeypatch, OSError("no route to host"))
    with pytest.raises(OSError, match=r"tiny .*no route to host.*pass data_root"):
        fetch_images(TINY, tmp_path)


def test_a_wrong_answer_is_named(monkeypatch, tmp_path):
    short = bunch(TINY)
    short.data = short.data[:-1]
    scaled = bunch(TINY)
    scaled.data = scaled.data / 255
    labels = bunch(TINY)
    labels.target = np.full(30, "11", dtype=object)
    shuffled = bunch(TINY)
    shuffled.target = np.sort(shuffled.target)
    for answer, message in (
        (short, r"must be tiny with rows \(30, 24\), got \(29, 24\).*fetch it again"),
        (scaled, "must hold pixels from 0 to 255, got .*data_root"),
        (labels, "must have the labels 0 to 9, got .*11.*data_root"),
        (shuffled, "must hold the official test split .*data_root"),
    ):
        serve(monkeypatch, answer)
        with pytest.raises(ValueError, match=message):
            fetch_images(TINY, tmp_path)
