import torch
from torch import Tensor
from torch_geometric.data import Data


def checked_edge_index(graph: Data) -> tuple[Tensor, int]:
    r"""The edges :math:`[2, E]` of ``graph`` and its number of nodes, both valid."""
    if not isinstance(graph, Data):
        raise ValueError(
            "graph must be a torch_geometric.data.Data, got "
            f"{type(graph).__name__}: build one with knn_graph(x, k) or "
            "Data(edge_index=..., num_nodes=...)"
        )
    edge_index = graph.edge_index
    if edge_index is None:
        raise ValueError(
            "graph has no edge_index: build it with knn_graph(x, k), or set "
            "graph.edge_index to an int64 tensor of shape [2, E]"
        )
    if (
        edge_index.dtype != torch.long
        or edge_index.dim() != 2
        or edge_index.size(0) != 2
    ):
        raise ValueError(
            "graph.edge_index must be an int64 tensor of shape [2, E], got "
            f"{edge_index.dtype} of shape {tuple(edge_index.shape)}: pass one column "
            "an edge, converted with edge_index.long()"
        )
    num_nodes = graph.num_nodes
    if num_nodes is None:
        raise ValueError(
            "graph does not say its number of nodes: set graph.x or graph.num_nodes"
        )
    if edge_index.numel() > 0:
        low, high = (int(bound) for bound in edge_index.aminmax())
        if low < 0 or high >= num_nodes:
            raise ValueError(
                f"graph.edge_index must lie within [0, {num_nodes - 1}] for "
                f"num_nodes={num_nodes}, got indices from {low} to {high}: drop "
                "those edges, or set graph.num_nodes (or graph.x) to cover them"
            )
    return edge_index, num_nodes


def checked_edge_values(values: Tensor, name: str, num_edges: int) -> Tensor:
    r"""Finite, nonnegative, floating point values :math:`[E]` of the edges."""
    if not values.is_floating_point():
        raise ValueError(
            f"graph.{name} must be floating point, got {values.dtype}: convert it "
            f"with graph.{name}.float()"
        )
    if tuple(values.shape) != (num_edges,):
        raise ValueError(
            f"graph.{name} must have shape [{num_edges}], one value an edge, got "
            f"{tuple(values.shape)}: set it beside edge_index, flattened"
        )
    # One comparison finds negative values and NaN, one more infinity.
    if not bool(((values >= 0) & (values < torch.inf)).all()):
        worst = values[~((values >= 0) & (values < torch.inf))][0].item()
        raise ValueError(
            f"graph.{name} must be finite and not negative, got {worst}: drop those "
            f"edges, or mend the values, for example with graph.{name}.clamp(min=0)"
        )
    return values
