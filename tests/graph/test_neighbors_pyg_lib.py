import importlib
import sys

import pytest
import torch
import torch_geometric

from pyg_basis.graph import knn_graph


def test_reads_the_rows_of_pygs_knn(monkeypatch: pytest.MonkeyPatch) -> None:
    # pyg-lib has no release in the package index; PyG's `knn` has the signature and
    # the result of torch_cluster's, which stands in for it here.
    torch_cluster = pytest.importorskip("torch_cluster")
    choose = importlib.import_module("pyg_basis.graph._choose_backend")
    module = "pyg_basis.graph._neighbors_pyg_lib"
    choose._import_backend.cache_clear()
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(torch_geometric.typing, "WITH_KNN", True, raising=False)
    monkeypatch.setattr(torch_geometric.nn, "knn", torch_cluster.knn)
    x = torch.randn(90, 3, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, torch.zeros(20, 3)])
    graph = knn_graph(x, 6, backend="pyg_lib")
    assert torch.equal(graph.edge_index, knn_graph(x, 6, "torch").edge_index)
    choose._import_backend.cache_clear()
    sys.modules.pop(module, None)
