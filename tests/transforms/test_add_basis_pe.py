import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import Compose

from pyg_basis import BASiS, BASiSLayer
from pyg_basis.datasets import two_moons
from pyg_basis.transforms import AddBASiSPE, AddSpectralPE
from pyg_basis.transforms import add_basis_pe as module

X = two_moons(400)[0]


@pytest.fixture(scope="module")
def model() -> BASiS:
    basis = BASiS(3, n_anchors=20, batch_size=100, n_neighbors=10, max_iter=5)
    return basis.set_params(random_state=0).fit(X)


def test_rows_are_those_of_the_model(model) -> None:
    expected = model.transform(X)
    for given in (model, model.layer_):
        data = AddBASiSPE(given)(Data(x=X))
        assert torch.allclose(data.basis_pe, expected, atol=1e-3)
        assert not data.basis_pe.requires_grad
        assert "basis_pe" not in Data(x=X)


def test_blocks_do_not_show(model, monkeypatch) -> None:
    expected = AddBASiSPE(model)(Data(x=X)).basis_pe
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    assert torch.allclose(AddBASiSPE(model)(Data(x=X)).basis_pe, expected, atol=1e-3)


def test_other_nodes_do_not_matter(model) -> None:
    transform = AddBASiSPE(model)
    whole = transform(Data(x=X)).basis_pe
    part = transform(Data(x=X[100:110])).basis_pe
    assert torch.allclose(part, whole[100:110], atol=1e-3)
    batch = Batch.from_data_list([Data(x=X[:50]), Data(x=X[50:])])
    assert torch.allclose(transform(batch).basis_pe, whole, atol=1e-3)


@pytest.mark.usefixtures("untouched_global_generators")
def test_training_goes_on_as_it_was() -> None:
    with torch.random.fork_rng():
        network = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(2, 3))
        layer = BASiSLayer(2, 3, num_anchors=10, network=network)
    layer.train()
    first = AddBASiSPE(layer)(Data(x=X)).basis_pe
    assert torch.equal(AddBASiSPE(layer)(Data(x=X)).basis_pe, first)
    assert layer.training


def test_in_the_manner_of_pyg(model) -> None:
    assert repr(AddBASiSPE(model)) == f"AddBASiSPE({model.layer_!r})"
    edges = torch.tensor([[0, 1], [1, 0]])
    data = Compose(
        [AddSpectralPE(1), AddBASiSPE(model, "pe"), AddBASiSPE(model, None)]
    )(Data(x=X[:2], edge_index=edges))
    assert data.pe.shape == (2, 3)
    assert data.x.shape == (2, 5)
    assert data.spectral_pe.shape == (2, 1)


def test_features_by_another_name(model) -> None:
    data = AddBASiSPE(model, input_name="position")(Data(position=X))
    assert torch.equal(data.basis_pe, AddBASiSPE(model)(Data(x=X)).basis_pe)


def test_bad_input(model) -> None:
    with pytest.raises(ValueError, match="must be a BASiSLayer or a fitted BASiS"):
        AddBASiSPE(BASiS())
    with pytest.raises(ValueError, match="must be a BASiSLayer or a fitted BASiS"):
        AddBASiSPE(torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="data has no 'x' that the model could embed"):
        AddBASiSPE(model)(Data(num_nodes=3))
    with pytest.raises(ValueError, match=r"expected \[nodes, 2\]"):
        AddBASiSPE(model)(Data(x=torch.ones(3, 5)))
    x = X.clone()
    x[3, 0] = x[7, 1] = torch.nan
    with pytest.raises(ValueError, match=r"of 2 nodes are not finite, of node 3 first"):
        AddBASiSPE(model)(Data(x=x))
    with pytest.raises(ValueError, match="got HeteroData"):
        AddBASiSPE(model)(HeteroData())
