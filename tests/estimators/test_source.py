"""What is taken as points, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch.utils.data import DataLoader
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import DataLoader as GraphDataLoader

from pyg_basis import BASiS, BASiSClustering
from tests.estimators.inputs import Rows, quick, same, three_blobs

pytestmark = pytest.mark.usefixtures("narrow_network")

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


@pytest.mark.filterwarnings("ignore:the embedding holds")
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_sparse_points_give_what_dense_ones_do(dtype: Any) -> None:
    x = 100 * three_blobs().clip(0)
    x = np.column_stack([x, np.ones(len(x))]).astype(dtype)
    settings: dict[str, Any] = {"max_iter": 3, "metric": "cosine"}
    dense = quick(**settings).fit(x)
    for num_workers in (0, 1):
        sparse = quick(**settings, num_workers=num_workers).fit(csr_array(x))
        assert same(sparse, dense, x)
    assert np.array_equal(dense.transform(csr_array(x)), dense.transform(x))
    assert dense.score(csr_array(x)) == dense.score(x)


def test_clusters_of_sparse_points() -> None:
    x = three_blobs().clip(0)
    few = quick(max_iter=3)
    sparse, dense = (
        BASiSClustering(3, basis=few, random_state=0).fit(points)
        for points in (csr_array(x), x)
    )
    assert np.array_equal(sparse.labels_, dense.labels_)
    assert np.array_equal(sparse.predict(csr_array(x)), dense.labels_)
