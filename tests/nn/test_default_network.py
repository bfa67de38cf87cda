from itertools import pairwise

import torch

from pyg_basis import BASiSLayer
from pyg_basis.baselines._embedding_network import EmbeddingNetwork
from pyg_basis.nn._default_network import HIDDEN_CHANNELS, default_network


def test_five_linear_layers_with_relu() -> None:
    network = default_network(3, 2)
    shapes = [m.weight.shape for m in network.modules() if hasattr(m, "weight")]
    widths = [3, *HIDDEN_CHANNELS, 2]
    assert shapes == [(b, a) for a, b in pairwise(widths)]
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    layers = [m for m in network.modules() if hasattr(m, "weight")]
    expected = x
    for layer in layers[:-1]:
        expected = (expected @ layer.weight.T + layer.bias).relu()
    expected = expected @ layers[-1].weight.T + layers[-1].bias
    torch.testing.assert_close(network(x), expected)


def test_all_methods_have_the_same() -> None:
    ours = BASiSLayer(3, 2, num_anchors=10).network.state_dict()
    theirs = EmbeddingNetwork(3, 2).network.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items()
    }
