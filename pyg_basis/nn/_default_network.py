from itertools import pairwise

import torch
from torch import Tensor, nn

from pyg_basis._own_generator import draw_weights

# The widths of the authors' published network.
HIDDEN_CHANNELS = (256, 512, 512, 256)


class HiddenLayers(nn.Module):
    r"""Four linear layers, each followed by ReLU, as in the published network.

    Args:
        in_channels (int): Width of the features :math:`d`.
        generator (torch.Generator, optional): Source of the weights, by default the
            global one. (default: :obj:`None`)

    Shapes:
        - **input:** features :obj:`[n, d]`
        - **output:** tuple of the layers' outputs :obj:`[n, h_i]`
    """

    def __init__(
        self, in_channels: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        device = torch.get_default_device()
        for before, after in pairwise([in_channels, *HIDDEN_CHANNELS]):
            layer = nn.utils.skip_init(nn.Linear, before, after, device=device)
            draw_weights(layer.weight, layer.bias, generator)
            self.layers.append(layer)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        r"""Returns the outputs of all layers, in order."""
        outputs = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            outputs.append(x)
        return tuple(outputs)
