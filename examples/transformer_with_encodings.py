"""A graph transformer (GPS), which knows of the graph's layout by encodings alone.

    python examples/transformer_with_encodings.py --graph FILE

"Recipe for a General, Powerful, Scalable Graph Transformer" (Rampášek et al. 2022,
https://arxiv.org/abs/2205.12454) gives each node the first Laplacian eigenvectors, as
its attention reaches all nodes alike. They come from PyG, from AddSpectralPE, or from a
BASiS model. Attention here is linear in the number of nodes (Performer).
"""

from collections.abc import Sequence

from common import compare, load, parse, show
from torch import Tensor, nn
from torch_geometric.nn import GCNConv, GPSConv

WIDTH, HEADS = 32, 4
MOST_EPOCHS = 60  # for two minutes on the Facebook pages


class Transformer(nn.Module):
    def __init__(self, in_channels: int, num_columns: int, num_classes: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.dropout = nn.Dropout(0.5)
        self.features = nn.Linear(in_channels, WIDTH)
        self.encodings = nn.Linear(num_columns, WIDTH, bias=False)
        self.blocks = nn.ModuleList(
            GPSConv(
                WIDTH,
                GCNConv(WIDTH, WIDTH),
                heads=HEADS,
                dropout=0.3,
                attn_type="performer",
                attn_kwargs={"head_channels": WIDTH // HEADS},  # not 64
            )
            for _ in range(2)
        )
        self.out = nn.Linear(WIDTH, num_classes)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        features, encodings = x[:, : self.in_channels], x[:, self.in_channels :]
        hidden = self.features(self.dropout(features)) + self.encodings(encodings)
        for block in self.blocks:
            hidden = block(hidden, edge_index)
        scores: Tensor = self.out(hidden)
        return scores


def main(arguments: Sequence[str] | None = None) -> dict[str, list[float]]:
    options = parse(__doc__, arguments)
    data = load(options)
    num_features, num_classes = data.x.size(1), int(data.y.max()) + 1

    def make_model(num_columns: int) -> Transformer:
        return Transformer(num_features, num_columns, num_classes)

    epochs = min(options.epochs, MOST_EPOCHS)
    found = compare(data, make_model, options, epochs)
    return show(f"{options.graph}: test accuracy of a transformer", found)


if __name__ == "__main__":
    main()
