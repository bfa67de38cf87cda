import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from benchmarks.data import graphs
from benchmarks.data.graphs import load_graph

EDGES = "id_1,id_2\n0,1\n1,2\n2,3\n3,3\n1,0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "graphs" / "musae"
    folder.mkdir(parents=True)
    (folder / "facebook_edges.csv").write_text(EDGES)
    (folder / "git_edges.csv").write_text(EDGES)
    # Not in the order of the nodes, and with names that hold commas.
    (folder / "facebook_target.csv").write_text(
        'id,facebook_id,page_name,page_type\n2,7,"A, B",tvshow\n0,5,Ö,company\n'
        "1,6,C,tvshow\n3,9,D,politician\n",
        encoding="utf-8",
    )
    (folder / "git_target.csv").write_text(
        "id,name,ml_target\n0,a,0\n1,b,1\n2,c,1\n3,d,0\n"
    )
    words = {"0": [0, 1], "1": [1, 2], "2": [], "3": [3, 3, 0]}
    (folder / "facebook.json").write_text(json.dumps(words))
    return tmp_path


def test_pages(root) -> None:
    data = load_graph("facebook", root)
    assert data.edge_index.tolist() == [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]
    assert data.y.tolist() == [0, 2, 2, 1]  # in alphabetical order of their names
    assert data.x.shape == (4, 3)
    assert data.x.dtype == torch.float32
    assert np.allclose(data.x.std(dim=0, correction=0), 1)
    assert torch.equal(load_graph("facebook", root).x, data.x)
    # A page without words lies at the origin of the uncentred columns.
    assert torch.allclose(data.x[2], torch.zeros(3), atol=1e-6)


def test_developers_have_no_features(root) -> None:
    data = load_graph("github", root)
    assert data.y.tolist() == [0, 1, 1, 0]
    assert data.num_nodes == 4
    assert data.x is None


def test_planetoid_is_processed_next_to_a_copy(tmp_path, monkeypatch) -> None:
    raw = tmp_path / "data" / "graphs" / "planetoid" / "Cora" / "raw"
    raw.mkdir(parents=True)
    (raw / "ind.cora.x").write_text("x")
    opened = []

    def planetoid(folder, title, transform):
        opened.append((Path(folder), title))
        return [Data(num_nodes=1)]

    monkeypatch.setattr(graphs, "Planetoid", planetoid)
    load_graph("cora", tmp_path / "data", tmp_path / "cache")
    load_graph("cora", tmp_path / "data", tmp_path / "cache")
    folder = tmp_path / "cache" / "planetoid"
    assert opened == [(folder, "Cora")] * 2
    assert (folder / "Cora" / "raw" / "ind.cora.x").read_text() == "x"
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def test_without_a_folder_they_are_those_of_pyg(tmp_path, monkeypatch) -> None:
    edges = torch.tensor([[0, 1], [1, 1]])
    graph = Data(x=torch.ones(2, 1), y=torch.tensor([0, 1]), edge_index=edges)
    monkeypatch.setattr(graphs, "FacebookPagePage", lambda folder: [graph])
    data = load_graph("facebook", cache_dir=tmp_path)
    assert data.edge_index.tolist() == [[0, 1], [1, 0]]
    assert data.x is graph.x


def test_bad_arguments(tmp_path) -> None:
    with pytest.raises(ValueError, match="name must be one of 'cora'"):
        load_graph("pubmed")
    for name, inner in (("citeseer", "planetoid"), ("github", "musae")):
        with pytest.raises(FileNotFoundError, match=f"holds graphs/{inner}"):
            load_graph(name, tmp_path)
