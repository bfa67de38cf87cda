"""What is taken as points, and what is refused."""

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import DataLoader as GraphDataLoader

from pyg_basis import BASiS
from tests.estimators.inputs import Rows, quick, same, three_blobs

X = torch.from_numpy(three_blobs()).float()
GRAPHS = [Data(x=part, edge_index=torch.empty(2, 0).long()) for part in X.split(10)]


@pytest.fixture(scope="module")
def basis() -> BASiS:
    return quick(max_iter=2).fit(X)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (DataLoader(Rows(X)), "the dataset of a DataLoader, got DataLoader"),
        (
            GraphDataLoader(GRAPHS),
            "the dataset of a DataLoader, got DataLoader",
        ),
        (iter(tuple(X)), "data must be a tensor.* got tuple_iterator"),
        ({"x": X}, "data must be a tensor.* got dict"),
        (None, "data must be a tensor.* got NoneType"),
        (GRAPHS, r"of one point as x.*got Data\(x=\[10, 3\].*by Batch.from_data_list"),
        (tuple(GRAPHS), "of several graphs by Batch.from_data_list"),
        ([HeteroData()], "of one point as x.*got HeteroData"),
    ],
)
def test_what_holds_no_points(basis: BASiS, points: Any, message: str) -> None:
    for call in (quick().fit, basis.transform):
        with pytest.raises(ValueError, match=rf"(?s){message}"):
            call(points)


@pytest.mark.filterwarnings("error")
def test_one_point_has_no_graph_to_score(basis: BASiS) -> None:
    with pytest.raises(ValueError, match="1 nodes can give"):
        basis.score(X[:1])


def test_a_list_of_nodes_holds_points(basis: BASiS) -> None:
    nodes = [Data(x=row[None]) for row in X]
    assert same(quick(max_iter=2).fit(nodes), basis, X)


def test_bfloat16_points_are_taken_as_their_values() -> None:
    coarse = X.bfloat16()
    basis = quick(max_iter=2).fit(coarse)
    assert same(basis, quick(max_iter=2).fit(coarse.float()), coarse)
    assert basis.transform(coarse).dtype == torch.float32
