"""What `export` and `to_onnx` give is what `transform` gives."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import nn

from pyg_basis import BASiS, DiffusionMap
from tests.estimators.inputs import QUICK, quick, three_blobs
from tests.estimators.test_wide_features import widened

X = (three_blobs() + 1).astype(np.float32)
NUM_ROWS = (0, 1, 2, 50, len(X))
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "all but the projection": {
        "laplacian": "sym",
        "metric": "cosine",
        "diffusion_time": 2.5,
        "drop_first": False,
    },
    "regression": {"readout": False, "laplacian": "comb"},
}


PROJECTION = pytest.param("projection", marks=pytest.mark.slow)


def fitted(name: str) -> tuple[BASiS, NDArray[np.float32]]:
    """An embedding, and the points it was fitted to."""
    if name == "projection":
        x = widened(X)
        return quick(metric="cosine", max_iter=3).fit(x), x
    return quick(max_iter=3, **SETTINGS[name]).fit(X), X


def assert_same(found: NDArray[Any], basis: BASiS, x: NDArray[np.float32]) -> None:
    assert found.shape == (len(x), basis.n_components_) and found.dtype == np.float32
    if len(x) > 0:
        # Single precision, summed in another order; the degrees are exponentials.
        np.testing.assert_allclose(found, basis.transform(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [*SETTINGS, PROJECTION])
def test_export(name: str, tmp_path: Path) -> None:
    basis, x = fitted(name)
    torch.export.save(basis.export(), tmp_path / "basis.pt2")
    graph = torch.export.load(tmp_path / "basis.pt2").module()
    for num_rows in NUM_ROWS:
        rows = graph(torch.from_numpy(x[:num_rows])).numpy()
        assert_same(rows, basis, x[:num_rows])


@pytest.mark.parametrize("name", ["all but the projection", PROJECTION])
def test_to_onnx(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    basis, x = fitted(name)
    before = basis.transform(x)
    basis.to_onnx(tmp_path / "basis.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["basis.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "basis.onnx")
    assert session.get_inputs()[0].shape == ["rows", x.shape[1]]
    for num_rows in NUM_ROWS:
        (rows,) = session.run(["embedding"], {"x": x[:num_rows]})
        assert_same(rows, basis, x[:num_rows])
    assert np.array_equal(basis.transform(x), before)


def test_a_network_of_its_own_and_a_loaded_model(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(0.5))
    basis = DiffusionMap(**QUICK, network=network).fit(X)
    basis.save(tmp_path / "model.pt")
    loaded = DiffusionMap.load(tmp_path / "model.pt", network)
    assert_same(loaded.export().module()(torch.from_numpy(X)).numpy(), basis, X)


def test_rows_of_zeros_have_no_direction_in_a_graph_either() -> None:
    basis = quick(metric="cosine", max_iter=1).fit(X)
    x = torch.from_numpy(X[:2]).clone()
    x[0] = 0
    rows = basis.export().module()(x).numpy()
    assert np.isnan(rows[0]).all()
    assert_same(rows[1:], basis, X[1:2])


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_packages_that_are_missing(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    basis = quick(max_iter=1).fit(X)
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs {package}, which is not installed: pip install 'pyg-basis\[ex"
    with pytest.raises(ImportError, match=message):
        basis.to_onnx(tmp_path / "basis.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_projection_that_no_file_could_hold() -> None:
    basis = quick(max_iter=1).fit(X)
    basis.projection_ = csr_array((2048, 131_073), dtype=np.float64)
    with pytest.raises(ValueError, match=r"the projection of n_features_in_=\d+ col"):
        basis.export()


def test_before_a_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not fitted yet"):
        BASiS().export()
    with pytest.raises(ValueError, match="is not fitted yet"):
        BASiS().to_onnx(tmp_path / "basis.onnx")
