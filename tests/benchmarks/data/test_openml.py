from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.data import openml
from benchmarks.data.openml import OpenMLSource, fetch_images

TINY = OpenMLSource(7, 20, (1,) * 10, (3, 2, 4))


def bunch():
    """What fetch_openml gives: float rows and labels as strings."""
    rows = (np.arange(30 * 24) % 256).astype(np.float64).reshape(30, 24)
    labels = np.arange(30) % 10
    return SimpleNamespace(data=rows, target=labels.astype(str).astype(object))


@pytest.fixture
def serve(monkeypatch):
    return lambda answer: monkeypatch.setattr(
        openml, "fetch_openml", lambda **_: answer
    )


def test_split_by_order_with_channels_last(serve, tmp_path):
    answer = bunch()
    serve(answer)
    split = fetch_images(TINY, tmp_path)
    assert split.x_train.shape == (20, 2, 4, 3) and split.x_test.shape == (10, 2, 4, 3)
    planes = split.x_test[0].permute(2, 0, 1).flatten()
    assert planes.tolist() == answer.data[20].tolist()
    assert split.y_test.tolist() == list(range(10))


def test_label_ten_is_the_digit_zero(serve, tmp_path):
    answer = bunch()
    answer.target[answer.target == "0"] = "10"
    serve(answer)
    assert fetch_images(TINY, tmp_path).y_test.tolist() == list(range(10))


def test_a_wrong_answer_is_named(serve, tmp_path):
    short, scaled, labels, shuffled = (bunch() for _ in range(4))
    short.data = short.data[:-1]
    scaled.data = scaled.data / 255
    labels.target = np.full(30, "11", dtype=object)
    shuffled.target = np.sort(shuffled.target)
    for answer, message in (
        (short, r"rows \(29, 24\)"),
        (scaled, "pixels from"),
        (labels, r"labels \[.*11"),
        (shuffled, "not the official test split"),
    ):
        serve(answer)
        with pytest.raises(ValueError, match=message):
            fetch_images(TINY, tmp_path)
