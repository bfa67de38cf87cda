import pytest
import torch

from pyg_basis.datasets import ImageSplit, digits


def test_shapes_and_stratified_split():
    split = digits()
    assert isinstance(split, ImageSplit)
    assert split.x_train.shape == (1257, 64) and split.x_test.shape == (540, 64)
    assert split.x_train.dtype == split.x_test.dtype == torch.float32
    assert split.y_train.dtype == split.y_test.dtype == torch.int64
    assert float(split.x_train.min()) == 0 and float(split.x_train.max()) == 1
    share = split.y_test.bincount() / (
        split.y_train.bincount() + split.y_test.bincount()
    )
    assert float((share - 0.3).abs().max()) < 0.01


def test_the_seed_fixes_the_split():
    first, second, other = digits(), digits(), digits(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.y_test, other.y_test)


def test_every_image_is_in_one_split():
    from sklearn.datasets import load_digits

    split = digits(test_share=0.5)
    rows = torch.cat([split.x_train, split.x_test]) * 16
    both = torch.cat(
        [rows.long(), torch.cat([split.y_train, split.y_test])[:, None]], 1
    )
    pixels, labels = load_digits(return_X_y=True)
    full = [
        (*row.astype(int), label) for row, label in zip(pixels, labels, strict=True)
    ]
    assert sorted(map(tuple, both.tolist())) == sorted(
        tuple(int(entry) for entry in row) for row in full
    )


def test_bad_input():
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"'test_share' .* Got"):
            digits(test_share=share)
    with pytest.raises(ValueError, match=r"'seed' .* Got -1"):
        digits(seed=-1)
