import torch
from torch_geometric.data import Data

from benchmarks.experiments import cold_start


def graph_of_two_cliques() -> Data:
    """Forty nodes, whose features say which clique they belong to."""
    y = torch.arange(40) % 2
    x = torch.nn.functional.one_hot(y, 2).float()
    i, j = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    joined = (y[i] == y[j]) & (i != j)
    return Data(x=x, y=y, edge_index=torch.stack([i[joined], j[joined]]))


def test_no_edge_of_a_test_node_is_seen() -> None:
    graph = graph_of_two_cliques()
    parts = cold_start.split(graph, seed=0)
    assert parts.num_training == 34 and parts.first_test == 36
    assert int(parts.training.edge_index.max()) < 34
    # The nodes came with their features, classes and edges.
    source, target = parts.graph.edge_index
    assert parts.graph.num_edges == graph.num_edges
    assert bool((parts.graph.y[source] == parts.graph.y[target]).all())


def test_neighbors_are_found_in_a_space_that_knows_them() -> None:
    parts = cold_start.split(graph_of_two_cliques(), seed=0)
    nodes = torch.arange(36, 40)
    near = cold_start.nearest(parts, parts.graph.x, nodes)
    assert bool((parts.graph.y[near] == parts.graph.y[nodes].unsqueeze(1)).all())
    found = cold_start.overlap(parts, nodes, near)
    # Ten of some seventeen.
    assert 0.5 < found < 0.7
    blind = torch.ones_like(near) * near.flip(0)[:1]
    assert cold_start.overlap(parts, nodes, blind) < found


def test_a_quick_run(quick, data_root, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(400) % 2
    x = torch.rand(400, 16, generator=generator) + y.unsqueeze(1)
    joined = torch.rand(400, 400, generator=generator).triu(1) > 0.95
    edges = (joined | joined.T).nonzero().T
    many = Data(x=x, y=y, edge_index=edges)
    monkeypatch.setattr(cold_start, "load_graph", lambda *_: many)
    runs = quick("cold_start", "--data-root", data_root)["results"]["runs"]
    assert len({run["space"] for run in runs}) == 5
    for run in runs:
        assert all(0 <= run[key] <= 1 for key in cold_start.TITLES)
