import torch
from torch import Tensor
from torch_geometric.data import Data


def checked_graph(data: object, transform: str) -> Data:
    r"""Checks that the graph is homogeneous."""
    if not isinstance(data, Data):
        raise ValueError(
            f"{transform} takes a torch_geometric.data.Data or a Batch of them, got "
            f"{type(data).__name__}: nodes of several types have no one Laplacian; for "
            f"a HeteroData pass data.to_homogeneous(), or one type's own graph"
        )
    return data


def checked_name(attr_name: object) -> str | None:
    r"""Checks the name of an attribute, or :obj:`None`."""
    if attr_name is None or (isinstance(attr_name, str) and attr_name):
        return attr_name
    raise ValueError(
        f"attr_name={attr_name!r} must be the name of an attribute, or None for "
        f"columns of x"
    )


def add_node_attribute(data: Data, value: Tensor, name: str | None) -> Data:
    r"""Stores the rows :obj:`value [n, k]` as an attribute, or, without a name,
    concatenates them to :obj:`x`, as transforms of PyG do."""
    if name is not None:
        data[name] = value
    elif data.x is None:
        data.x = value
    else:
        x = data.x
        if not isinstance(x, Tensor) or x.dim() not in (1, 2) or len(x) != len(value):
            shape = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"data.x must be a tensor of shape [{len(value)}, d] to get further "
                f"columns, got {shape}: reshape it, or pass an attr_name"
            )
        x = x.to_dense().view(len(x), -1)
        # Integer features, such as atom types, would truncate the encodings.
        x = x if x.is_floating_point() else x.to(value)
        data.x = torch.cat([x, value.to(x)], dim=-1)
    return data
