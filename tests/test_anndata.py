from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_basis import BASiS
from pyg_basis.anndata import basis_map, map_query
from tests.estimators.inputs import blocks, quick, same

DATA = blocks()
X = DATA.x.numpy()
W = csr_array((DATA.edge_weight.numpy(), DATA.edge_index.numpy()), (300, 300))


def cells(x: Any = X) -> Any:
    """What of an AnnData is used."""
    return SimpleNamespace(X=csr_array(x), obsm={"X_pca": x}, obsp={}, uns={})


@pytest.mark.parametrize("use_rep", ["X_pca", "X"])
def test_rows_and_eigenvalues_are_written(use_rep: str) -> None:
    adata, basis = cells(), quick(max_iter=3)
    fitted = basis_map(adata, basis, use_rep=use_rep, key_added="walk")
    expected = quick(max_iter=3).fit(X)
    assert same(fitted, expected, X)
    assert np.array_equal(adata.obsm["X_walk"], expected.transform(X))
    found = adata.uns["walk"]
    assert np.array_equal(found["eigenvalues"], expected.eigenvalues_)
    assert found["params"] == {"use_rep": use_rep}
    assert not hasattr(basis, "layer_")  # a copy is fitted


def test_a_graph_of_the_cells() -> None:
    adata = cells()
    adata.obsp["connectivities"] = W
    basis_map(adata, quick(max_iter=3), adjacency="connectivities")
    expected = quick(max_iter=3).fit(DATA).transform(X)
    assert np.array_equal(adata.obsm["X_basis"], expected)
    assert adata.uns["basis"]["params"]["adjacency"] == "connectivities"


def test_query_cells() -> None:
    basis = basis_map(cells(), quick(max_iter=3))
    query = cells(X[:20] + np.float32(0.1))
    map_query(query, basis)
    expected = basis.transform(query.obsm["X_pca"])
    assert np.array_equal(query.obsm["X_basis"], expected)
    assert not query.uns


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"use_rep": "X_scvi"}, r"use_rep='X_scvi' is not in .*\['X_pca'\].*pp.pca"),
        ({"adjacency": "distances"}, r"adjacency='distances' is not in .*pp.neighbors"),
    ],
)
def test_what_the_cells_do_not_have(settings: dict[str, Any], text: str) -> None:
    adata = cells()
    with pytest.raises(ValueError, match=text):
        basis_map(adata, **settings)
    assert list(adata.obsm) == ["X_pca"]


def test_what_holds_no_cells() -> None:
    with pytest.raises(ValueError, match=r"adata must be an anndata.* got ndarray"):
        basis_map(X)
    with pytest.raises(ValueError, match=r"adata must be an anndata.* got ndarray"):
        map_query(X, BASiS(), use_rep="X")
