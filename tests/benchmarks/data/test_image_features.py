import torch

from benchmarks.data.image_features import load_features, validation_split
from benchmarks.lib.evaluation import FeatureSplit


def test_quick_features(data_root, tmp_path):
    data = load_features("mnist", data_root, tmp_path / "cache", True)
    assert data.x_train.shape == (700, 16)
    assert data.x_test.shape == (300, 16)


def test_the_validation_part_is_of_the_training_split():
    x = torch.arange(100.0).unsqueeze(1)
    data = FeatureSplit(x, torch.arange(100), -x - 1, torch.arange(100))
    part = validation_split(data)
    assert len(part.x_test) == 10
    assert torch.equal(torch.cat([part.x_train, part.x_test]).sort(dim=0).values, x)
    assert torch.equal(part.x_test[:, 0].long(), part.y_test)
    assert torch.equal(part.x_train[:, 0].long(), part.y_train)
