import torch
from torch import Tensor, nn

# The widths of the authors' published network.
HIDDEN_CHANNELS = (256, 512, 512, 256)


class HiddenLayers(nn.Module):
    r"""Four linear layers, each followed by ReLU, as in the published network.

    Args:
        in_channels (int): Width of the features :math:`d`.

    Shapes:
        - **input:** features :obj:`[n, d]`
        - **output:** tuple of the layers' outputs :obj:`[n, h_i]`
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        widths = in_channels, *HIDDEN_CHANNELS
        self.layers = nn.ModuleList(map(nn.Linear, widths, HIDDEN_CHANNELS))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        r"""Returns the outputs of all layers, in order."""
        outputs = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            outputs.append(x)
        return tuple(outputs)
