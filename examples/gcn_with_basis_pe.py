"""A GCN that reads positional encodings in addition to the features of the nodes.

    python examples/gcn_with_basis_pe.py --graph FILE

Twenty labels a class. The encodings are the graph's first eigenvectors: PyG's, with
signs drawn at random; ours, the same in every call; and those of a BASiS model, which
has learned to predict them from the features of a node and of its neighborhood, and so
would give them to nodes that come later, too (examples/cold_start.py).
"""

from collections.abc import Sequence

from common import compare, load, parse, show
from torch import Tensor, nn
from torch_geometric.nn import GCNConv


class GCN(nn.Module):
    def __init__(self, in_channels: int, num_classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.first = GCNConv(in_channels, hidden)
        self.second = GCNConv(hidden, num_classes)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        hidden = self.first(self.dropout(x), edge_index).relu()
        return self.second(self.dropout(hidden), edge_index)


def main(arguments: Sequence[str] | None = None) -> dict[str, list[float]]:
    options = parse(__doc__, arguments)
    data = load(options)
    num_features, num_classes = data.x.size(1), int(data.y.max()) + 1

    def make_model(num_columns: int) -> GCN:
        return GCN(num_features + num_columns, num_classes)

    found = compare(data, make_model, options, options.epochs)
    return show(f"{options.graph}: test accuracy of a GCN", found)


if __name__ == "__main__":
    main()
