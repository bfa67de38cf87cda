"""Under ``metric="cosine"`` all is as for rows that were divided by their norms."""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from pyg_basis import BASiS, BASiSClustering, BASiSLayer
from pyg_basis.data import AnchorLoader
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.reference import ExactEmbedding
from pyg_basis.reference.unit_rows import unit_rows
from pyg_basis.transforms import AddBASiSPE
from tests.estimators.inputs import Rows, Untrained, quick, three_blobs

pytestmark = pytest.mark.usefixtures("narrow_network")

X = torch.from_numpy(three_blobs()) + 1
# Divided by powers of two, rows point where they did to the last bit.
SCALED = X * 2.0 ** (torch.arange(len(X)) % 7 - 3)[:, None]
UNIT = unit_rows(X)


def given_graph(x: torch.Tensor) -> Data:
    graph = affinity(knn_graph(UNIT, 10))
    graph.x = x
    return graph


@pytest.mark.parametrize(
    ("settings", "dtype"),
    [
        ({}, torch.float64),
        ({"laplacian": "sym"}, torch.float32),
        ({"readout": False}, torch.float32),
    ],
)
def test_estimator(settings: dict[str, Any], dtype: torch.dtype) -> None:
    x, unit = SCALED.to(dtype).numpy(), unit_rows(SCALED.to(dtype)).numpy()
    cosine = quick(metric="cosine", max_iter=3, **settings).fit(x)
    euclidean = quick(max_iter=3, **settings).fit(unit)
    assert np.array_equal(cosine.transform(x), euclidean.transform(unit))
    assert np.array_equal(cosine.eigenvalues_, euclidean.eigenvalues_)
    assert cosine.score(x) == euclidean.score(unit)
    # So it is for rows of norm 1 themselves.
    again = quick(metric="cosine", max_iter=3, **settings).fit(unit)
    assert np.array_equal(again.transform(unit), euclidean.transform(unit))


def test_given_graphs_workers_and_clusters() -> None:
    graph = quick(metric="cosine", max_iter=3).fit(given_graph(SCALED))
    expected = quick(max_iter=3).fit(given_graph(UNIT))
    assert torch.equal(graph.transform(SCALED), expected.transform(UNIT))
    cosine = BASiS(4, n_anchors=30, batch_size=80, max_iter=3, n_neighbors=10)
    cosine.set_params(metric="cosine", num_workers=1)
    euclidean = cosine.__class__(**cosine.get_params()).set_params(
        metric="euclidean", num_workers=0
    )
    found, expected = (
        BASiSClustering(3, basis=basis, random_state=0).fit(x)
        for basis, x in ((cosine, SCALED), (euclidean, UNIT))
    )
    assert np.array_equal(found.labels_, expected.labels_)


def test_layer_and_estimator_agree() -> None:
    basis = quick(metric="cosine", max_iter=3).fit(SCALED.float())
    expected = basis.transform(unit_rows(SCALED.float()))
    assert torch.equal(basis.layer_(SCALED.float()), expected)
    data = AddBASiSPE(basis)(Data(x=SCALED.float()))
    assert torch.equal(data.basis_pe, expected)


@pytest.mark.parametrize("laplacian", ["rw", "sym"])
def test_layer(laplacian: Any) -> None:
    rows, states = [], []
    for metric, x in (("cosine", SCALED), ("euclidean", UNIT)):
        layer = BASiSLayer(
            3,
            2,
            30,
            network=nn.Identity(),
            num_neighbors=10,
            laplacian=laplacian,
            metric=metric,
            generator=torch.Generator().manual_seed(0),
        )
        layer.init_reference(x)
        batch = next(iter(AnchorLoader(x, layer.reference, 100, num_batches=1)))
        losses = [layer.loss(batch), layer.loss(x[:50])]
        layer.read_out(x)
        layer.read_out(given_graph(x))
        layer.update_reference(x.flip(1))
        layer.fit_degree(x)
        rows.append([*losses, layer(x), batch.x])
        states.append(layer.state_dict())
    assert all(torch.equal(*pair) for pair in zip(*rows, strict=True))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_exact_embedding() -> None:
    found = ExactEmbedding(3, 10, metric="cosine")(SCALED)
    expected = ExactEmbedding(3, 10)(UNIT)
    assert torch.equal(found.vectors, expected.vectors)
    assert torch.equal(found.values, expected.values)


def test_a_saved_model_keeps_it(basis: BASiS, tmp_path: Path) -> None:
    basis.save(tmp_path / "model.pt")
    loaded = BASiS.load(tmp_path / "model.pt")
    assert loaded.metric == "cosine"
    assert torch.equal(loaded.transform(SCALED), basis.transform(UNIT))


def kinds(x: torch.Tensor, folder: Path) -> dict[str, Any]:
    np.save(folder / "integers.npy", x.numpy().astype(np.int64))
    graph = nx.path_graph(len(x))
    nx.set_node_attributes(graph, dict(enumerate(x.numpy())), "x")
    return {
        "array": x.numpy(),
        "tensor": x,
        "integers": x.long(),
        "file": folder / "integers.npy",
        "networkx": graph,
    }


@pytest.fixture(scope="module")
def basis() -> BASiS:
    return quick(metric="cosine", max_iter=2).fit(SCALED)


@pytest.mark.parametrize("kind", ["array", "tensor", "integers", "file", "networkx"])
def test_a_row_of_zeros_is_named_before_work(
    basis: BASiS, tmp_path: Path, kind: str
) -> None:
    x = 100 * X
    x[217] = 0
    points = kinds(x, tmp_path)[kind]
    untrained = quick(metric="cosine", network=Untrained(3, 4))
    for call in (untrained.fit, basis.transform, basis.score):
        with pytest.raises(ValueError, match="row 217 of the features is zero"):
            call(points)


def test_a_row_of_zeros_in_a_dataset_is_named_when_it_is_drawn() -> None:
    x = X.clone()
    x[100:] = 0
    with pytest.raises(ValueError, match=r"row [12]\d\d of the features is zero"):
        quick(metric="cosine").fit(Rows(x))
