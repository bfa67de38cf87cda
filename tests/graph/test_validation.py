import pytest
import torch
from torch_geometric.data import Data

from pyg_basis.graph import affinity, laplacian

EDGE = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (EDGE, ["graph must be a torch_geometric.data.Data", "Tensor", "knn_graph"]),
        (Data(num_nodes=2), ["no edge_index", "knn_graph(x, k)"]),
        (
            Data(edge_index=EDGE.float(), num_nodes=2),
            ["graph.edge_index must be an int64", "float32", "edge_index.long()"],
        ),
        (
            Data(edge_index=EDGE[0], num_nodes=2),
            ["graph.edge_index must be an int64", "(2,)", "one column"],
        ),
        (
            Data(edge_index=EDGE, num_nodes=1),
            ["graph.edge_index must lie within [0, 0]", "from 0 to 1", "num_nodes"],
        ),
        (
            Data(edge_index=EDGE - 1, num_nodes=2),
            ["graph.edge_index must lie within [0, 1]", "from -1 to 0", "drop"],
        ),
    ],
)
def test_bad_edges(graph: Data, words: list[str]) -> None:
    for function in (affinity, laplacian):
        with pytest.raises(ValueError) as caught:
            function(graph)
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (torch.ones(3), ["graph.edge_weight must have shape [2]", "(3,)"]),
        (torch.ones(2, 1), ["graph.edge_weight must have shape [2]", "flattened"]),
        (
            torch.ones(2, dtype=torch.long),
            ["graph.edge_weight must be floating point", "graph.edge_weight.float()"],
        ),
    ],
)
def test_bad_edge_values(weight: torch.Tensor, words: list[str]) -> None:
    graph = Data(edge_index=EDGE, edge_weight=weight, num_nodes=2)
    with pytest.raises(ValueError) as caught:
        laplacian(graph)
    for word in words:
        assert word in str(caught.value)
