import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
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
        ({"k": 2.5}, r"k=2.5 must be an integer, at least 1"),
        ({"k": 2, "tol": -1.0}, r"tol=-1.0 must be a positive"),
        ({"k": 2, "laplacian": "signless"}, "'signless' is unknown: use 'sym'"),
    ):
        with pytest.raises(ValueError, match=message):
            AddSpectralPE(**arguments)
    directed = torch.tensor([[0, 1], [1, 2]])
    for data, message in (
        (Data(edge_index=directed, num_nodes=3), r"symmetric.*\s.*to_undirected"),
        (Data(x=torch.ones(3, 1)), "graph has no edge_index"),
        (Data(edge_index=directed, num_nodes=2), r"must lie within \[0, 1\]"),
        (HeteroData(), r"AddSpectralPE takes.*got HeteroData.*to_homogeneous\(\)"),
    ):
        with pytest.raises(ValueError, match=message):
            AddSpectralPE(1)(data)
