import torch

from pyg_basis.datasets import ImageSplit


def test_fields_unpack_in_order():
    parts = [torch.full((2,), index) for index in range(4)]
    split = ImageSplit(*parts)
    assert split._fields == ("x_train", "y_train", "x_test", "y_test")
    x_train, _, _, y_test = split
    assert x_train is parts[0] and y_test is parts[3]
