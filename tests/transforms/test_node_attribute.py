import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from pyg_basis.transforms._node_attribute import add_node_attribute, checked_graph


def test_named_attribute() -> None:
    value = torch.ones(3, 2)
    data = add_node_attribute(Data(x=torch.zeros(3, 1)), value, "pe")
    assert data.pe is value
    assert data.x.shape == (3, 1)


def test_without_a_name_the_columns_of_x_grow() -> None:
    value = torch.ones(3, 2, dtype=torch.float64)
    data = add_node_attribute(Data(x=torch.zeros(3, 1)), value, None)
    assert data.x.tolist() == [[0, 1, 1]] * 3
    assert data.x.dtype == torch.float32
    flat = add_node_attribute(Data(x=torch.zeros(3)), value, None)
    assert flat.x.tolist() == [[0, 1, 1]] * 3
    whole = add_node_attribute(Data(x=torch.tensor([[3], [1], [0]])), value / 2, None)
    assert whole.x.tolist() == [[3, 0.5, 0.5], [1, 0.5, 0.5], [0, 0.5, 0.5]]
    assert add_node_attribute(Data(num_nodes=3), value, None).x is value


def test_only_homogeneous_graphs() -> None:
    data = Data(num_nodes=3)
    assert checked_graph(data, "AddPE") is data
    batch = Batch.from_data_list([data, data])
    assert checked_graph(batch, "AddPE") is batch
    message = r"AddPE takes .*got HeteroData.*to_homogeneous\(\)"
    with pytest.raises(ValueError, match=message):
        checked_graph(HeteroData(), "AddPE")
