import networkx as nx
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import from_networkx

from benchmarks.experiments import positional_encoding
from benchmarks.experiments.exact_encodings import (
    OURS,
    exact_change,
    movement,
    residual,
    speed,
    without_nodes,
)
from benchmarks.experiments.given_graphs import (
    cold_start,
    largest_component,
    neighborhood,
    samples,
)
from pyg_basis.transforms import AddSpectralPE


@pytest.fixture(scope="module")
def graph() -> Data:
    """Three blocks, and features that tell them apart."""
    block = nx.planted_partition_graph(3, 100, 0.2, 0.01, seed=0)
    data = from_networkx(block)
    generator = torch.Generator().manual_seed(0)
    classes = torch.eye(3)[torch.arange(300) // 100]
    x = classes + 0.1 * torch.randn(300, 3, generator=generator)
    return Data(x=x, edge_index=data.edge_index)


def test_quick_run_writes_records_and_tables(quick, tmp_path, monkeypatch, graph):
    monkeypatch.setattr(positional_encoding, "load_graph", lambda *_: graph)
    monkeypatch.setattr(positional_encoding, "SAMPLE_SIZES", (150,))
    quick("positional_encoding", "--questions", "change", "samples")
    record = quick("positional_encoding", "--questions", "cold_start")
    results = record["results"]
    assert set(results) == {"change", "samples", "cold_start"}  # the earlier ones stay
    own = [run for run in results["change"] if run["encoding"].endswith("own features")]
    assert own and all(run["nodes"] == run["edges"] == 0 for run in own)
    assert len(list((tmp_path / "output").glob("*.md"))) == 3


def test_speed_distinguishes_ours_from_others(graph) -> None:
    figures = {run["encoding"]: run for run in speed(graph, 4, rounds=2)}
    assert figures[OURS]["calls_agree"] and figures[OURS]["processes_agree"]
    assert figures[OURS]["ratio"] == 1
    assert figures[OURS]["residual"] <= 1e-5
    assert not figures["PyG, undirected"]["calls_agree"]  # signs are drawn at random


def test_residual_is_of_the_operator(graph) -> None:
    encoded = AddSpectralPE(4, "pe", tol=1e-9)(graph.clone())
    assert residual(encoded) < 1e-6
    encoded.pe = encoded.pe.roll(1, 0)
    assert residual(encoded) > 0.05


def test_changes_and_movement(graph) -> None:
    other, kept = without_nodes(graph, seed=0)
    assert len(kept) == other.num_nodes == 297
    assert torch.equal(other.x, graph.x[kept])
    rows = torch.eye(4)
    assert movement(rows, rows) == 0
    assert movement(rows, -rows) == pytest.approx(2)
    moved = exact_change(graph, 2, seed=0)
    assert 0 < moved[OURS]["nodes"] < 0.5


def test_samples_of_blocks(graph) -> None:
    found = samples(graph, 150, seed=0)
    assert found["nodes"] == largest_component(graph).num_nodes
    assert found["distance_of_mean"] < found["distance"] < 7.5


def test_neighborhood_means(graph) -> None:
    path = Data(
        x=torch.tensor([[1.0], [2.0], [4.0]]),
        edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]),
    )
    assert neighborhood(path, 1)[:, 1].tolist() == [2.0, 2.5, 2.0]


def test_cold_start_compares_the_same_nodes(graph) -> None:
    distances = cold_start(graph, seed=0, max_iter=2)
    assert len(distances) == 4
    assert all(0 <= distance <= 8 for distance in distances.values())
    assert distances["mean of known neighbors"] < distances["BASiS, own features"]
