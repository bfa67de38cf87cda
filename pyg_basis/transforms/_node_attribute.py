import torch
from torch import Tensor
from torch_geometric.data import Data


def checked_graph(data: object, transform: str) -> Data:
    r"""The graph, once it is known to be homogeneous."""
    if not isinstance(data, Data):
        raise ValueError(
            f"{transform} takes a torch_geometric.data.Data or a Batch of them, got "
            f"{type(data).__name__}: nodes of several types have no one Laplacian; for "
            f"a HeteroData pass data.to_homogeneous(), or one type's own graph"
        )
    return data


def add_node_attribute(data: Data, value: Tensor, name: str | None) -> Data:
    r"""Sets the rows :obj:`value [n, k]` as an attribute, or, without a name, beside
    the columns of :obj:`x`, as transforms of PyG do."""
    if name is not None:
        data[name] = value
    elif data.x is None:
        data.x = value
    else:
        x = data.x.view(-1, 1) if data.x.dim() == 1 else data.x
        # Classes of atoms, say, are integers: encodings would be cut off.
        x = x if x.is_floating_point() else x.to(value)
        data.x = torch.cat([x, value.to(x)], dim=-1)
    return data
