import torch
from torch import Tensor, nn

# The widths of the authors' published network.
HIDDEN_CHANNELS = (256, 512, 512, 256)


class HiddenLayers(nn.Module):
    r"""Four linear layers with ReLU after each, as in the published network.

    Args:
        in_channels (int): Width of the features :math:`d`.
        hidden_channels (tuple of int, optional): Widths of the layers.

    Shapes: features :obj:`[n, d]` to a tuple of the layers' outputs :obj:`[n, h_i]`.
    """

    def __init__(
        self, in_channels: int, hidden_channels: tuple[int, ...] = HIDDEN_CHANNELS
    ) -> None:
        super().__init__()
        widths = in_channels, *hidden_channels
        self.layers = nn.ModuleList(
            nn.Linear(before, after)
            for before, after in zip(widths, hidden_channels, strict=False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        r"""The outputs of all layers, the last one last."""
        outputs = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            outputs.append(x)
        return tuple(outputs)
