import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import ToSparseTensor
from torch_geometric.utils import from_networkx, to_undirected

from pyg_basis.transforms import AddSpectralPE


def _path(n: int, **kwargs) -> Data:
    edges = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    return Data(edge_index=to_undirected(edges), num_nodes=n, **kwargs)


def _scale_free(n: int) -> Data:
    return from_networkx(nx.barabasi_albert_graph(n, 3, seed=0))


@pytest.mark.parametrize("kind", ["sym", "rw", "comb"])
@pytest.mark.parametrize("drop_first", [True, False])
def test_columns_are_eigenvectors_of_mean_square_1(kind, drop_first) -> None:
    graph = _scale_free(500)
    graph.edge_weight = 1.0 + graph.edge_index.sum(dim=0) % 3
    data = AddSpectralPE(6, "pe", kind, drop_first, tol=1e-8)(graph)
    assert torch.allclose(data.pe.square().mean(dim=0), torch.ones(6), atol=1e-4)
    weight = torch.zeros(500, 500)
    weight[graph.edge_index[0], graph.edge_index[1]] = graph.edge_weight
    degree = weight.sum(dim=1)
    operator = torch.diag(degree) - weight
    if kind == "rw":
        operator = operator / degree[:, None]
    if kind == "sym":
        operator = operator / (degree[:, None] * degree).sqrt()
    image, atol = operator @ data.pe, 4e-3 if kind == "comb" else 1e-4
    assert torch.allclose(image, data.pe * data.pe_eigenvalues, atol=atol)
    exact = torch.linalg.eigvals(operator.double()).real.sort().values.float()
    exact = exact[int(drop_first) :][:6].expand(500, 6)
    assert torch.allclose(data.pe_eigenvalues, exact, atol=1e-5)


@pytest.mark.usefixtures("untouched_global_generators")
def test_calls_agree_to_the_last_bit() -> None:
    first, again = (AddSpectralPE(8)(_scale_free(2000)).spectral_pe for _ in range(2))
    assert torch.equal(first, again)
    largest = first.gather(0, first.abs().argmax(dim=0, keepdim=True))
    assert (largest > 0).all()


def test_a_graph_has_the_same_rows_in_a_batch() -> None:
    graphs = [_path(30), _scale_free(300), _path(30), _path(3)]
    transform = AddSpectralPE(4)
    batch = transform(Batch.from_data_list(graphs))
    for number, graph in enumerate(graphs):
        alone, within = transform(graph), batch.batch == number
        for name in ("spectral_pe", "spectral_pe_eigenvalues"):
            assert torch.allclose(batch[name][within], alone[name], atol=1e-5)
    # What a small component lacks is zero.
    assert alone.spectral_pe[:, :2].all() and not alone.spectral_pe[:, 2:].any()
    assert not alone.spectral_pe_eigenvalues[:, 2:].any()


@st.composite
def symmetric_graphs(draw: st.DrawFn) -> Data:
    """Graphs most of whose eigenvalues are multiple, and random trees, some with tails
    that make them larger than what is decomposed densely."""
    n = draw(st.integers(2, 9))
    build = draw(
        st.sampled_from(
            [
                nx.star_graph,
                nx.complete_graph,
                nx.cycle_graph,
                lambda n: nx.grid_graph([n, n]),
                lambda n: nx.balanced_tree(n, 2),
                lambda n: nx.random_labeled_tree(2 * n, seed=n),
                lambda n: nx.complete_multipartite_graph(n, n, n),
            ]
        )
    )
    graph = nx.convert_node_labels_to_integers(build(n))
    order = draw(st.permutations(range(len(graph))))
    graph = nx.relabel_nodes(graph, dict(enumerate(order)))
    tail = draw(st.sampled_from([0, 0, 150]))
    nx.add_path(graph, [0, *range(len(graph), len(graph) + tail)])
    edges = torch.tensor(list(graph.edges), dtype=torch.long).view(-1, 2).t()
    return Data(edge_index=to_undirected(edges), num_nodes=len(graph))


@given(
    symmetric_graphs(),
    symmetric_graphs(),
    st.integers(1, 6),
    st.sampled_from(["sym", "rw", "comb"]),
)
def test_a_graph_with_symmetries_has_the_same_rows_in_a_batch(
    graph, other, k, kind
) -> None:
    transform = AddSpectralPE(k, laplacian=kind)
    alone = transform(graph).spectral_pe
    batch = transform(Batch.from_data_list([other, graph, graph]))
    for number in (1, 2):
        rows = batch.spectral_pe[batch.batch == number]
        assert torch.allclose(rows, alone, atol=1e-4)


