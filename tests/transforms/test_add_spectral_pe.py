import subprocess
import sys

import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.datasets import FakeHeteroDataset
from torch_geometric.transforms import Compose
from torch_geometric.utils import from_networkx, to_undirected

from pyg_basis.transforms import AddSpectralPE


def _path(n: int) -> Data:
    edges = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    return Data(edge_index=to_undirected(edges), num_nodes=n)


def _scale_free(n: int = 2000) -> Data:
    return from_networkx(nx.barabasi_albert_graph(n, 3, seed=0))


def test_path_has_the_closed_form() -> None:
    n, k = 150, 4
    data = AddSpectralPE(k, laplacian="comb", tol=1e-9)(_path(n))
    frequency = torch.pi * torch.arange(1, k + 1) / n
    expected = 2**0.5 * torch.cos((torch.arange(n)[:, None] + 0.5) * frequency)
    assert torch.allclose(data.spectral_pe, expected, atol=1e-3)
    values = data.spectral_pe_eigenvalues
    assert values.shape == (n, k)
    assert torch.allclose(values, (2 - 2 * frequency.cos()).expand(n, k), atol=1e-6)


@pytest.mark.parametrize("kind", ["sym", "rw", "comb"])
@pytest.mark.parametrize("drop_trivial", [True, False])
def test_columns_are_eigenvectors_of_mean_square_1(kind, drop_trivial) -> None:
    graph = _scale_free(500)
    data = AddSpectralPE(6, None, kind, drop_trivial, tol=1e-8)(graph.clone())
    assert torch.allclose(data.x.square().mean(dim=0), torch.ones(6), atol=1e-4)
    weight = torch.zeros(500, 500)
    weight[graph.edge_index[0], graph.edge_index[1]] = 1
    degree = weight.sum(dim=1)
    operator = torch.diag(degree) - weight
    if kind == "rw":
        operator = operator / degree[:, None]
    if kind == "sym":
        operator = operator / (degree[:, None] * degree).sqrt()
    image = operator @ data.x
    expected = data.x * data.spectral_pe_eigenvalues
    assert torch.allclose(image, expected, atol=2e-3 if kind == "comb" else 1e-4)
    exact = torch.linalg.eigvals(operator.double()).real.sort().values
    first = int(drop_trivial)
    found = data.spectral_pe_eigenvalues[0].double()
    assert torch.allclose(found, exact[first : first + 6], atol=1e-5)


@pytest.mark.usefixtures("untouched_global_generators")
def test_ten_calls_and_another_process_agree_to_the_last_bit(tmp_path) -> None:
    graph = _scale_free()
    torch.save(graph.edge_index, tmp_path / "edges.pt")
    first = AddSpectralPE(8)(graph.clone()).spectral_pe
    for _ in range(9):
        assert torch.equal(AddSpectralPE(8)(graph.clone()).spectral_pe, first)
    program = (
        "import torch\n"
        "from torch_geometric.data import Data\n"
        "from pyg_basis.transforms import AddSpectralPE\n"
        "torch.set_num_threads(1)\n"
        f"edges = torch.load({str(tmp_path / 'edges.pt')!r})\n"
        "data = AddSpectralPE(8)(Data(edge_index=edges, num_nodes=2000))\n"
        f"torch.save(data.spectral_pe, {str(tmp_path / 'rows.pt')!r})\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert torch.equal(torch.load(tmp_path / "rows.pt"), first)


def test_a_graph_has_the_same_rows_in_a_batch() -> None:
    graphs = [_path(30), _scale_free(300), _path(30), _path(3)]
    transform = AddSpectralPE(4)
    batch = transform(Batch.from_data_list(graphs))
    for number, graph in enumerate(graphs):
        alone, within = transform(graph.clone()), batch.batch == number
        for name in ("spectral_pe", "spectral_pe_eigenvalues"):
            assert torch.allclose(batch[name][within], alone[name], atol=1e-5)


def test_edge_weights_count() -> None:
    graph = _path(40)
    plain = AddSpectralPE(2)(graph.clone()).spectral_pe
    graph.edge_weight = torch.ones(graph.num_edges)
    assert torch.allclose(AddSpectralPE(2)(graph.clone()).spectral_pe, plain)
    is_weak = (graph.edge_index.min(dim=0).values == 19) & (
        graph.edge_index.max(dim=0).values == 20
    )
    graph.edge_weight[is_weak] = 1e-3
    halves = AddSpectralPE(2, laplacian="rw")(graph).spectral_pe[:, 0]
    assert halves.abs().std() < 0.01


def test_in_the_manner_of_pyg() -> None:
    assert repr(AddSpectralPE(8)) == "AddSpectralPE(8)"
    data = Compose([AddSpectralPE(2, "pe"), AddSpectralPE(3, None)])(_path(20))
    assert data.pe.shape == (20, 2)
    assert data.pe_eigenvalues.shape == (20, 2)
    assert data.x.shape == (20, 3)
    original = _path(20)
    AddSpectralPE(2)(original)
    assert "spectral_pe" not in original  # transforms copy what they are given


def test_what_a_small_component_lacks_is_zero() -> None:
    data = AddSpectralPE(4)(_path(3))
    assert data.spectral_pe[:, 2:].tolist() == [[0, 0]] * 3
    assert data.spectral_pe_eigenvalues[:, 2:].tolist() == [[0, 0]] * 3
    assert data.spectral_pe[:, :2].abs().sum() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0 must be an integer, at least 1"),
        ({"k": 2.5}, r"k=2.5 must be an integer"),
        ({"k": True}, "k=True must be an integer"),
        ({"k": 2, "tol": -1.0}, r"tol=-1.0 must be a positive"),
        ({"k": 2, "laplacian": "signless"}, "laplacian='signless' is unknown"),
    ],
)
def test_bad_arguments(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        AddSpectralPE(**arguments)


def test_bad_graphs() -> None:
    directed = Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    with pytest.raises(ValueError, match=r"symmetric.*\s.*to_undirected"):
        AddSpectralPE(1)(directed)
    with pytest.raises(ValueError, match="graph has no edge_index"):
        AddSpectralPE(1)(Data(x=torch.ones(3, 1)))
    with pytest.raises(ValueError, match=r"must lie within \[0, 1\]"):
        AddSpectralPE(1)(Data(edge_index=torch.tensor([[0, 2], [2, 0]]), num_nodes=2))
    with pytest.raises(ValueError, match="got HeteroData"):
        AddSpectralPE(1)(FakeHeteroDataset()[0])
    with pytest.raises(ValueError, match="got HeteroData"):
        AddSpectralPE(1)(HeteroData())
