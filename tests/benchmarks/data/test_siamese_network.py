import torch

from benchmarks.data.siamese_network import SiameseNetwork


def test_deep_network_has_more_layers():
    images = torch.rand(5, 1, 28, 32)
    for deep, num_layers in ((False, 3), (True, 7)):
        network = SiameseNetwork(images, 5, deep).eval()
        kinds = [type(layer) for layer in network.layers]
        assert kinds.count(torch.nn.Conv2d) == num_layers
        assert network(images[:3]).shape == (3, 5)
