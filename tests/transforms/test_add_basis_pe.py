import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import Compose

from pyg_basis import BASiS, BASiSLayer
from pyg_basis.datasets import two_moons
from pyg_basis.transforms import AddBASiSPE, AddSpectralPE

pytestmark = pytest.mark.usefixtures("narrow_network")

X = two_moons(1500)[0]  # more than one block of rows


@pytest.fixture(scope="module")
def model() -> BASiS:
    basis = BASiS(3, n_anchors=20, batch_size=100, n_neighbors=10, max_iter=5)
    return basis.set_params(random_state=0).fit(X)


def test_rows_are_those_of_the_model_whatever_other_nodes_there_are(model) -> None:
    expected = model.transform(X)
    for given in (model, model.layer_):
        rows = AddBASiSPE(given)(Data(x=X)).basis_pe
        assert torch.allclose(rows, expected, atol=1e-3) and not rows.requires_grad
    part = AddBASiSPE(model)(Data(x=X[100:110])).basis_pe
    assert torch.allclose(part, expected[100:110], atol=1e-3)
    batch = AddBASiSPE(model)(Batch.from_data_list([Data(x=X[:50]), Data(x=X[50:])]))
    assert torch.allclose(batch.basis_pe, expected, atol=1e-3)


@pytest.mark.usefixtures("untouched_global_generators")
def test_training_goes_on_as_it_was() -> None:
    with torch.random.fork_rng():
        network = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(2))
        layer = BASiSLayer(2, 3, num_anchors=10, network=network)
    network[1].eval()  # frozen
    first, again = (AddBASiSPE(layer)(Data(x=X)).basis_pe for _ in range(2))
    assert torch.equal(first, again)
    assert layer.training and network[0].training and not network[1].training


def test_in_the_manner_of_pyg(model) -> None:
    assert repr(AddBASiSPE(model)) == f"AddBASiSPE({model.layer_!r})"
    given = Data(x=X[:2], position=X[:2], edge_index=torch.tensor([[0, 1], [1, 0]]))
    data = Compose(
        [
            AddSpectralPE(1),
            AddBASiSPE(model, "pe", input_name="position"),
            AddBASiSPE(model, None),
        ]
    )(given)
    assert torch.equal(data.x, torch.cat([X[:2], data.pe], dim=1))
    assert data.spectral_pe.shape == (2, 1)
    assert "pe" not in given  # transforms copy what they are given


def test_bad_input(model) -> None:
    for other in (BASiS(), torch.nn.Linear(2, 3)):
        with pytest.raises(ValueError, match="must be a BASiSLayer or a fitted BASiS"):
            AddBASiSPE(other)
    x = X.clone()
    x[3, 0] = x[7, 1] = torch.nan
    for data, message in (
        (Data(num_nodes=3), "data has no 'x' that the model could embed: set it"),
        (Data(x=torch.ones(3, 5)), r"expected \[nodes, 2\]"),
        (Data(x=x), "of 2 nodes are not finite, of node 3 first: look for NaN"),
        (HeteroData(), r"got HeteroData.*to_homogeneous\(\)"),
    ):
        with pytest.raises(ValueError, match=message):
            AddBASiSPE(model)(data)
