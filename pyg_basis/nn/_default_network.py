from torch import nn
from torch_geometric.nn import MLP

# The widths of the authors' published network.
HIDDEN_CHANNELS = (256, 512, 512, 256)


def default_network(in_channels: int, out_channels: int) -> nn.Module:
    r"""Five linear layers with ReLU between them."""
    return MLP([in_channels, *HIDDEN_CHANNELS, out_channels], norm=None)
