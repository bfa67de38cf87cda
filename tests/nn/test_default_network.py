from itertools import pairwise

import torch

from pyg_basis.nn._default_network import HIDDEN_CHANNELS, HiddenLayers


def test_linear_layers_with_relu_whose_outputs_are_all_given() -> None:
    network = HiddenLayers(3)
    matrices = [p for p in network.parameters() if p.dim() == 2]
    widths = [3, *HIDDEN_CHANNELS]
    assert [p.shape for p in matrices] == [(b, a) for a, b in pairwise(widths)]
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    outputs = network(x)
    expected = x
    for layer, output in zip(network.layers, outputs, strict=True):
        expected = (expected @ layer.weight.T + layer.bias).relu()
        torch.testing.assert_close(output, expected)