@pytest.mark.parametrize("n", [5, 18])  # dense up to 128 nodes
def test_rows_do_not_depend_on_the_number_of_threads(n) -> None:
    graph = from_networkx(nx.convert_node_labels_to_integers(nx.grid_graph([n, n])))
    before, rows = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            rows.append(AddSpectralPE(6)(graph).spectral_pe)
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(*rows, atol=1e-4)


@pytest.mark.parametrize("tail", [0, 200])
def test_part_of_an_eigenspace_follows_from_the_whole(tail) -> None:
    # The eigenvalue 1 of a star, 29 times, is cut by any k up to then: its basis is
    # orthonormal and 0 at the center, and a smaller k gives the first columns of it.
    star = nx.star_graph(30)
    nx.add_path(star, [0, *range(31, 31 + tail)])
    first, more = (AddSpectralPE(k)(from_networkx(star)).spectral_pe for k in (3, 5))
    assert torch.allclose(first, more[:, :3], atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_edges_of_a_sparse_matrix(weighted, batched) -> None:
    graph = _path(30)
    if weighted:
        graph.edge_weight = 1.0 + graph.edge_index.sum(dim=0) % 3
    expected = AddSpectralPE(3)(graph)
    graph = ToSparseTensor(attr="edge_weight")(graph.clone())
    assert graph.edge_index is None
    if batched:
        graph, expected = (Batch.from_data_list([g, g]) for g in (graph, expected))
    found = AddSpectralPE(3)(graph)
    assert torch.allclose(found.spectral_pe, expected.spectral_pe, atol=1e-6)
    # Features of the edges are no weights.
    graph = _path(30, edge_attr=torch.rand(58, 2))
    expected = AddSpectralPE(3)(graph).spectral_pe
    found = AddSpectralPE(3)(ToSparseTensor(attr="edge_attr")(graph.clone()))
    assert torch.allclose(found.spectral_pe, expected, atol=1e-6)


def test_without_a_name_the_columns_of_x_grow() -> None:
    pe = AddSpectralPE(2)(_path(20)).spectral_pe
    assert torch.equal(AddSpectralPE(2, None)(_path(20)).x, pe)
    # Integers, classes of atoms say, would cut encodings off.
    for x in (torch.arange(20), torch.arange(20.0)[:, None]):
        given = _path(20, x=x)
        data = AddSpectralPE(2, None)(given)
        assert torch.equal(data.x, torch.cat([torch.arange(20.0)[:, None], pe], dim=1))
        assert given.x is x  # transforms copy what they are given


def test_bad_input() -> None:
    for arguments, message in (
        ({"k": 2.5}, "'k' .* Got 2.5"),
        ({"k": 2**16}, r"'k' .*\[1, 65535\]. Got 65536"),
        ({"k": 2, "drop_first": torch.nan}, r"'drop_first' parameter (.|\n)*Got nan"),
        ({"k": 2, "attr_name": 5}, "attr_name=5 must be the name"),
        ({"k": 2, "seed": None}, "'seed' .* Got None"),
        ({"k": 2, "tol": -1.0}, "'tol' .* Got -1.0"),
        ({"k": 2, "laplacian": "signless"}, "'laplacian' .*'sym'.* Got 'signless'"),
        ({"k": 2, "laplacian": np.ones(2)}, "'laplacian' .* Got array"),
    ):
        with pytest.raises(ValueError, match=message):
            AddSpectralPE(**arguments)
    directed = torch.tensor([[0, 1], [1, 2]])
    for data, message in (
        (Data(edge_index=directed, num_nodes=3), r"symmetric.*\s.*to_undirected"),
        (Data(x=torch.ones(3, 1)), "graph has no edge_index"),
        (Data(edge_index=directed, num_nodes=2), r"must lie within \[0, 1\]"),
        (Data(adj_t=torch.eye(3)), r"adj_t must be a sparse.*ToSparseTensor"),
        (HeteroData(), r"AddSpectralPE takes.*got HeteroData.*to_homogeneous\(\)"),
    ):
        with pytest.raises(ValueError, match=message):
            AddSpectralPE(1)(data)
    for x in (torch.ones(5, 2), torch.ones(20, 1, 1), torch.tensor(1.0), ["a"] * 20):
        with pytest.raises(ValueError, match=r"data.x must .*\[20, d\].*attr_name"):
            AddSpectralPE(1, None)(_path(20, x=x))
